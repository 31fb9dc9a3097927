"""A small hospital to decide about: one group, three centers, everything well, and ways to break it."""

from __future__ import annotations

from dataclasses import replace

from drctl.decision.decide import decide
from drctl.decision.memory import Memory, remember
from drctl.decision.verdict import Decision
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName
from drctl.model.policy import Policy
from drctl.model.position import Lsn, Timeline
from drctl.model.report import (
    HostReport,
    MemberFacts,
    MemberReport,
    ObserverReport,
    Postmaster,
    Reachability,
    ReceiverFacts,
    Sighting,
    StandbyFacts,
)
from drctl.model.rule import GroupRecord, Rule, SyncSet
from drctl.model.topology import Group, Member
from drctl.model.view import GroupView

A, B, C = MemberName("lis-zhaohui"), MemberName("lis-yuecheng"), MemberName("lis-fuyang")
CENTERS = {A: CenterName("zhaohui"), B: CenterName("yuecheng"), C: CenterName("fuyang")}
HOSTS = {A: "10.0.0.1", B: "10.0.0.2", C: "10.0.0.3"}
NOW_S = 1000.0
UTC = "2026-11-24T03:00:00.000+00:00"


def group(policy: Policy | None = None) -> Group:
    members = tuple(
        Member(name=name, group=GroupName("lis"), center=CENTERS[name], host=HOSTS[name], port=5432)
        for name in (A, B, C)
    )
    return Group(name=GroupName("lis"), home=CENTERS[A], members=members, policy=policy or Policy())


def rule(primary: MemberName, *standbys: MemberName, count: int = 1) -> Rule:
    return Rule(primary=primary, sync=SyncSet(count=count, members=frozenset(standbys)))


def record(*rules: Rule, primary: MemberName = A, epoch: int = 1) -> GroupRecord:
    return GroupRecord(
        group=GroupName("lis"), version=epoch, epoch=Epoch(epoch), primary=primary, rules=rules or (rule(A, B, C),)
    )


def standby_seen(name: MemberName, lsn: int = 100) -> StandbyFacts:
    return StandbyFacts(
        name=name,
        address=HOSTS[name],
        state="streaming",
        sync_state="quorum",
        flushed_lsn=Lsn(lsn),
        replayed_lsn=Lsn(lsn),
    )


def primary_answers(
    name: MemberName, *standbys: MemberName, lsn: int = 100, sync: SyncSet | None = None
) -> MemberReport:
    facts = MemberFacts(
        in_recovery=False,
        version_num=180000,
        system_identifier="7",
        timeline=Timeline(1),
        written_lsn=Lsn(lsn),
        replayed_lsn=Lsn(lsn),
        sync_names=(sync or SyncSet(count=1, members=frozenset({A, B, C} - {name}))).setting,
        started_at_s=0.0,
        standbys=tuple(standby_seen(standby, lsn) for standby in standbys),
    )
    return MemberReport(member=name, at_s=NOW_S, reachability=Reachability.ANSWERS, facts=facts, answered_at_s=NOW_S)


def standby_answers(name: MemberName, upstream: MemberName = A, *, heard_s: float | None = 0.1) -> MemberReport:
    """A standby; `heard_s` is how long ago it heard from its upstream, None that it receives nothing."""
    receiver = (
        None
        if heard_s is None
        else ReceiverFacts(
            status="streaming",
            sender_host=HOSTS[upstream],
            sender_port=5432,
            received_timeline=Timeline(1),
            last_message_age_s=heard_s,
        )
    )
    facts = MemberFacts(
        in_recovery=True,
        version_num=180000,
        system_identifier="7",
        timeline=Timeline(1),
        written_lsn=Lsn(100),
        replayed_lsn=Lsn(100),
        sync_names="",
        started_at_s=0.0,
        receiver=receiver,
        upstream=f"{HOSTS[upstream]}:5432",
    )
    return MemberReport(member=name, at_s=NOW_S, reachability=Reachability.ANSWERS, facts=facts, answered_at_s=NOW_S)


def silent(name: MemberName, for_s: float, reachability: Reachability = Reachability.SILENT) -> MemberReport:
    return MemberReport(
        member=name, at_s=NOW_S - 0.1, reachability=reachability, detail="timeout", answered_at_s=NOW_S - for_s
    )


def host_answers(name: MemberName, postmaster: Postmaster = Postmaster.RUNNING) -> HostReport:
    return HostReport(member=name, at_s=NOW_S, answers=True, postmaster=postmaster)


def host_silent(name: MemberName) -> HostReport:
    return HostReport(member=name, at_s=NOW_S, answers=False, detail="timeout")


def observer(center: CenterName, **silent_members: Reachability) -> ObserverReport:
    """What a controller says; members in `silent_members` (by center) are told as that, the rest answer."""
    return ObserverReport(
        center=center,
        version="0",
        sightings=tuple(
            (
                name,
                Sighting(
                    reachability=silent_members.get(CENTERS[name], Reachability.ANSWERS),
                    hears_primary=name != A and CENTERS[A] not in silent_members,
                ),
            )
            for name in (A, B, C)
        ),
    )


def view(**changes: object) -> GroupView:
    """All is well, seen by yuecheng, which leads; `changes` are fields of GroupView."""
    whole = GroupView(
        group=group(),
        center=CENTERS[B],
        now_s=NOW_S,
        now_utc=UTC,
        connected=True,
        leading=True,
        record=record(),
        run=None,
        reports={A: primary_answers(A, B, C), B: standby_answers(B), C: standby_answers(C)},
        hosts={name: host_answers(name) for name in (A, B, C)},
        observers={center: observer(center) for center in CENTERS.values()},
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def center_lost(for_s: float = 3.0, **changes: object) -> GroupView:
    """zhaohui, with the primary, has lost its power `for_s` ago."""
    defaults: dict[str, object] = {
        "reports": {
            A: silent(A, for_s),
            B: standby_answers(B, heard_s=for_s),
            C: standby_answers(C, heard_s=for_s),
        },
        "hosts": {A: host_silent(A), B: host_answers(B), C: host_answers(C)},
        "observers": {center: observer(center, zhaohui=Reachability.SILENT) for center in (CENTERS[B], CENTERS[C])},
    }
    return view(**(defaults | changes))


def remembered(*views: GroupView) -> Memory:
    memory = Memory()
    for each in views:
        memory = remember(memory, each)
    return memory


def verdict(seen: GroupView, memory: Memory | None = None) -> Decision:
    """What is decided about what is seen, by one who has seen it so before."""
    return decide(seen, memory if memory is not None else remembered(seen), seen.group.policy)
