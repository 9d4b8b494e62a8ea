"""What a manifest holds once it is read, and what can be wrong with it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import attrs

from actors._values.errors import INVALID, Error


@attrs.frozen
class Problem:
    """Something that is wrong with a manifest: the message names the key, its value, and what to do."""

    file: str
    line: int
    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.file}:{self.line}: {self.message}"


class ManifestError(Error):
    """All that is wrong with a manifest, in the order of its lines."""

    problems: tuple[Problem, ...]

    def __init__(self, problems: Iterable[Problem]) -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: problem.line))
        super().__init__(
            "\n".join(map(str, self.problems)),
            kind=INVALID,
            details={"problems": [attrs.asdict(problem) for problem in self.problems]},
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return ManifestError, (self.problems,)


@attrs.frozen
class ManifestEntry:
    """An entry of a manifest, checked: `values` are as written, with secrets filled in and references as full ids."""

    id: str
    kind: str
    values: Mapping[str, Any]
    file: str = ""
    key: str = ""
    lines: Mapping[str, int] = attrs.field(factory=dict[str, int], repr=False)

    def line(self, *path: str) -> int:
        """The line of a key of this entry; of the entry itself, when it does not have the key."""
        for end in range(len(path), -1, -1):
            line = self.lines.get(".".join((self.key, *path[:end])))
            if line is not None:
                return line
        return 1

    @property
    def place(self) -> str:
        """The file and the line."""
        return f"{self.file}:{self.line()}" if self.file else ""

    def problem(self, message: str, *path: str) -> Problem:
        """Something that is wrong with it, at a key."""
        return Problem(self.file, self.line(*path), ".".join((self.key, *path)), message)


def suggestion(wrong: object, known: Sequence[str]) -> str:
    """What was meant, or else what there is."""
    near = difflib.get_close_matches(str(wrong), known, 1, 0.6)
    return f"did you mean {near[0]!r}?" if near else f"expected one of: {', '.join(known) or 'none, add one'}"
