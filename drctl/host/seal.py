"""To seal a standby: to prove that its WAL receiver is gone for good, and only then to read how far its WAL goes.

Once `|S| - k + 1` members of a sync set are sealed, its primary can acknowledge no further commit. The proof must hold in
every interleaving, because nothing else fences a primary that is frozen, isolated or forgotten.

Why an empty `pg_stat_wal_receiver` is no proof. The view hides a receiver that is still connecting. The startup process may
have asked the postmaster for a receiver, with the old connection string, just before it handled its SIGHUP; and a startup
process that is busy replaying has not handled it at all and will start one later. So:

1. `primary_conninfo = ''` by ALTER SYSTEM, with a confirmed reload: SIGHUP was sent to the startup process.
2. *The startup process has read it.* Ask for a pause of replay. It confirms a pause only in `recoveryPausesHere`, whose loop
   handles signals before it confirms. Where a pause stands already, the request is void (SetRecoveryPause leaves `paused`
   alone), so it is ended and asked for anew in one statement. A standby in `recovery_min_apply_delay` does not pause, but
   may be seen asleep at a place that it reaches only after it has handled its signals (see `slept_through`).
   From here on nobody can ask for a receiver: `RequestXLogStreaming` has one caller, which needs a connection string.
3. *Every receiver that was asked for exists.* The request was a signal to the postmaster, sent before step 2 ended. A second
   confirmed reload shows whole rounds of its loop since then: it has forked what it was asked for.
4. Every receiver gets SIGTERM from us, and is waited for in /proc, with children that have no title yet counted as
   receivers unless they hold a client's socket. Waiting for PostgreSQL to end it would not do: a receiver in state WAITING
   (the upstream's timeline ended) is left alone for ever by a startup process without a connection string. A dying receiver
   flushes what it has, tells the primary nothing more, and frees its place in shared memory.
5. Replay goes on. Its end is `replayed >= received`; or, since a record that was received in part is never replayed, a
   startup process that waits for WAL which cannot come. It may sleep (up to `wal_retrieve_retry_interval`) *between* losing
   the receiver and reading what that had flushed, so it is woken by a pause and its end, and believed only after that.

A pause that an operator asked for before is left standing, although the proof may let a few records pass through it.
A query that holds up replay (a recovery conflict) keeps the startup process from handling signals: after a grace it is ended,
as the promotion would have to.

The seal outlives a restart, because the empty setting is in `postgresql.auto.conf`.

Source: PostgreSQL `xlogrecovery.c` (WaitForWALToBecomeAvailable, recoveryPausesHere), `walreceiverfuncs.c`,
`walreceiver.c`, `startup.c`, `postmaster.c`; read for versions 15 and 18.
"""

from __future__ import annotations

import signal
import time
from collections.abc import Mapping
from typing import NamedTuple

from drctl.host import processes, state
from drctl.host.config import Member
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused, Unknown
from drctl.host.psql import Session
from drctl.host.reload import alter_system, confirm_reload
from drctl.host.timeline import last_timeline
from drctl.host.wal import format_lsn, parse_lsn
from drctl.host.walend import find_wal_end, read_histories

_POLL_S = 0.001
_CONFLICT_GRACE_S = 0.5
_TERM_AGAIN_S = 0.5
_NO_MORE_WAL = "RecoveryRetrieveRetryInterval"
_APPLY_DELAY = "RecoveryApplyDelay"
_CONFLICTS = ("RecoveryConflictSnapshot", "RecoveryConflictTablespace", "BufferPin", "relation")
_STARTUP = "SELECT pid, wait_event FROM pg_stat_activity WHERE backend_type = 'startup'"


class StandbyEnd(NamedTuple):
    """How far a sealed standby got."""

    timeline: int
    received_lsn: int | None
    """None when nothing was received since the last start."""
    replayed_lsn: int
    flushed_lsn: int
    replay_complete: bool
    """False when the deadline, a delay or an operator's pause kept it from replaying all; the position holds anyway."""
    segment_bytes: int
    queries_ended: int = 0
    steps_s: Mapping[str, float] = {}
    """How long each step took: what a slow seal waited for."""


class _Watch:
    """Seconds since the last look, by the name of what was done."""

    def __init__(self) -> None:
        self._last_s = time.monotonic()
        self.steps_s: dict[str, float] = {}

    def note(self, step: str) -> None:
        """A step has ended."""
        now_s = time.monotonic()
        self.steps_s[step] = round(now_s - self._last_s, 4)
        self._last_s = now_s


def seal_standby(member: Member, session: Session, epoch: int, deadline: Deadline) -> StandbyEnd:
    """Seal, and read the position. Raises Refused before anything changed, Unknown after that."""
    watch = _Watch()
    paused_before = _pause_state(session, deadline) != "not paused"
    before = state.load(member.state_dir)
    conninfo = session.value("SELECT current_setting('primary_conninfo')", deadline) or before.conninfo
    paused_by_operator = paused_before and not before.pause_is_ours
    state.save(member.state_dir, state.MemberState(conninfo=conninfo, pause_is_ours=not paused_by_operator))
    watch.note("remember")
    alter_system(session, {"primary_conninfo": ""}, deadline)
    watch.note("reload")
    ended = _prove_startup_has_read_it(session, deadline)
    watch.note("startup")
    confirm_reload(session, deadline)
    watch.note("postmaster")
    _end_receivers(member, session, deadline)
    watch.note("receiver")
    if not paused_by_operator:
        session.rows("SELECT pg_wal_replay_resume()", deadline)
    # A part of the time is kept for the answer: a position is worth more than a complete replay.
    complete = not paused_by_operator and replay_to_the_end(session, deadline)
    watch.note("replay")
    end = _read_position(member, session, deadline, complete=complete)
    state.save(member.state_dir, state.MemberState(sealed_epoch=epoch, conninfo=conninfo))
    watch.note("position")
    return end._replace(queries_ended=ended, steps_s=watch.steps_s)


def receivers(session: Session, deadline: Deadline) -> list[int]:
    """The WAL receivers that the server itself knows of."""
    found = session.rows(
        "SELECT pid FROM pg_stat_activity WHERE backend_type = 'walreceiver'"
        " UNION SELECT pid FROM pg_stat_wal_receiver WHERE pid IS NOT NULL",
        deadline,
    )
    return [int(row[0] or 0) for row in found]


def _pause_state(session: Session, deadline: Deadline) -> str | None:
    return session.value("SELECT pg_get_wal_replay_pause_state()", deadline)


def _prove_startup_has_read_it(session: Session, deadline: Deadline) -> int:
    """Step 2. Returns how many queries had to be ended for it."""
    session.rows("SELECT pg_wal_replay_resume(), pg_wal_replay_pause()", deadline)
    grace = Deadline(_CONFLICT_GRACE_S)
    ended = 0
    for _ in deadline.polls(_POLL_S):
        if _pause_state(session, deadline) == "paused":
            return ended
        pid, event = session.row(_STARTUP, deadline)
        if event == _APPLY_DELAY and processes.slept_through(
            int(pid or 0), lambda: session.row(_STARTUP, deadline)[1] == _APPLY_DELAY
        ):
            return ended
        if grace.passed and event in _CONFLICTS:
            ended += _end_queries(session, deadline)
            grace = Deadline(_CONFLICT_GRACE_S)
    raise Unknown(
        "the startup process did not show that it has read its configuration",
        "is it frozen, held up by a disk, or in a long restore_command? `drctl-host fence` stops the member instead",
    )


def _end_queries(session: Session, deadline: Deadline) -> int:
    """End the sessions of clients: one of them holds up replay, and a standby does not tell which."""
    found = session.rows(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
        " WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL",
        deadline,
    )
    return len(found)


def _end_receivers(member: Member, session: Session, deadline: Deadline) -> None:
    """Step 4."""
    again_at_s = 0.0
    for _ in deadline.polls(_POLL_S):
        left = _receiver_children(member)
        if not left and not receivers(session, deadline):
            return
        if time.monotonic() >= again_at_s:
            again_at_s = time.monotonic() + _TERM_AGAIN_S
            for process in left:
                if "walreceiver" in processes.title(process.pid):
                    processes.send(process, signal.SIGTERM)
    raise Unknown(
        "the WAL receiver did not go away", "is it frozen, or its disk? `drctl-host fence` stops the member instead"
    )


def _receiver_children(member: Member) -> list[processes.Process]:
    """Children of the postmaster that are, or may yet become, a WAL receiver."""
    postmaster = processes.postmaster_of(member.pgdata)
    if postmaster is None:
        raise Unknown(
            "the postmaster went away while the member was sealed", "ask again: a member that is down is sealed at once"
        )
    own_title = processes.title(postmaster.process.pid)
    listening = processes.sockets(postmaster.process.pid)
    found = []
    for process in processes.members_of(member.pgdata):
        if process.parent != postmaster.process.pid:
            continue
        name = processes.title(process.pid)
        # Just forked, it still has the postmaster's title. A client that has not introduced itself looks the same, but it
        # holds its connection, and a receiver has its title long before it connects.
        untitled = name == own_title and not processes.sockets(process.pid) - listening
        if untitled or "walreceiver" in name:
            found.append(process)
    return found


def replay_to_the_end(session: Session, deadline: Deadline) -> bool:
    """Step 5. Whether everything that can be replayed has been; no when that takes too long, or is delayed on purpose.

    A sleep that is seen now may have begun before the receiver was gone. It is ended, and what is seen after that is
    another one: between the two lies an attempt to read `pg_wal` that began after the receiver's last flush, and failed.
    """
    until = deadline.within(deadline.remaining_s * 0.7)
    woken = False
    for _ in until.polls(_POLL_S):
        received, replayed = session.row("SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn()", deadline)
        if received is not None and replayed is not None and parse_lsn(replayed) >= parse_lsn(received):
            return True
        event = session.row(_STARTUP, deadline)[1]
        if event == _APPLY_DELAY:
            return False
        if event == _NO_MORE_WAL:
            if woken:
                return True
            woken = _wake_startup(session, deadline)
    return False


def _wake_startup(session: Session, deadline: Deadline) -> bool:
    """Make the startup process leave its sleep and try `pg_wal` once more; it cannot confirm a pause before it did."""
    session.rows("SELECT pg_wal_replay_pause()", deadline)
    confirmed = any(
        _pause_state(session, deadline) == "paused" for _ in deadline.within(deadline.remaining_s * 0.5).polls(_POLL_S)
    )
    session.rows("SELECT pg_wal_replay_resume()", deadline)
    return confirmed


def _read_position(member: Member, session: Session, deadline: Deadline, *, complete: bool) -> StandbyEnd:
    """After the receiver is gone, and not before: the position can grow no more."""
    received_text, replayed_text, size_text = session.row(
        "SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_size_bytes(current_setting('wal_segment_size'))",
        deadline,
    )
    received = None if received_text is None else parse_lsn(received_text)
    replayed = parse_lsn(replayed_text or "0/0")
    # Received goes back to the begin of a segment after a reconnection on a new timeline, and is null after a restart.
    flushed = max(received or 0, replayed)
    if received is None and not complete:
        # What is in pg_wal may go beyond what has been replayed so far, and nobody else tells how far.
        flushed = max(flushed, find_wal_end(member, deadline).lsn)
    timeline = timeline_at(member, flushed, int(size_text or 0))
    return StandbyEnd(timeline, received, replayed, flushed, complete, int(size_text or 0))


def timeline_at(member: Member, lsn: int, segment_bytes: int) -> int:
    """The timeline of the last record before `lsn`. Raises Refused when `pg_wal` does not tell."""
    names = [path.name for path in member.wal_dir.iterdir()]
    timeline = last_timeline(names, read_histories(member), lsn, segment_bytes)
    if timeline is None:
        raise Refused(
            f"pg_wal does not tell the timeline of {format_lsn(lsn)}",
            f"look at {member.wal_dir}; the member stays sealed",
        )
    return timeline
