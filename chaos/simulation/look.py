"""What a probe reads of a simulated database."""

from __future__ import annotations

from chaos.simulation.database import Database, Server
from drctl.model.position import Lsn, Timeline
from drctl.model.report import MemberFacts, MemberReport, Reachability, ReceiverFacts, StandbyFacts
from drctl.model.topology import Member


def facts_of(database: Database, member: Member) -> MemberReport:
    """What it says to a probe that reaches it."""
    match database.server:
        case Server.DOWN | Server.ORPHANS:
            return _without_facts(member, Reachability.REFUSED, "connection refused")
        case Server.STARTING | Server.STOPPING:
            return _without_facts(member, Reachability.STARTING, f"the database system is {database.server}")
        case Server.RUNNING:
            return MemberReport(
                member=member.name,
                at_s=0.0,
                reachability=Reachability.ANSWERS,
                facts=_facts(database),
                answered_at_s=0.0,
            )


def _without_facts(member: Member, reachability: Reachability, detail: str) -> MemberReport:
    return MemberReport(member=member.name, at_s=0.0, reachability=reachability, detail=detail)


def _facts(database: Database) -> MemberFacts:
    world = database.world
    lsn = Lsn(database.wal.lsn)
    receiver = database.receiver
    sender = None if receiver is None else world.members[receiver.up.name]
    upstream = None if database.upstream is None else world.members[database.upstream]
    return MemberFacts(
        in_recovery=database.in_recovery,
        version_num=180000,
        system_identifier="7",
        timeline=Timeline(database.wal.branch.number),
        written_lsn=lsn,
        replayed_lsn=lsn,
        sync_names="" if database.sync is None else database.sync.setting,
        started_at_s=database.started_at_s,
        receiver=None
        if receiver is None or sender is None
        else ReceiverFacts(
            status="streaming",
            sender_host=sender.host,
            sender_port=sender.port,
            received_timeline=Timeline(database.wal.branch.number),
            last_message_age_s=world.kernel.now_s - receiver.heard_at_s,
        ),
        upstream="" if upstream is None or not database.in_recovery else f"{upstream.host}:{upstream.port}",
        standbys=tuple(
            StandbyFacts(
                name=stream.name,
                address=world.members[stream.down.name].host,
                state="streaming",
                sync_state="quorum",
                flushed_lsn=None if stream.flushed is None else Lsn(stream.flushed),
                replayed_lsn=None if stream.flushed is None else Lsn(stream.flushed),
            )
            for stream in database.senders
        ),
    )
