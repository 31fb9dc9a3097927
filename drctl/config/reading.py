"""Reads plain values at paths, and notes what is wrong with each: where, and what to write."""

from __future__ import annotations

from collections.abc import Collection
from enum import StrEnum
from typing import TypeVar

from drctl.config.problem import KeyPath, nearest
from drctl.config.source import Source, YamlValue
from drctl.model.units import parse_duration_s, parse_size_bytes

_Kind = TypeVar("_Kind", bound=StrEnum)


class Reader:
    """What is wrong is noted in the source, and something harmless is returned, so that all mistakes are found at once."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def mapping(self, value: YamlValue, path: KeyPath, known: Collection[str]) -> dict[str, YamlValue] | None:
        """The known keys of a mapping; None when it is none."""
        if not isinstance(value, dict):
            self.wrong(path, "must be a mapping", "write `key: value`, one in a line")
            return None
        for key in value:
            if key not in known:
                hint = nearest(key, known)
                self.wrong(
                    (*path, key),
                    "is not known",
                    f"did you mean `{hint}`?" if hint else f"known here: {', '.join(known) or 'nothing'}",
                )
        return {key: item for key, item in value.items() if key in known}

    def text(self, value: YamlValue, path: KeyPath) -> str:
        """A text that is not empty."""
        if not isinstance(value, str) or not value.strip():
            self.wrong(path, "must be a text", f"write `{path[-1]}: ...`")
            return ""
        return value

    def texts(self, value: YamlValue, path: KeyPath) -> tuple[str, ...]:
        """A list of words."""
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self.wrong(path, "must be a list of words", f"write `{path[-1]}: [one, another]`")
            return ()
        return tuple(str(item) for item in value)

    def whole(self, value: YamlValue, path: KeyPath, *, least: int = 0, most: int | None = None) -> int:
        """A whole number."""
        fits = isinstance(value, int) and not isinstance(value, bool) and value >= least
        if not fits or not isinstance(value, int) or (most is not None and value > most):
            limit = f", at most {most}" if most is not None else ""
            floor = "zero or greater" if least == 0 else f"at least {least}"
            self.wrong(path, f"must be a whole number, {floor}{limit}", f"write e.g. `{path[-1]}: {max(least, 1)}`")
            return least
        return value

    def truth(self, value: YamlValue, path: KeyPath) -> bool:
        """True or false."""
        if not isinstance(value, bool):
            self.wrong(path, "must be true or false", f"write `{path[-1]}: true`")
            return False
        return value

    def duration(self, value: YamlValue, path: KeyPath) -> float:
        """A duration that is not zero."""
        try:
            if isinstance(value, str) and (seconds := parse_duration_s(value)) > 0:
                return seconds
        except ValueError:
            pass
        self.wrong(path, "must be a duration; there is no wait without a limit", f"write e.g. `{path[-1]}: 10s`")
        return 0.0

    def size(self, value: YamlValue, path: KeyPath) -> int:
        """A size in bytes."""
        try:
            if isinstance(value, str):
                return parse_size_bytes(value)
        except ValueError:
            pass
        self.wrong(path, "must be a size", f"write e.g. `{path[-1]}: 16MiB`")
        return 0

    def choice(self, value: YamlValue, path: KeyPath, kind: type[_Kind], default: _Kind) -> _Kind:
        """One of an enumeration."""
        word = self.word(value, path, [member.value for member in kind])
        return kind(word) if word else default

    def word(self, value: YamlValue, path: KeyPath, allowed: Collection[str]) -> str:
        """One of a few words; empty when it is none of them."""
        if isinstance(value, str) and value in allowed:
            return value
        hint = nearest(value, allowed) if isinstance(value, str) else ""
        self.wrong(
            path, f"must be one of {', '.join(allowed)}", f"write e.g. `{path[-1]}: {hint or next(iter(allowed))}`"
        )
        return ""

    def wrong(self, path: KeyPath, message: str, remedy: str) -> None:
        """Note a problem."""
        self._source.problems.append(self._source.problem(path, message, remedy))
