"""Events on their way into the chain: on this center's disk first, so that none is lost with the controller."""

from __future__ import annotations

import json
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from drctl.audit.entry import Occurrence, from_json, to_json
from drctl.model.errors import InvalidInput

FILE = "spool.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """What an earlier start left behind."""

    occurrences: tuple[Occurrence, ...]
    after: int
    """The chain ended here, for this center, when the first of them was spooled: it can only be in what came later."""


class Spool:
    """A file of events that are not known to be in the chain yet. Without a folder it is in memory alone."""

    def __init__(self, folder: Path | None) -> None:
        self._file = None if folder is None else folder / FILE
        self._dirty = True

    def left(self) -> Left:
        """What an earlier start did not finish. Raises OSError."""
        if self._file is None or not self._file.exists():
            return Left(occurrences=(), after=0)
        found: list[Occurrence] = []
        after: int | None = None
        for line in self._file.read_bytes().splitlines():
            try:
                told = json.loads(line)
                found.append(from_json(told))
                after = min(int(told["after"]), int(told["after"]) if after is None else after)
            except (ValueError, KeyError, TypeError, InvalidInput):
                continue  # the line that a crash cut: its event had not been taken yet
        return Left(occurrences=tuple(found), after=after or 0)

    def add(self, occurrences: Sequence[Occurrence], *, after: int) -> None:
        """Keep events until `clear`, and wait for the disk. Raises OSError."""
        if self._file is None or not occurrences:
            return
        lines = [json.dumps({**to_json(what), "after": after}, ensure_ascii=False) for what in occurrences]
        self._dirty = True
        with self._file.open("ab") as stream:
            # Behind a line that a crash cut, a new one begins.
            stream.write("".join(f"\n{line}" for line in lines).encode("utf-8", "replace"))
            stream.flush()
            os.fsync(stream.fileno())

    def clear(self) -> None:
        """All of them are in the chain. Raises OSError."""
        if self._file is None or not self._dirty:
            return
        with self._file.open("wb") as stream:
            os.fsync(stream.fileno())
        self._dirty = False
