"""Records, runs and requests for the tests of the coordinator."""

from __future__ import annotations

from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, RunId, run_id
from drctl.model.playbook import Playbook, RunKind, Step
from drctl.model.report import ObserverReport, Reachability, Sighting
from drctl.model.request import Request, RequestKind
from drctl.model.rule import GroupRecord, Rule, SyncSet
from drctl.model.run import Run, StepRecord

LIS = GroupName("lis")
ZHAOHUI, YUECHENG, FUYANG = CenterName("zhaohui"), CenterName("yuecheng"), CenterName("fuyang")
MEMBERS = tuple(MemberName(f"lis-{center}") for center in (ZHAOHUI, YUECHENG, FUYANG))
PLAYBOOK = Playbook(
    name="failover",
    kind=RunKind.FAILOVER,
    version=1,
    digest="ab" * 32,
    rto_s=600.0,
    rpo_bytes=0,
    budget_s=60.0,
    steps=(
        Step(
            id="seal", uses="seal", timeout_s=5.0, params={"if_primary": "report", "wait": True, "count": 1, "x": 1.5}
        ),
        Step(id="promote", uses="promote", timeout_s=5.0, needs=("seal",), point_of_no_return=True),
    ),
)


def a_rule(primary: int = 0) -> Rule:
    others = frozenset(MEMBERS) - {MEMBERS[primary]}
    return Rule(primary=MEMBERS[primary], sync=SyncSet(count=1, members=others))


def a_record(group: GroupName = LIS, *, epoch: int = 1, run: RunId | None = None) -> GroupRecord:
    return GroupRecord(group=group, version=-1, epoch=Epoch(epoch), primary=MEMBERS[0], rules=(a_rule(),), run=run)


def a_run(epoch: int, group: GroupName = LIS, *, note: str = "") -> Run:
    return Run(
        id=run_id(group, Epoch(epoch)),
        group=group,
        kind=RunKind.FAILOVER,
        epoch=Epoch(epoch),
        owner="zhaohui#1",
        center=ZHAOHUI,
        playbook=PLAYBOOK,
        reason="主库失联",
        requested_by="policy",
        old_primary=MEMBERS[0],
        started_utc="2026-01-01T00:00:00.000Z",
        started_s=1.0,
        steps=tuple(StepRecord(id=step.id) for step in PLAYBOOK.steps),
        note=note,
    )


def a_request(kind: RequestKind = RequestKind.SWITCHOVER, group: GroupName = LIS) -> Request:
    return Request(id="", kind=kind, group=group, operator="wang", reason="演练", made_utc="2026-01-01T00:00:00.000Z")


def an_observer_report(center: CenterName, seen: Reachability = Reachability.ANSWERS) -> ObserverReport:
    sighting = Sighting(reachability=seen, hears_primary=False)
    return ObserverReport(center=center, version="0.1.0", sightings=((MEMBERS[0], sighting),))
