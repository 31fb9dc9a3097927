"""People and a run under way, through a whole controller: heard once, answered when it is stored, and not forgotten."""

from __future__ import annotations

from dataclasses import replace

from drctl.controller.effect import AnswerRequest, BeginRun, Effect, EffectEnded, FinishRun, SaveRun, Stored
from drctl.controller.tick import Controller, Coordination
from drctl.decision.verdict import Begin
from drctl.model.errors import EffectUnknown
from drctl.model.event import Event
from drctl.model.identity import CenterName, GroupName, MemberName, RunId
from drctl.model.playbook import RunKind
from drctl.model.request import Request, RequestKind
from drctl.model.rule import GroupRecord
from drctl.model.run import Run, StepStatus
from drctl.model.topology import Address, Center, Topology
from drctl.ports import GroupState
from tests.unit.decision.world import (
    CENTERS,
    NOW_S,
    UTC,
    A,
    B,
    C,
    center_lost,
    group,
    observer,
    primary_answers,
    record,
    standby_answers,
)
from tests.unit.playbook.small import SHIPPED
from tests.unit.playbook.transcript import changed

LIS = GroupName("lis")
LONG_S = 10_000.0
AGREE = {"id": "agree", "uses": "approve", "with": {"min": 1}, "timeout": "10m"}
BOOK = changed({"kind": "switchover", "after": "ready", "steps": [AGREE], "budget": "1h"})


class Ward:
    """A controller that leads, and the coordinator that it writes to."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.controller = Controller(
            Topology(
                cluster="lab",
                centers=tuple(
                    Center(
                        name=name,
                        label=name,
                        zookeeper=Address(host="10.0.0.1", port=2181),
                        http=Address(host="10.0.0.1", port=8008),
                    )
                    for name in CENTERS.values()
                ),
                groups=(group(),),
            ),
            center=CENTERS[B],
            incarnation="1",
            playbooks={**SHIPPED, RunKind.SWITCHOVER: BOOK},
            version="0",
            emit=self.events.append,
        )
        self.now_s = NOW_S
        self.record: GroupRecord = record()
        self.run: Run | None = None
        self.requests: list[Request] = []
        self.answers: list[tuple[str, bool, str]] = []
        self.stored = True
        """Whether writes to the coordinator go through."""
        self.see(A, B, C)

    def see(self, *up: MemberName) -> None:
        reports = {A: primary_answers(A, B, C), B: standby_answers(B), C: standby_answers(C)}
        fresh = {name: replace(reports[name], asked_at_s=NOW_S + LONG_S) for name in up}
        self.controller.observation.reports.update(fresh)

    def ask(self, kind: RequestKind, by: str = "wang@lis-1", **changes: object) -> None:
        request = Request(
            id=f"r{len(self.requests) + len(self.answers)}", kind=kind, group=LIS, operator=by, made_utc=UTC
        )
        self.requests.append(replace(request, **changes))  # type: ignore[arg-type]

    def tick(self, passes: int = 3) -> None:
        for _ in range(passes):
            coordination = Coordination(
                connected=True,
                leading=True,
                leader=CENTERS[B],
                groups={LIS: GroupState(record=self.record, run=self.run, requests=tuple(self.requests))},
                observers={center: observer(center) for center in CENTERS.values()},
            )
            waiting = list(self.controller.tick(coordination, now_s=self.now_s, now_utc=UTC))
            while waiting:
                ended = self.perform(waiting.pop(0))
                waiting += self.controller.effect_ended(ended, self.now_s) if ended else ()
            self.now_s += 0.1

    def perform(self, effect: Effect) -> EffectEnded | None:
        """What came of an effect; None for what nobody answers here: members are as they are."""
        result: Stored | None = None
        match effect:
            case BeginRun() | SaveRun() | FinishRun() if not self.stored:
                return EffectEnded(effect=effect, error=EffectUnknown("no answer"))
            case BeginRun(record=held, run=run):
                self.record, self.run = replace(held, version=held.version + 1), run
                result = Stored(record=self.record, run=run)
            case SaveRun(run=run):
                self.run = run
                result = Stored(record=None, run=run)
            case FinishRun(record=held):
                self.record, self.run = replace(held, version=held.version + 1), None
                result = Stored(record=self.record, run=None)
            case AnswerRequest(answer=answer):
                self.answers.append((answer.request, answer.accepted, answer.message))
                self.requests = [request for request in self.requests if request.id != answer.request]
            case _:
                return None
        return EffectEnded(effect=effect, result=result)

    def begin(self) -> None:
        """A switchover that mei asked for, up to where it waits for people."""
        desk = self.controller._desks[LIS]
        self.tick()
        request = Request(id="r0", kind=RequestKind.SWITCHOVER, group=LIS, operator="mei@lis-1", made_utc=UTC)
        begin = Begin(kind=RunKind.SWITCHOVER, reason="", candidate=B, request=request)
        for effect in self.controller._begin(desk, self.controller.views[LIS], begin):
            ended = self.perform(effect)
            assert ended is not None
            self.controller.effect_ended(ended, self.now_s)
        self.answers.clear()
        self.tick()
        assert self.status("agree") is StepStatus.WAITING

    def status(self, step: str) -> StepStatus:
        assert self.run is not None
        return self.run.step(step).status


def test_a_word_is_heard_once_and_answered_when_the_run_that_heeds_it_is_stored() -> None:
    ward = Ward()
    ward.begin()
    ward.ask(RequestKind.APPROVE, run=RunId("lis-2"))
    ward.tick(1)
    assert ward.answers == [], "not before it is stored"
    ward.tick(3)
    assert [(accepted, message) for _, accepted, message in ward.answers] == [(True, "agree: 1 of 1 agreed (wang)")]
    assert ward.run is not None
    assert [vote.operator for vote in ward.run.votes] == ["wang@lis-1"]
    assert ward.status("agree") is StepStatus.DONE


def test_a_word_that_could_not_be_stored_is_heard_again_by_whoever_drives_the_run_then() -> None:
    ward = Ward()
    ward.begin()
    ward.ask(RequestKind.APPROVE)
    ward.stored = False
    ward.tick(2)
    ward.stored = True
    assert ward.answers == []
    ward.tick(5)
    assert [accepted for _, accepted, _ in ward.answers] == [True]
    assert ward.status("agree") is StepStatus.DONE


def test_the_one_who_asked_for_the_run_is_told_that_somebody_else_must_decide() -> None:
    ward = Ward()
    ward.begin()
    ward.ask(RequestKind.APPROVE, by="mei@lis-9")
    ward.tick()
    assert [(accepted, message) for _, accepted, message in ward.answers] == [
        (False, "mei asked for lis-2: somebody else must decide about it")
    ]
    assert ward.status("agree") is StepStatus.WAITING


def test_a_no_ends_the_run_and_is_answered_although_nothing_is_saved_after_it() -> None:
    ward = Ward()
    ward.begin()
    ward.ask(RequestKind.REJECT, reason="the morning round")
    ward.tick()
    assert [(accepted, message) for _, accepted, message in ward.answers] == [
        (True, "agree will not begin: wang said no")
    ]
    assert ward.run is None


def test_an_abort_is_answered_and_ends_the_run() -> None:
    ward = Ward()
    ward.begin()
    ward.ask(RequestKind.ABORT)
    ward.tick()
    assert [accepted for _, accepted, _ in ward.answers] == [True]
    assert ward.run is None
    ward.ask(RequestKind.ABORT)
    ward.tick()
    assert [(accepted, message) for _, accepted, message in ward.answers[1:]] == [(False, "no run is under way in lis")]


def test_a_word_about_another_run_is_not_heeded() -> None:
    ward = Ward()
    ward.begin()
    ward.ask(RequestKind.CONTINUE, run=RunId("lis-1"))
    ward.tick()
    assert [message for _, _, message in ward.answers] == ["lis-1 is not under way; lis-2 (switchover) is"]


def test_a_paused_group_still_listens_to_people() -> None:
    ward = Ward()
    ward.begin()
    ward.record = replace(ward.record, paused=True)
    ward.ask(RequestKind.APPROVE)
    ward.tick(4)
    assert [accepted for _, accepted, _ in ward.answers] == [True]


def test_a_handover_that_waits_for_people_gives_way_when_the_primary_dies() -> None:
    ward = Ward()
    ward.begin()
    lost = center_lost()
    fresh = {name: replace(report, asked_at_s=NOW_S + LONG_S) for name, report in lost.reports.items()}
    ward.controller.observation.reports.update(fresh)
    ward.controller.observation.hosts.update(lost.hosts)
    observers = lost.observers
    coordination = Coordination(
        connected=True,
        leading=True,
        leader=CenterName("yuecheng"),
        groups={LIS: GroupState(record=ward.record, run=ward.run)},
        observers=observers,
    )
    (began,) = [
        effect
        for effect in ward.controller.tick(coordination, now_s=ward.now_s, now_utc=UTC)
        if isinstance(effect, BeginRun)
    ]
    assert began.run.kind is RunKind.FAILOVER
    assert began.ended is not None
    assert began.ended.id == "lis-2"
