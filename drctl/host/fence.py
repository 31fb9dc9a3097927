"""To stop a member: politely for a switchover, and for certain when it is fenced."""

from __future__ import annotations

import signal
from typing import NamedTuple

from drctl.host import processes, state
from drctl.host.config import Member
from drctl.host.control import CLEAN_STATES, read_control
from drctl.host.deadline import Deadline
from drctl.host.faults import HostFault, Invalid, Refused, Unknown
from drctl.host.programs import run
from drctl.host.walend import WalEnd, end_of, find_record, find_wal_end

MODES = {"fast": signal.SIGINT, "immediate": signal.SIGQUIT}
"""Never smart: that waits for the last session for ever."""

_IMMEDIATE_S = 1.0
_ZOMBIE_S = 5.0
"""An init process collects the dead at once; a container's may look every few seconds."""


class StopEnd(NamedTuple):
    """A member that was stopped."""

    final_lsn: int
    """The end of the shutdown checkpoint record after a clean stop; else the end of the WAL."""
    timeline: int
    control_state: str
    clean: bool


def fence(member: Member, epoch: int, mode: str, deadline: Deadline) -> None:
    """Keep the member down, then end every process of it. Raises Unknown when one is left.

    The fence file comes first: a host that reboots in the middle must not start the member. `synchronous_standby_names` is
    never touched: emptying it to let a stop finish would acknowledge the commits that still wait for a standby.
    """
    number = _signal_of(mode)
    remembered = state.load(member.state_dir)
    state.put_up_fence(member.state_dir, epoch)
    state.save(member.state_dir, state.MemberState(conninfo=remembered.conninfo))
    end_processes(member, number, deadline)


def end_processes(member: Member, first: signal.Signals, deadline: Deadline) -> None:
    """The signal, then SIGQUIT, then SIGKILL, each for a part of the time. Raises Unknown when a process is left."""
    limit = Deadline(deadline.remaining_s * 0.4)
    for number in dict.fromkeys((first, signal.SIGQUIT)):
        postmaster = processes.postmaster_of(member.pgdata)
        if postmaster is None:
            break
        processes.send(postmaster.process, number)
        if processes.wait_until_gone(member.pgdata, limit if number == signal.SIGINT else limit.within(_IMMEDIATE_S)):
            break
    if not processes.kill_all(member.pgdata, deadline.within(deadline.remaining_s * 0.8)):
        left = processes.members_of(member.pgdata)
        raise Unknown(
            f"{len(left)} processes of {member.name} do not die (pid {', '.join(str(process.pid) for process in left[:5])})",
            "frozen by a cgroup, or waiting for a disk: they may go on when that ends. The fence is up; ask again",
        )
    if member.stop is not None:
        # The init system has to know that this was meant, or it starts the member again. What it says does not matter:
        # every process is gone, and `may-start` keeps it from coming back.
        run(member.stop, deadline)


def stop(member: Member, epoch: int, mode: str, deadline: Deadline, *, fenced: bool) -> StopEnd:
    """Stop, wait until every process is gone, and read where the WAL ends.

    The commits that wait for a standby go on waiting until their sessions are ended; their clients are told nothing. A fast
    stop lets the standbys receive everything up to the shutdown checkpoint.
    """
    number = _signal_of(mode)
    remembered = state.load(member.state_dir)
    state.save(member.state_dir, state.MemberState(conninfo=remembered.conninfo))
    if fenced:
        state.put_up_fence(member.state_dir, epoch)
    postmaster = processes.postmaster_of(member.pgdata)
    if postmaster is not None and member.stop is not None and mode == "fast":
        finished = run(member.stop, deadline.within(deadline.remaining_s * 0.9))
        if not finished.ok and processes.postmaster_of(member.pgdata) is not None:
            raise Unknown(
                f"{member.stop[0]} did not stop {member.name}: {finished.complaint}",
                "it may be stopping still: ask again",
            )
    elif postmaster is not None:
        processes.send(postmaster.process, number)
    if not processes.wait_until_gone(member.pgdata, deadline.within(deadline.remaining_s * 0.95)):
        raise Unknown(
            f"{member.name} was told to stop ({mode}) and still runs", "ask again, or stop it with mode immediate"
        )
    return read_end(member, Deadline(max(2.0, deadline.remaining_s)))


def read_end(member: Member, deadline: Deadline) -> StopEnd:
    """Where the WAL of a stopped member ends."""
    control = read_control(member, deadline)
    clean = control.state in CLEAN_STATES
    if control.state == "shut down":
        record = find_record(member, control.timeline, control.checkpoint_lsn, deadline)
        return StopEnd(end_of(record, control.segment_bytes), control.timeline, control.state, clean)
    end = find_wal_end(member, deadline)
    return StopEnd(end.lsn, end.timeline, control.state, clean)


def end_if_cheap(member: Member, deadline: Deadline) -> WalEnd | None:
    """Where the WAL of a fenced member ends; None when that is not to be had in time. The fence holds either way."""
    if processes.members_of(member.pgdata):
        return None
    try:
        return find_wal_end(member, deadline)
    except HostFault:
        return None


def _signal_of(mode: str) -> signal.Signals:
    if mode not in MODES:
        raise Invalid(f"no such way to stop: {mode!r}", "it is fast or immediate")
    return MODES[mode]


def wait_for_orphans(member: Member, deadline: Deadline) -> None:
    """Backends of a killed postmaster hold its shared memory: the next start would fail. Raises Refused when they stay."""
    if processes.postmaster_of(member.pgdata) is None and not processes.wait_until_gone(member.pgdata, deadline):
        left = processes.members_of(member.pgdata)
        raise Refused(
            f"{len(left)} backends of the last postmaster of {member.name} still live",
            "fence the member: that ends them",
        )
    processes.free_the_pid_file(member.pgdata, deadline.within(min(_ZOMBIE_S, deadline.remaining_s * 0.5)))
