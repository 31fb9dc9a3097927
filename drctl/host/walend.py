"""Where the write-ahead log of a member ends that cannot be asked, because it is down: read with `pg_waldump`."""

from __future__ import annotations

import re
import struct
from typing import NamedTuple

from drctl.host.config import Member
from drctl.host.control import read_control
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused
from drctl.host.programs import Finished, run
from drctl.host.timeline import begin_of
from drctl.host.wal import Segment, format_lsn, parse_lsn, parse_segment, record_end

_PAGE_HEADER = struct.Struct("<HHIQ")
_TAIL_BYTES = 64 * 1024
_HISTORY_BYTES_MAX = 1 << 20
_FAILED_AFTER = re.compile(r"error in WAL record at ([0-9A-F]+/[0-9A-F]+)")
_RECORD = re.compile(
    r"rmgr: (\S+) .*?len \(rec/tot\):\s*\d+/\s*(\d+), tx:\s*\d+, lsn: ([0-9A-F]+/[0-9A-F]+), .*?desc: (\S+)"
)


class WalEnd(NamedTuple):
    """The end of the last complete record."""

    timeline: int
    lsn: int


class Record(NamedTuple):
    """One record, as `pg_waldump` prints it."""

    manager: str
    length_bytes: int
    lsn: int
    what: str
    """The first word of its description, for example `COMMIT` or `SWITCH`."""


def parse_record(line: str) -> Record | None:
    """A line of `pg_waldump`; None when it is none."""
    match = _RECORD.search(line)
    if match is None:
        return None
    return Record(match[1], int(match[2]), parse_lsn(match[3]), match[4])


def end_of(record: Record, segment_bytes: int) -> int:
    """Where the next record may begin. A segment switch fills its segment."""
    if record.manager == "XLOG" and record.what == "SWITCH":
        return (record.lsn // segment_bytes + 1) * segment_bytes
    return record_end(record.lsn, record.length_bytes, segment_bytes)


def read_histories(member: Member) -> dict[int, str]:
    """The history files of `pg_wal`, by their timeline."""
    return {
        int(path.stem, 16): path.read_bytes()[:_HISTORY_BYTES_MAX].decode("utf-8", "replace")
        for path in member.wal_dir.glob("????????.history")
    }


def find_wal_end(member: Member, deadline: Deadline) -> WalEnd:
    """The end of the WAL of a member that is down, on the newest timeline that has a record of its own.

    Raises Refused when `pg_wal` does not tell.
    """
    segment_bytes = read_control(member, deadline).segment_bytes
    histories = read_histories(member)
    segments = [found for path in member.wal_dir.iterdir() if (found := parse_segment(path.name, segment_bytes))]
    for timeline in sorted({segment.timeline for segment in segments}, reverse=True):
        begin_lsn = begin_of(timeline, histories)
        numbers = sorted((segment.number for segment in segments if segment.timeline == timeline), reverse=True)
        # Segments that were made ahead of their time hold old WAL or zeros: their first page names another position.
        written = [number for number in numbers if _is_written(member, Segment(timeline, number), segment_bytes)]
        for number in written[:3]:
            end_lsn = _end_in_segment(member, Segment(timeline, number), segment_bytes, deadline)
            if end_lsn is None:
                continue
            if begin_lsn is not None and end_lsn > begin_lsn:
                return WalEnd(timeline, end_lsn)
            break
    raise Refused(
        f"the WAL in {member.wal_dir} does not tell where it ends",
        f"look at it: {member.bindir}/pg_waldump -p {member.wal_dir}",
    )


def find_record(member: Member, timeline: int, lsn: int, deadline: Deadline) -> Record:
    """The record that begins at `lsn`. Raises Refused when there is none."""
    finished = _waldump(member, deadline, "-t", str(timeline), "-s", format_lsn(lsn), "-n", "1")
    record = parse_record(finished.output)
    if record is None or record.lsn != lsn:
        raise Refused(f"no WAL record at {format_lsn(lsn)} on timeline {timeline}: {finished.complaint}")
    return record


def _is_written(member: Member, segment: Segment, segment_bytes: int) -> bool:
    from drctl.host.wal import segment_name

    try:
        with (member.wal_dir / segment_name(segment, segment_bytes)).open("rb") as file:
            _, _, _, address = _PAGE_HEADER.unpack(file.read(_PAGE_HEADER.size))
    except (OSError, struct.error):
        return False
    return bool(address == segment.number * segment_bytes)


def _end_in_segment(member: Member, segment: Segment, segment_bytes: int, deadline: Deadline) -> int | None:
    """Where the last record ends that begins in a segment; None when none begins there."""
    begin_lsn = segment.number * segment_bytes
    # The end is named, because pg_waldump waits five seconds for a next segment that is not there.
    bounds = ("-t", str(segment.timeline), "-e", format_lsn(begin_lsn + segment_bytes))
    finished = _waldump(member, deadline, "-q", "-s", format_lsn(begin_lsn), *bounds)
    failed_after = _FAILED_AFTER.search(finished.errors)
    if failed_after is not None:
        lsn = parse_lsn(failed_after[1])
        return end_of(find_record(member, segment.timeline, lsn, deadline), segment_bytes) if lsn >= begin_lsn else None
    for start_lsn in (begin_lsn + segment_bytes - _TAIL_BYTES, begin_lsn):
        records = [
            parse_record(line)
            for line in _waldump(member, deadline, "-s", format_lsn(start_lsn), *bounds).output.splitlines()
        ]
        complete = [record for record in records if record is not None]
        if complete:
            return end_of(complete[-1], segment_bytes)
    return None


def _waldump(member: Member, deadline: Deadline, *words: str) -> Finished:
    finished = run([member.bindir / "pg_waldump", "-p", member.wal_dir, *words], deadline)
    if finished.code is None:
        raise Refused(f"pg_waldump took too long on {member.wal_dir}", "ask again with a longer deadline")
    return finished
