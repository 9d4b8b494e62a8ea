"""Durations take ASCII digits."""

import pytest

import actors


@pytest.mark.parametrize("text", ["\u0665s", "\uff15s", "1\u0662ms", "1.\u0665s", "\u096bm", "1h\u0663m"])
def test_other_digits_are_no_duration(text: str) -> None:
    with pytest.raises(actors.Error) as caught:
        actors.seconds(text, "timeout")
    assert caught.value.kind == actors.INVALID
    assert "timeout" in caught.value.message
    with pytest.raises(actors.Error) as caught:
        actors.Node("n", shutdown_timeout=text)
    assert caught.value.kind == actors.INVALID


@pytest.mark.parametrize(("text", "length"), [("5s", 5), ("1.5s", 1.5), ("1h30m", 5400), ("250ms", 0.25)])
def test_the_digits_of_the_documentation_are(text: str, length: float) -> None:
    assert actors.seconds(text, "timeout") == length
