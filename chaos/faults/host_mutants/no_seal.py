"""A host that reads how far a standby is while it goes on receiving, and stops that only when it promotes it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drctl.host import promote as promotion
from drctl.host import seal
from drctl.host.wal import parse_lsn

if TYPE_CHECKING:
    from drctl.host.config import Member
    from drctl.host.deadline import Deadline
    from drctl.host.psql import Session
    from drctl.host.seal import StandbyEnd

_seal = seal.seal_standby
_promote = promotion.promote


def _look_only(member: Member, session: Session, epoch: int, deadline: Deadline) -> StandbyEnd:  # noqa: ARG001 - as what it replaces
    received, replayed, size = session.row(
        "SELECT pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn(), pg_size_bytes(current_setting('wal_segment_size'))",
        deadline,
    )
    flushed = max(parse_lsn(received or "0/0"), parse_lsn(replayed or "0/0"))
    timeline = seal.timeline_at(member, flushed, int(size or 0))
    return seal.StandbyEnd(
        timeline,
        None if received is None else parse_lsn(received),
        parse_lsn(replayed or "0/0"),
        flushed,
        replay_complete=True,
        segment_bytes=int(size or 0),
    )


def _seal_and_promote(
    member: Member,
    session: Session,
    epoch: int,
    count: int,
    members: tuple[str, ...],
    deadline: Deadline,
    *,
    timeline_min: int = 0,
) -> promotion.Promotion:
    if session.is_true("pg_is_in_recovery()", deadline):
        _seal(member, session, epoch, deadline)
    return _promote(member, session, epoch, count, members, deadline, timeline_min=timeline_min)


seal.seal_standby = _look_only
promotion.promote = _seal_and_promote
