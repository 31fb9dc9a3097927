"""One run, driven without a world: what is alarmed, and that a try after a try is one."""

from __future__ import annotations

from dataclasses import replace

from drctl.controller.driver import Driver
from drctl.controller.effect import BeginRun, ChangeRecord, Effect, EffectEnded, FinishRun, PoolCall, SaveRun, Stored
from drctl.model.command import PoolWord, TellPools
from drctl.model.event import Alarm, Event, Severity
from drctl.model.identity import MemberName
from drctl.model.playbook import Step
from drctl.model.run import Outcome, StepStatus
from drctl.model.topology import Address, Pool
from drctl.model.view import GroupView
from tests.unit.decision.world import NOW_S, A, B, C, primary_answers, record, standby_answers, view
from tests.unit.playbook.small import playbook, run_of, step

STREAMING = step("streaming", "streaming", timeout_s=10.0, retries=1, delay_s=2.0)


class Driven:
    """A driver whose writes to the coordinator all go through."""

    def __init__(self, *steps: Step, budget_s: float = 100.0) -> None:
        self.events: list[Event] = []
        self.driver = Driver(self.events.append)
        run = replace(run_of(playbook(*steps, budget_s=budget_s)), started_s=NOW_S)
        self.store(self.driver.begin(record(), run, None))

    def store(self, effect: Effect) -> None:
        match effect:
            case BeginRun() | ChangeRecord():
                stored = Stored(record=effect.record, run=effect.run)
            case SaveRun():
                stored = Stored(record=None, run=effect.run)
            case FinishRun():
                stored = Stored(record=effect.record, run=None)
            case _:
                raise AssertionError(effect)
        self.driver.stored(EffectEnded(effect=effect, result=stored))

    def at(self, after_s: float, *streaming: MemberName) -> None:
        """A tick `after_s` after the beginning, while the primary sees `streaming`."""
        for effect in self.driver.tick(seen(after_s, *streaming)):
            self.store(effect)

    @property
    def alarms(self) -> list[Alarm]:
        return [event for event in self.events if isinstance(event, Alarm)]


def seen(after_s: float, *streaming: MemberName) -> GroupView:
    reports = {A: primary_answers(A, *streaming), B: standby_answers(B), C: standby_answers(C)}
    return view(now_s=NOW_S + after_s, reports=reports)


def test_a_budget_that_is_exceeded_is_alarmed_once_and_the_run_goes_on_to_its_end() -> None:
    driven = Driven(replace(STREAMING, timeout_s=80.0), budget_s=5.0)
    driven.at(0.0, C)
    driven.at(5.0, C)
    assert driven.alarms == []
    for after_s in (5.1, 6.0, 30.0):
        driven.at(after_s, C)
    (alarm,) = driven.alarms
    assert (alarm.code, alarm.severity) == ("budget_exceeded", Severity.ALARM)
    assert "lis-7 (switchover) takes longer than its 5 s and goes on; it is at streaming (" in alarm.message
    assert alarm.remedy == "see where it stands: drctl watch lis-7"
    driven.at(31.0, B, C)
    ended = driven.driver.take_ended()
    assert ended is not None
    assert ended.outcome is Outcome.DONE


def test_a_run_within_its_budget_alarms_nobody() -> None:
    driven = Driven(STREAMING)
    driven.at(0.0, C)
    driven.at(9.0, B, C)
    assert driven.driver.take_ended() is not None
    assert driven.alarms == []


def test_waiting_is_tried_again_with_the_whole_time_and_then_fails() -> None:
    driven = Driven(STREAMING)
    for tenths in range(300):
        driven.at(tenths / 10, C)
        if (ended := driven.driver.take_ended()) is not None:
            break
    else:
        raise AssertionError("the run did not end")
    (waited,) = ended.steps
    assert (waited.status, waited.attempt, ended.outcome) == (StepStatus.FAILED, 2, Outcome.FAILED)
    assert waited.ended_s is not None
    assert 21.9 <= waited.ended_s - NOW_S <= 22.5, "two tries of 10 s, 2 s between them"


def test_a_pause_that_came_through_after_its_run_was_left_is_taken_back() -> None:
    driven = Driven(STREAMING)
    run = driven.driver.run
    assert run is not None
    address = Address(host="10.0.0.9", port=6432)
    pause = PoolCall(
        group=run.group,
        run=run.id,
        step="pause_pools",
        attempt=1,
        epoch=run.epoch,
        command=TellPools(word=PoolWord.PAUSE, pools=(Pool(name="door", address=address, databases=(), route=None),)),
        deadline_s=1.0,
    )
    driven.driver.drop("another controller leads")
    (late,) = driven.driver.effect_ended(EffectEnded(effect=pause), NOW_S)
    assert isinstance(late, PoolCall)
    assert late.command == replace(pause.command, word=PoolWord.RESUME)
    assert driven.driver.effect_ended(EffectEnded(effect=late), NOW_S) == ()
