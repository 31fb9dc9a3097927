"""A group of three members as a controller sees it, for tests that change one thing about it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from drctl.model.explanation import Explanation
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, RunId
from drctl.model.picture import cluster_snapshot, group_snapshot
from drctl.model.playbook import Playbook, RunKind, Step
from drctl.model.policy import Policy
from drctl.model.position import Lsn, Timeline
from drctl.model.report import HostReport, MemberFacts, MemberReport, Reachability, ReceiverFacts, StandbyFacts
from drctl.model.rule import GroupRecord, Rule, SyncSet
from drctl.model.run import Run, StepRecord
from drctl.model.snapshot import ClusterSnapshot, GroupSnapshot
from drctl.model.topology import Address, Center, Group, Member, Topology
from drctl.model.view import GroupView, MarkerState

LIS = GroupName("lis")
CENTERS = {"zhaohui": "朝晖", "yuecheng": "越城", "fuyang": "富阳"}
A, B, C = (MemberName(f"lis-{center}") for center in CENTERS)
NOW_UTC = "2026-01-02T03:04:05.000+00:00"
AT = Lsn(0x3000148)

GROUP = Group(
    name=LIS,
    home=CenterName("zhaohui"),
    members=tuple(
        Member(name=MemberName(f"lis-{center}"), group=LIS, center=CenterName(center), host=f"10.77.0.{n}", port=5432)
        for n, center in enumerate(CENTERS, start=11)
    ),
    policy=Policy(),
)

TOPOLOGY = Topology(
    cluster="lab",
    centers=tuple(
        Center(
            name=CenterName(name),
            label=label,
            zookeeper=Address(host=f"10.77.0.{n}", port=2181),
            http=Address(host=f"10.77.0.{n}", port=8008),
        )
        for n, (name, label) in enumerate(CENTERS.items(), start=11)
    ),
    groups=(GROUP,),
)

RECORD = GroupRecord(
    group=LIS,
    version=3,
    epoch=Epoch(7),
    primary=A,
    rules=(Rule(primary=A, sync=SyncSet(count=1, members=frozenset({B, C}))),),
)


def primary_facts(lsn: Lsn = AT, *, standbys: tuple[MemberName, ...] = (B, C), sync: str | None = None) -> MemberFacts:
    """What a primary says whose standbys all stream."""
    return MemberFacts(
        in_recovery=False,
        version_num=180000,
        system_identifier="7",
        timeline=Timeline(1),
        written_lsn=lsn,
        replayed_lsn=lsn,
        sync_names=sync if sync is not None else 'ANY 1 ("lis-fuyang", "lis-yuecheng")',
        started_at_s=0.0,
        standbys=tuple(
            StandbyFacts(
                name=name,
                address="10.77.0.1",
                state="streaming",
                sync_state="quorum",
                flushed_lsn=lsn,
                replayed_lsn=lsn,
            )
            for name in standbys
        ),
    )


def standby_facts(lsn: Lsn = AT, *, status: str = "streaming") -> MemberFacts:
    """What a standby says that streams from the example's primary."""
    return MemberFacts(
        in_recovery=True,
        version_num=180000,
        system_identifier="7",
        timeline=Timeline(1),
        written_lsn=lsn,
        replayed_lsn=lsn,
        sync_names="",
        started_at_s=0.0,
        upstream="10.77.0.11:5432",
        receiver=ReceiverFacts(
            status=status,
            sender_host="10.77.0.11",
            sender_port=5432,
            received_timeline=Timeline(1),
            last_message_age_s=0.1,
        ),
    )


def answering(member: MemberName, facts: MemberFacts) -> MemberReport:
    """A report on a member that answers."""
    return MemberReport(member=member, at_s=100.0, reachability=Reachability.ANSWERS, facts=facts, answered_at_s=100.0)


def not_answering(member: MemberName, how: Reachability, *, facts: MemberFacts | None = None) -> MemberReport:
    """A report on a member that does not answer."""
    return MemberReport(member=member, at_s=100.0, reachability=how, detail=f"{how} here", facts=facts)


REPORTS: Mapping[MemberName, MemberReport] = {
    A: answering(A, primary_facts()),
    B: answering(B, standby_facts()),
    C: answering(C, standby_facts(Lsn(AT - 1024))),
}

VIEW = GroupView(
    group=GROUP,
    center=CenterName("zhaohui"),
    now_s=100.0,
    now_utc=NOW_UTC,
    connected=True,
    leading=True,
    record=RECORD,
    run=None,
    reports=REPORTS,
    hosts={},
    observers={},
    marker=MarkerState(member=A, acked_at_s=99.5, sequence=12, elapsed_s=0.004),
)


def seeing(*reports: MemberReport, hosts: tuple[HostReport, ...] = (), view: GroupView = VIEW) -> GroupView:
    """The view with other reports on some members."""
    return replace(
        view,
        reports={**view.reports, **{report.member: report for report in reports}},
        hosts={**view.hosts, **{host.member: host for host in hosts}},
    )


WOULD = Explanation(would="lis-yuecheng would take over within 3 s", heir=B, seconds=3.0)


def picture(view: GroupView = VIEW) -> GroupSnapshot:
    """The group's snapshot."""
    return group_snapshot(view, WOULD)


def cluster(*groups: GroupSnapshot, connected: bool = True, center: str = "zhaohui") -> ClusterSnapshot:
    """The deployment's snapshot."""
    return cluster_snapshot(
        TOPOLOGY,
        center=CenterName(center),
        version="0.1.0",
        at_utc=NOW_UTC,
        leader=CenterName("zhaohui") if connected else None,
        connected=connected,
        controllers={CenterName(name) for name in CENTERS},
        groups=groups or (picture(),),
    )


def run(**changes: object) -> Run:
    """A failover that has just begun."""
    steps = (
        Step(id="seal", uses="seal", name="Seal the standbys", timeout_s=10.0),
        Step(id="promote", uses="promote", name="Promote the heir", timeout_s=30.0, point_of_no_return=True),
    )
    values: dict[str, object] = {
        "id": RunId("lis-8"),
        "group": LIS,
        "kind": RunKind.FAILOVER,
        "epoch": Epoch(8),
        "owner": "yuecheng#1",
        "center": CenterName("yuecheng"),
        "playbook": Playbook(
            name="failover",
            kind=RunKind.FAILOVER,
            version=1,
            digest="0" * 64,
            rto_s=600.0,
            rpo_bytes=0,
            budget_s=300.0,
            steps=steps,
        ),
        "reason": "lis-zhaohui has been silent",
        "requested_by": "policy",
        "old_primary": A,
        "started_utc": "2026-01-02T03:04:00.000+00:00",
        "started_s": 95.0,
        "steps": tuple(StepRecord(id=step.id) for step in steps),
    }
    return Run(**{**values, **changes})  # type: ignore[arg-type]
