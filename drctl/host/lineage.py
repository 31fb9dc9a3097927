"""Whether a member may follow an upstream: it must have no WAL that the upstream has not.

This is a matter of safety, not of tidiness. A standby that is ahead of the fork can still connect: it asks for the old
timeline, is "streaming" for an instant, and reports its own position as flushed. PostgreSQL takes that as the
acknowledgement of every commit up to that position, *on the new timeline too*, of which the standby has nothing. So an
upstream is asked for its history before a member is pointed at it.

What was received of a record in part does not count: a receiver starts from what was replayed, and reports that.
"""

from __future__ import annotations

from typing import NamedTuple

from drctl.host.config import Member, Peer
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused
from drctl.host.psql import NoSession, Session, SessionLost, StatementFailed
from drctl.host.settings import conninfo
from drctl.host.timeline import Era, fork_of, parse_history
from drctl.host.wal import format_lsn, parse_lsn
from drctl.host.walend import read_histories

_ASK_S = 5.0


class Lineage(NamedTuple):
    """An upstream's history, and how far it goes."""

    eras: tuple[Era, ...]
    lsn: int


def ask_lineage(member: Member, upstream: Peer, deadline: Deadline) -> Lineage:
    """Ask over the replication protocol, as the member itself will connect. Raises Refused when there is no answer."""
    target = conninfo(
        member, upstream, member.replication_user, {"replication": "true", "application_name": "drctl-host"}
    )
    within = deadline.within(min(_ASK_S, deadline.remaining_s * 0.5))
    try:
        with Session(member.bindir / "psql", {}, within, conninfo=target, probe="IDENTIFY_SYSTEM") as session:
            _, timeline_text, lsn, *_ = session.row("IDENTIFY_SYSTEM", within)
            timeline = int(timeline_text or "0")
            text = session.row(f"TIMELINE_HISTORY {timeline}", within)[1] if timeline > 1 else ""
        return Lineage(parse_history(timeline, text or ""), parse_lsn(lsn or "0/0"))
    except (NoSession, SessionLost, StatementFailed, ValueError) as error:
        raise Refused(
            f"{upstream.name} does not tell its history, so {member.name} is not pointed at it: {error}",
            f"can {member.replication_user} connect to {upstream.host}:{upstream.port} for replication?",
        ) from error


def check_lineage(member: Member, upstream: Peer, lineage: Lineage, timeline: int, lsn: int) -> None:
    """Raise Refused when the member's WAL, which ends at `lsn` on `timeline`, is no part of the upstream's."""
    try:
        ours = parse_history(timeline, read_histories(member).get(timeline, ""))
    except ValueError as error:
        raise Refused(f"the history of {member.name} cannot be read: {error}", f"look at {member.wal_dir}") from error
    fork = fork_of(ours, lineage.eras)
    limit_lsn = None if fork is None else lineage.lsn if fork.lsn is None else fork.lsn
    if limit_lsn is None or lsn > limit_lsn:
        shared = "nothing" if limit_lsn is None else f"WAL up to {format_lsn(limit_lsn)}"
        raise Refused(
            f"{member.name} has WAL up to {timeline}:{format_lsn(lsn)} and shares {shared} with {upstream.name}:"
            " its acknowledgements would be worth nothing",
            f"rejoin {member.name} instead",
        )
