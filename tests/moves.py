"""Lists of moves, for the properties that hold whatever is done."""

from __future__ import annotations

from typing import TypeVar

from hypothesis import strategies as st

T = TypeVar("T")


def many(moves: st.SearchStrategy[T], most: int) -> st.SearchStrategy[list[T]]:
    """A list of any length up to `most`, each as likely: `st.lists` would nearly always give a handful."""
    return st.integers(0, most).flatmap(lambda size: st.lists(moves, min_size=size, max_size=size))
