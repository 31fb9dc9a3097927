"""To let a member stream from another."""

from __future__ import annotations

import re
from typing import NamedTuple

from drctl.host import processes, state
from drctl.host.config import Member, Peer
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused
from drctl.host.lineage import ask_lineage, check_lineage
from drctl.host.programs import log_tail
from drctl.host.psql import NoSession, Session, open_session
from drctl.host.reload import alter_system
from drctl.host.seal import receivers, seal_standby, timeline_at
from drctl.host.settings import become_standby, conninfo, is_standby, write_settings
from drctl.host.start import start
from drctl.host.wal import parse_lsn
from drctl.host.walend import find_wal_end

_POLL_S = 0.01
_LOOK_S = 2.0
_RECEIVER = "SELECT status, sender_host, sender_port FROM pg_stat_wal_receiver WHERE pid IS NOT NULL"
_COMPLAINT = re.compile(r"(FATAL|ERROR|LOG):\s+(.*)")


class Following(NamedTuple):
    """A member that was told whom to follow."""

    upstream: str
    started: bool
    """It was down and was started."""
    receiver: str
    """`streaming`, another status, or what the log says."""


def follow(member: Member, upstream_name: str, deadline: Deadline, *, replaced: bool = False) -> Following:
    """Set `primary_conninfo`; start the member as a standby where it is down. Ends a seal.

    Refuses a member that has WAL which the upstream has not (see `lineage`), and a running primary: these are rejoined.
    `replaced` says that the data was just replaced by the upstream's, so that there is nothing to compare. That a member
    does not stream yet is reported, not an error.
    """
    upstream = member.peer(upstream_name)
    if processes.postmaster_of(member.pgdata) is None:
        return _start_following(member, upstream, deadline, replaced=replaced)
    if not is_standby(member):
        raise Refused(f"{member.name} runs as a primary", f"rejoin it with upstream {upstream_name}")
    with open_session(member, deadline) as session:
        if not session.is_true("pg_is_in_recovery()", deadline):
            raise Refused(f"{member.name} is a primary", f"rejoin it with upstream {upstream_name}")
        if not streams_from(session, upstream, deadline):
            _redirect(member, session, upstream, deadline)
        return Following(upstream.name, started=False, receiver=_wait_for_receiver(member, session, upstream, deadline))


def _start_following(member: Member, upstream: Peer, deadline: Deadline, *, replaced: bool) -> Following:
    if not replaced:
        lineage = ask_lineage(member, upstream, deadline)
        end = find_wal_end(member, deadline)
        check_lineage(member, upstream, lineage, end.timeline, end.lsn)
    # Forget the seal before the seal ends: a member that streams must never be taken for a sealed one.
    state.save(member.state_dir, state.MemberState())
    settings = {"primary_conninfo": _conninfo(member, upstream), "recovery_target_timeline": "latest"}
    write_settings(member, settings)
    become_standby(member)
    started = start(member, deadline)
    if not started.accepts:
        return Following(upstream.name, started=True, receiver="starting")
    try:
        with open_session(member, deadline) as session:
            return Following(
                upstream.name, started=True, receiver=_wait_for_receiver(member, session, upstream, deadline)
            )
    except NoSession as error:
        return Following(upstream.name, started=True, receiver=str(error))


def _redirect(member: Member, session: Session, upstream: Peer, deadline: Deadline) -> None:
    """Point a running standby at another upstream: sealed in between, so that it has one position to compare."""
    before = session.value("SELECT current_setting('primary_conninfo')", deadline)
    remembered = state.load(member.state_dir)
    place = None if before or remembered.sealed_epoch is None else _sealed_end(member, session, deadline)
    if place is None:
        # Asked first: who does not answer must not cost the member the upstream that it has.
        ask_lineage(member, upstream, deadline)
        end = seal_standby(member, session, remembered.sealed_epoch or 0, deadline)
        lsn = end.replayed_lsn if end.replay_complete else end.flushed_lsn
        place = timeline_at(member, lsn, end.segment_bytes), lsn
    try:
        # After the seal: what was received before it may have come through the upstream itself.
        check_lineage(member, upstream, ask_lineage(member, upstream, deadline), *place)
    except Refused:
        if before:
            state.save(member.state_dir, state.MemberState())
            alter_system(session, {"primary_conninfo": before}, deadline)
        raise
    state.save(member.state_dir, state.MemberState())
    state.lift_fence(member.state_dir)
    # recovery_target_timeline can only be set at a start; `latest` is the default, and any other value is kept from before.
    alter_system(session, {"primary_conninfo": _conninfo(member, upstream)}, deadline)


def _sealed_end(member: Member, session: Session, deadline: Deadline) -> tuple[int, int] | None:
    """Timeline and end of a sealed member; None when it has not replayed everything yet, or does not look sealed."""
    received, replayed, size = session.row(
        "SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(),"
        " pg_size_bytes(current_setting('wal_segment_size'))",
        deadline,
    )
    if (
        received is None
        or replayed is None
        or parse_lsn(replayed) < parse_lsn(received)
        or receivers(session, deadline)
    ):
        return None
    return timeline_at(member, parse_lsn(replayed), int(size or 0)), parse_lsn(replayed)


def _conninfo(member: Member, upstream: Peer) -> str:
    return conninfo(member, upstream, member.replication_user)


def streams_from(session: Session, upstream: Peer, deadline: Deadline) -> bool:
    """Whether the receiver streams from this very upstream."""
    found = session.rows(_RECEIVER, deadline)
    return bool(found) and found[0] == ("streaming", upstream.host, str(upstream.port))


def _wait_for_receiver(member: Member, session: Session, upstream: Peer, deadline: Deadline) -> str:
    """Look for a while whether it streams from *this* upstream."""
    for _ in deadline.within(min(_LOOK_S, deadline.remaining_s * 0.8)).polls(_POLL_S):
        if streams_from(session, upstream, deadline):
            return "streaming"
    found = session.rows(_RECEIVER, deadline)
    return _last_complaint(member) or (found[0][0] if found else None) or "none"


def _last_complaint(member: Member) -> str:
    """The last thing in the log that tells why nothing streams; empty when it tells nothing."""
    for line in reversed(log_tail(member.log, lines_max=40).split(" / ")):
        match = _COMPLAINT.search(line)
        if match is not None and any(
            word in line for word in ("stream", "timeline", "connect", "receive", "replication")
        ):
            return match[2]
    return ""
