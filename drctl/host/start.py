"""To start a member so that it outlives whoever asked for it."""

from __future__ import annotations

from typing import NamedTuple

from drctl.host import processes, state
from drctl.host.config import Member
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused, Unknown
from drctl.host.fence import wait_for_orphans
from drctl.host.programs import log_tail, run
from drctl.host.psql import NoSession, SessionLost, StatementFailed, open_session

_POLL_S = 0.01
_BIRTH_S = 10.0
"""A postmaster that is not seen after that has ended at once. Generous: the machine may be recovering from a power loss."""
ACCEPTING = frozenset({"ready"})
"""The pid file's last line when sessions are taken; `standby` says that the standby is not consistent yet."""


class Start(NamedTuple):
    """A member that runs."""

    pid: int
    in_recovery: bool | None
    """None while it accepts no sessions yet."""
    accepts: bool


def start(member: Member, deadline: Deadline) -> Start:
    """Lift the fence, start the postmaster, and wait until it accepts sessions or the deadline comes.

    `pg_ctl` puts the postmaster into a session of its own, with the log as its output, so it survives the end of the SSH
    channel. Whether this member *should* start as a primary is the controller's decision; the epoch has been checked.
    """
    if state.half_rewound(member.state_dir):
        raise Refused(f"the data folder of {member.name} was left half rewound", "rejoin the member: it is copied anew")
    state.lift_fence(member.state_dir)
    if processes.postmaster_of(member.pgdata) is None:
        wait_for_orphans(member, deadline)
        _launch(member, deadline)
    return _wait_until_accepting(member, deadline)


def _launch(member: Member, deadline: Deadline) -> None:
    argv: tuple[str, ...]
    if member.start is not None:
        argv = member.start
    else:
        argv = (str(member.bindir / "pg_ctl"), "-D", str(member.pgdata), "-l", str(member.log), "-W", "-s", "start")
    finished = run(argv, deadline)
    if finished.code is None:
        raise Unknown(f"{argv[0]} did not return in time", "it may have started the member: inspect it")
    if not finished.ok:
        raise Refused(
            f"{member.name} did not start: {finished.complaint}", f"look at {member.log}: {log_tail(member.log)}"
        )


def _wait_until_accepting(member: Member, deadline: Deadline) -> Start:
    seen: processes.Postmaster | None = None
    birth = deadline.within(_BIRTH_S)
    for _ in deadline.polls(_POLL_S):
        postmaster = processes.postmaster_of(member.pgdata)
        if postmaster is None:
            if seen is not None or birth.passed:
                raise Refused(
                    f"{member.name} started and ended at once", f"look at {member.log}: {log_tail(member.log)}"
                )
            continue
        seen = postmaster
        if postmaster.status not in ACCEPTING:
            continue
        try:
            with open_session(member, deadline) as session:
                return Start(postmaster.process.pid, session.is_true("pg_is_in_recovery()", deadline), accepts=True)
        except (NoSession, SessionLost, StatementFailed):
            continue
    if seen is None:
        raise Unknown(
            f"{member.name} was told to start and is not seen yet", f"look at {member.log}: {log_tail(member.log)}"
        )
    return Start(seen.process.pid, None, accepts=False)
