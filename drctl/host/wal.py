"""The arithmetic of the write-ahead log: positions, segment names, pages, and where a record ends. Pure.

Source: PostgreSQL, `xlog_internal.h` and `xlogreader.c`; the same in every version since 11.
"""

from __future__ import annotations

import re
from typing import NamedTuple

PAGE_BYTES = 8192
SHORT_HEADER_BYTES = 24
LONG_HEADER_BYTES = 40
"""The first page of every segment has a longer header."""

_SEGMENT_NAME = re.compile(r"([0-9A-F]{8})([0-9A-F]{8})([0-9A-F]{8})")


def parse_lsn(text: str) -> int:
    """`0/3000148` as a number. Raises ValueError when `text` is no position."""
    high, slash, low = text.strip().partition("/")
    if not slash:
        raise ValueError(f"not a WAL position: {text!r}")
    return (int(high, 16) << 32) | int(low, 16)


def format_lsn(lsn: int) -> str:
    """The position as PostgreSQL writes it."""
    return f"{lsn >> 32:X}/{lsn & 0xFFFFFFFF:X}"


class Segment(NamedTuple):
    """A segment file of `pg_wal` by its name."""

    timeline: int
    number: int
    """Counted from position 0, so that `number * segment_bytes` is where it begins."""


def parse_segment(name: str, segment_bytes: int) -> Segment | None:
    """The segment that a file name stands for; None when the file is no segment."""
    match = _SEGMENT_NAME.fullmatch(name)
    if match is None:
        return None
    timeline, high, low = (int(part, 16) for part in match.groups())
    return Segment(timeline, high * (0x100000000 // segment_bytes) + low)


def segment_name(segment: Segment, segment_bytes: int) -> str:
    """The file name of a segment."""
    per_high = 0x100000000 // segment_bytes
    return f"{segment.timeline:08X}{segment.number // per_high:08X}{segment.number % per_high:08X}"


def record_end(lsn: int, length_bytes: int, segment_bytes: int) -> int:
    """Where the next record may begin after the record at `lsn` of `length_bytes`: 8-byte aligned, page headers skipped.

    An end that falls on a page boundary is the boundary itself: that is what PostgreSQL reports as flushed.
    """
    position = lsn
    left = (length_bytes + 7) & ~7
    while True:
        offset = position % PAGE_BYTES
        if offset == 0:
            header = LONG_HEADER_BYTES if position % segment_bytes == 0 else SHORT_HEADER_BYTES
            position += header
            offset = header
        room = PAGE_BYTES - offset
        if left <= room:
            return position + left
        left -= room
        position += room
