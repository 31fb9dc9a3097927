"""Where a member's write-ahead log ends."""

from __future__ import annotations

from dataclasses import dataclass
from functools import total_ordering
from typing import NewType

Lsn = NewType("Lsn", int)
"""A byte position in the write-ahead log. PostgreSQL writes it as two hexadecimal halves, `0/3000148`."""

Timeline = NewType("Timeline", int)
"""Which history of the write-ahead log a record belongs to; every promotion begins a new one."""

NO_TIMELINE = Timeline(0)
"""What PostgreSQL never calls one."""

_LSN_BITS = 64


def parse_lsn(text: str) -> Lsn:
    """`0/3000148` as a number. Raises ValueError when `text` is no LSN."""
    high, slash, low = text.partition("/")
    if not slash:
        raise ValueError(f"not a WAL position: {text!r} (expected the form 0/3000148)")
    value = (int(high, 16) << 32) | int(low, 16)
    if not 0 <= value < 1 << _LSN_BITS:
        raise ValueError(f"not a WAL position: {text!r} (out of range)")
    return Lsn(value)


def format_lsn(lsn: Lsn) -> str:
    """The position as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


@total_ordering
@dataclass(frozen=True, slots=True, kw_only=True)
class Position:
    """The end of a member's WAL: the timeline of its last record, and how far it is flushed.

    Ordered by timeline first: a longer log on an older timeline holds commits that were never acknowledged, or that the
    newer timeline has as well.
    """

    timeline: Timeline
    lsn: Lsn

    def __lt__(self, other: Position) -> bool:
        return (self.timeline, self.lsn) < (other.timeline, other.lsn)

    def __str__(self) -> str:
        return f"{self.timeline}:{format_lsn(self.lsn)}"
