"""What is wrong with a configuration: where, what was expected, what to write instead."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from drctl.model.errors import InvalidInput

KeyPath = tuple[str | int, ...]
"""From the top of the file to a value: `("groups", "lis", "home")`."""

SHOWN_MAX = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing that is wrong, or that is unwise."""

    file: str
    line: int
    column: int
    path: KeyPath
    message: str
    remedy: str
    """What to write or to type."""

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}:{self.column}"
        what = f"{dotted(self.path)}: {self.message}" if self.path else self.message
        return f"{where}: {what}\n    {self.remedy}"


class ConfigurationInvalid(InvalidInput):
    """A configuration with errors: all of them, in the order of the file."""

    def __init__(self, file: str, problems: Sequence[Problem], *, remedy: str = "") -> None:
        self.problems = tuple(sorted(problems, key=lambda problem: (problem.line, problem.column)))
        count = len(self.problems)
        lines = [str(problem) for problem in self.problems[:SHOWN_MAX]]
        if count > SHOWN_MAX:
            lines.append(f"and {count - SHOWN_MAX} more")
        super().__init__(
            f"{file} has {count} error{'s' if count != 1 else ''}; nothing was done\n" + "\n".join(lines),
            remedy=remedy or f"edit {file}, then type: drctl --config {file} config validate",
        )


def dotted(path: KeyPath) -> str:
    """`groups.lis.home`."""
    return ".".join(str(key) for key in path)


def nearest(word: str, known: Iterable[str]) -> str:
    """The known word that `word` was probably meant to be; empty when none is near."""
    found = difflib.get_close_matches(word, list(known), n=1, cutoff=0.55)
    return found[0] if found else ""
