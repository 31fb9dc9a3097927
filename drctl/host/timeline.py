"""Which timeline a member's WAL is on, and where two histories part. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

from drctl.host.wal import format_lsn, parse_lsn, parse_segment


class Era(NamedTuple):
    """One timeline of a history."""

    timeline: int
    begin_lsn: int
    end_lsn: int | None
    """Where the next timeline was forked off; None for the newest."""


def history_name(timeline: int) -> str:
    """The file that tells where `timeline` comes from. Timeline 1 has none."""
    return f"{timeline:08X}.history"


def parse_history(timeline: int, text: str) -> tuple[Era, ...]:
    """The eras up to and including `timeline`, oldest first, out of its history file (`parent  switch-point  reason`).

    Raises ValueError when the text is no history.
    """
    eras: list[Era] = []
    begin_lsn = 0
    for line in text.splitlines():
        fields = line.split()
        if not fields or fields[0].startswith("#"):
            continue
        if len(fields) < 2:
            raise ValueError(f"not a line of a timeline history: {line!r}")
        end_lsn = parse_lsn(fields[1])
        eras.append(Era(int(fields[0]), begin_lsn, end_lsn))
        begin_lsn = end_lsn
    if any(older.timeline >= newer.timeline for older, newer in zip(eras, eras[1:])):
        raise ValueError("the timelines of the history do not rise")
    if eras and eras[-1].timeline >= timeline:
        raise ValueError(f"the history of timeline {timeline} names timeline {eras[-1].timeline} as its ancestor")
    return (*eras, Era(timeline, begin_lsn, None))


def begin_of(timeline: int, histories: Mapping[int, str]) -> int | None:
    """Where `timeline` begins, by its own history file; None when that file is missing or broken."""
    if timeline == 1:
        return 0
    try:
        return parse_history(timeline, histories[timeline])[-1].begin_lsn
    except (KeyError, ValueError):
        return None


def last_timeline(
    names: Iterable[str], histories: Mapping[int, str], flushed_lsn: int, segment_bytes: int
) -> int | None:
    """The timeline of the last WAL record before `flushed_lsn`; None when `pg_wal` does not tell.

    `names` are the files of `pg_wal`, `histories` the texts of its history files. The control file cannot be asked: on a
    standby it is as old as the last restartpoint, and an heir chosen by it would lose commits.

    It is the highest timeline whose own segment holds the byte before `flushed_lsn`, and which began before
    `flushed_lsn`. Having a history file proves nothing: a diverged member may hold the history of a timeline of which it
    never received a byte. Nor does a segment alone: a promotion copies the begin of the fork's segment to the new
    timeline, so a member whose WAL ends exactly at the fork is still on the old one.
    """
    number = max(0, flushed_lsn - 1) // segment_bytes
    found = {
        segment.timeline
        for segment in (parse_segment(name, segment_bytes) for name in names)
        if segment is not None and segment.number == number
    }
    for timeline in sorted(found, reverse=True):
        begin_lsn = begin_of(timeline, histories)
        if begin_lsn is not None and begin_lsn < flushed_lsn:
            return timeline
    return None


class Fork(NamedTuple):
    """The last position that two histories share."""

    timeline: int
    lsn: int | None
    """None when the two never part: one is the begin of the other, or both are on the same timeline."""

    def __str__(self) -> str:
        return f"timeline {self.timeline} at {'its end' if self.lsn is None else format_lsn(self.lsn)}"


def since(fork: Fork, eras: tuple[Era, ...]) -> tuple[Era, ...]:
    """The part of a history that lies behind a fork."""
    if fork.lsn is None:
        return ()
    return tuple(
        era._replace(begin_lsn=max(era.begin_lsn, fork.lsn))
        for era in eras
        if era.end_lsn is None or era.end_lsn > fork.lsn
    )


def fork_of(ours: tuple[Era, ...], theirs: tuple[Era, ...]) -> Fork | None:
    """Where our history leaves theirs; None when they share nothing, as two different clusters do."""
    common: tuple[Era, Era] | None = None
    for our, their in zip(ours, theirs):
        if (our.timeline, our.begin_lsn) != (their.timeline, their.begin_lsn):
            break
        common = (our, their)
    if common is None:
        return None
    ends = [era.end_lsn for era in common if era.end_lsn is not None]
    return Fork(common[0].timeline, min(ends) if ends else None)
