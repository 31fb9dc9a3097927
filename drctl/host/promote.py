"""To make a sealed standby the primary, with its sync set in force before it can acknowledge anything."""

from __future__ import annotations

from typing import NamedTuple

from drctl.host import epoch as epochs
from drctl.host import state
from drctl.host.config import Member
from drctl.host.deadline import Deadline
from drctl.host.faults import Invalid, Refused, Unknown
from drctl.host.psql import Session
from drctl.host.reload import alter_system, checkpointer_knows
from drctl.host.reserve import reserve
from drctl.host.seal import receivers
from drctl.host.settings import become_standby, sync_names, write_settings
from drctl.host.start import start
from drctl.host.timeline import begin_of
from drctl.host.wal import format_lsn
from drctl.host.walend import read_histories

_POLL_S = 0.005
_SYNC = "synchronous_standby_names"


class Promotion(NamedTuple):
    """The member is the primary."""

    timeline: int
    lsn: int
    """Where the new timeline begins."""
    already: bool
    """It was before this command: an earlier one of drctl's had its effect."""
    value: str


def promote(
    member: Member,
    session: Session,
    epoch: int,
    count: int,
    members: tuple[str, ...],
    deadline: Deadline,
    *,
    timeline_min: int = 0,
) -> Promotion:
    """Set the sync set with a confirmed reload, *then* promote.

    In the other order there would be a moment in which the new primary acknowledges commits that nobody else has. Refuses
    a member that may still receive WAL: nothing is known of who is ahead then. The seal is looked at, not remembered.
    """
    remembered = state.load(member.state_dir)
    if not session.is_true("pg_is_in_recovery()", deadline):
        return _already_promoted(member, session, remembered, count, members, deadline)
    if session.value("SELECT current_setting('primary_conninfo')", deadline) or receivers(session, deadline):
        raise Refused(
            f"{member.name} is not sealed: it follows somebody",
            "seal it first: a promotion needs to know who is ahead",
        )
    try:
        value = set_sync(session, count, members, deadline)
    except Unknown as error:
        raise Refused(f"not promoted: {error.message}", error.remedy) from error
    # A replay that is paused would look for the promotion once a second only.
    session.rows("SELECT pg_wal_replay_resume()", deadline)
    reserve(member, session, timeline_min, deadline)
    epochs.still(member.state_dir, epoch)
    session.rows("SELECT pg_promote(false)", deadline)
    for _ in deadline.polls(_POLL_S):
        if not session.is_true("pg_is_in_recovery()", deadline):
            break
    else:
        raise Unknown(
            f"{member.name} was told to promote and is still in recovery", "ask again: a promotion goes on by itself"
        )
    timeline, lsn = _begin_of_timeline(member, session, deadline)
    state.save(
        member.state_dir,
        state.MemberState(promoted_epoch=epoch, promoted_timeline=timeline, promoted_lsn=format_lsn(lsn)),
    )
    return Promotion(timeline, lsn, already=False, value=value)


def start_sealed(member: Member, deadline: Deadline) -> None:
    """Start an heir that was down when it was sealed, as a standby of nobody: it may be the only one with everything.

    A former primary too: what it goes on with is a new timeline, like any other heir's.
    """
    if state.fence_epoch(member.state_dir) is None:
        raise Refused(
            f"{member.name} is down, and was not sealed", "seal it first: a promotion needs to know who is ahead"
        )
    become_standby(member)
    write_settings(member, {"primary_conninfo": ""})
    started = start(member, deadline)
    if not started.accepts:
        raise Unknown(
            f"{member.name} was started (pid {started.pid}) and accepts no sessions yet", "it recovers: ask again"
        )


def set_sync(session: Session, count: int, members: tuple[str, ...], deadline: Deadline) -> str:
    """Set `synchronous_standby_names`, and prove that every process will judge by it. Returns what the server shows.

    On a standby too: a member that never had an empty setting needs no proof of its checkpointer when it is promoted.
    """
    if not members or any(not name for name in members):
        raise Invalid(
            "the sync set must name at least one member",
            "an empty synchronous_standby_names lets commits be acknowledged by one member alone",
        )
    if not 1 <= count <= len(members):
        raise Invalid(
            f"{count} of {len(members)} members cannot acknowledge", "`count` lies between 1 and the number of members"
        )
    value = sync_names(count, members)
    alter_system(session, {_SYNC: value}, deadline)
    # Always, not only where the setting was empty: an interrupted command may have changed it without this proof.
    if not checkpointer_knows(session, deadline):
        raise Unknown(
            "the checkpointer did not show that it has read the sync set: commits might not wait for anybody",
            "it is busy with a checkpoint; ask again",
        )
    return session.value(f"SHOW {_SYNC}", deadline) or ""


def acknowledge_alone(session: Session, deadline: Deadline) -> str:
    """Let commits be acknowledged by the primary alone: the policy `on_no_standby: degrade`, for a limited time.

    Waiting commits are acknowledged at once, without a warning. Returns what the server shows: nothing.
    """
    alter_system(session, {_SYNC: ""}, deadline)
    return session.value(f"SHOW {_SYNC}", deadline) or ""


def _already_promoted(
    member: Member,
    session: Session,
    remembered: state.MemberState,
    count: int,
    members: tuple[str, ...],
    deadline: Deadline,
) -> Promotion:
    """The promotion was asked for before: finish what is left of it. Raises Refused for a primary that drctl did not make."""
    if remembered.promoted_epoch is None and remembered.sealed_epoch is None:
        raise Refused(
            f"{member.name} is a primary already, and drctl did not make it one",
            "two primaries? compare `drctl list` with the members; nothing was changed",
        )
    value = set_sync(session, count, members, deadline)
    timeline, lsn = _begin_of_timeline(member, session, deadline)
    promoted_epoch = remembered.promoted_epoch or remembered.sealed_epoch
    state.save(
        member.state_dir,
        state.MemberState(promoted_epoch=promoted_epoch, promoted_timeline=timeline, promoted_lsn=format_lsn(lsn)),
    )
    return Promotion(timeline, lsn, already=True, value=value)


def _begin_of_timeline(member: Member, session: Session, deadline: Deadline) -> tuple[int, int]:
    name = session.value("SELECT pg_walfile_name(pg_current_wal_insert_lsn())", deadline) or ""
    timeline = int(name[:8], 16)
    begin_lsn = begin_of(timeline, read_histories(member))
    if begin_lsn is None:
        raise Unknown(
            f"{member.name} is the primary on timeline {timeline}, whose history file is missing",
            f"look at {member.wal_dir}",
        )
    return timeline, begin_lsn
