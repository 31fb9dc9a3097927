"""To let a member stream from another."""

from __future__ import annotations

import re
from typing import NamedTuple

from drctl.host import processes, state
from drctl.host.config import Member, Peer
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused
from drctl.host.programs import log_tail
from drctl.host.psql import NoSession, Session, open_session
from drctl.host.reload import alter_system
from drctl.host.settings import become_standby, conninfo, is_standby, write_settings
from drctl.host.start import start

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


def follow(member: Member, upstream_name: str, deadline: Deadline) -> Following:
    """Set `primary_conninfo`; start the member as a standby where it is down. Ends a seal.

    That it does not stream yet is reported, not an error: the upstream may be down, and a member that is ahead of it never
    will. Refuses a running primary: making it a standby is a rejoin.
    """
    upstream = member.peer(upstream_name)
    settings = {
        "primary_conninfo": conninfo(member, upstream, member.replication_user),
        "recovery_target_timeline": "latest",
    }
    running = processes.postmaster_of(member.pgdata) is not None
    if running and not is_standby(member):
        raise Refused(f"{member.name} runs as a primary", f"rejoin it with upstream {upstream_name}")
    if running:
        with open_session(member, deadline) as session:
            _redirect(member, session, settings, deadline)
            return Following(
                upstream.name, started=False, receiver=_wait_for_receiver(member, session, upstream, deadline)
            )
    # Forget the seal before the seal ends: a member that streams must never be taken for a sealed one.
    state.save(member.state_dir, state.MemberState())
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


def _redirect(member: Member, session: Session, settings: dict[str, str], deadline: Deadline) -> None:
    if not session.is_true("pg_is_in_recovery()", deadline):
        raise Refused(f"{member.name} is a primary", "rejoin it instead")
    remembered = state.load(member.state_dir)
    state.save(member.state_dir, state.MemberState())
    state.lift_fence(member.state_dir)
    # recovery_target_timeline can only be set at a start; `latest` is the default, and any other value is kept from before.
    alter_system(session, {"primary_conninfo": settings["primary_conninfo"]}, deadline)
    if remembered.pause_is_ours:
        session.rows("SELECT pg_wal_replay_resume()", deadline)


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
