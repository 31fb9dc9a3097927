"""`pg_controldata`: what the control file says."""

from __future__ import annotations

from typing import NamedTuple

from drctl.host.config import Member
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused
from drctl.host.programs import run
from drctl.host.wal import parse_lsn

CLEAN_STATES = frozenset({"shut down", "shut down in recovery"})
_PROGRAM_S = 5.0


class ControlData(NamedTuple):
    """The control file. On a standby its timeline and positions are as old as the last restartpoint."""

    state: str
    """"Database cluster state", for example `in production`, `shut down`, `in archive recovery`."""
    system_identifier: str
    timeline: int
    """Of the latest checkpoint: stale on a standby, so it never decides who is ahead."""
    checkpoint_lsn: int
    redo_lsn: int
    minimum_recovery_lsn: int
    segment_bytes: int


def read_control(member: Member, deadline: Deadline) -> ControlData:
    """Ask `pg_controldata`. Raises Refused when the data folder does not tell."""
    finished = run([member.bindir / "pg_controldata", "-D", member.pgdata], deadline.within(_PROGRAM_S))
    if not finished.ok:
        raise Refused(
            f"pg_controldata on {member.pgdata}: {finished.complaint}",
            "check `pgdata` and `bindir` in host.json, and the disk",
        )
    return parse_control(finished.output)


def parse_control(output: str) -> ControlData:
    """Raises Refused when a line is missing: another program, or another language."""
    lines = {
        key.strip(): value.strip()
        for key, separator, value in (line.partition(":") for line in output.splitlines())
        if separator
    }
    try:
        return ControlData(
            state=lines["Database cluster state"],
            system_identifier=lines["Database system identifier"],
            timeline=int(lines["Latest checkpoint's TimeLineID"]),
            checkpoint_lsn=parse_lsn(lines["Latest checkpoint location"]),
            redo_lsn=parse_lsn(lines["Latest checkpoint's REDO location"]),
            minimum_recovery_lsn=parse_lsn(lines["Minimum recovery ending location"]),
            segment_bytes=int(lines["Bytes per WAL segment"]),
        )
    except (KeyError, ValueError) as error:
        raise Refused(
            f"pg_controldata said something unexpected: {error}", "is `bindir` in host.json the server's own?"
        ) from error
