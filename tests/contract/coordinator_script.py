"""What every Coordinator must do, as plain functions: the real one and the simulated one are held to the same script."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Protocol

import pytest

from drctl.model.errors import EffectRefused, InvalidInput, LeadershipLost, StaleEpoch
from drctl.model.identity import CenterName, Epoch, RunId
from drctl.model.report import Reachability
from drctl.model.request import RequestAnswer, RequestKind
from drctl.model.rule import GroupRecord
from drctl.model.run import Outcome, Run
from drctl.ports import Coordinator, GroupState
from tests.unit.zookeeper.nouns import (
    FUYANG,
    LIS,
    YUECHENG,
    ZHAOHUI,
    a_record,
    a_request,
    a_rule,
    a_run,
    an_observer_report,
)

DEADLINE_S = 5.0


class World(Protocol):
    """Where a scene plays: several controllers over one coordination service that is empty at the beginning."""

    def controller(self, center: CenterName) -> Coordinator:
        """A started coordinator of `center`. Every call makes another one, with a session of its own."""

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let time pass until `condition` holds; fail when it takes too long."""


def a_leader(world: World, center: CenterName = ZHAOHUI) -> Coordinator:
    coordinator = world.controller(center)
    coordinator.campaign(wish=True)
    world.until(coordinator.leading, f"{center} leads")
    return coordinator


def begun(
    leader: Coordinator, record: GroupRecord, epoch: int = 2, *, ended: Run | None = None
) -> tuple[GroupRecord, Run]:
    run = a_run(epoch)
    raised = replace(record, epoch=run.epoch, run=run.id)
    return leader.begin_run(raised, run, ended=ended, deadline_s=DEADLINE_S)


def outcome(run: Run, became: Outcome = Outcome.DONE) -> Run:
    return replace(run, outcome=became, ended_s=2.0, ended_utc="2026-01-01T00:00:01.000Z")


# Election


def one_controller_leads_and_all_know_which(world: World) -> None:
    first = a_leader(world)
    others = [world.controller(center) for center in (YUECHENG, FUYANG)]
    for one in others:
        one.campaign(wish=True)
    for one in (first, *others):
        world.until(lambda one=one: one.leader() == ZHAOHUI, "everybody knows the leader")
    assert not any(one.leading() for one in others)


def nobody_leads_where_nobody_wishes_to(world: World) -> None:
    one = world.controller(ZHAOHUI)
    one.campaign(wish=False)
    assert one.connected()
    assert not one.leading()
    assert one.leader() is None


def a_leader_that_steps_down_hands_over_and_can_stand_again(world: World) -> None:
    first, second = a_leader(world), world.controller(FUYANG)
    second.campaign(wish=True)
    first.campaign(wish=False)
    assert not first.leading()
    world.until(second.leading, "the next leads")
    first.campaign(wish=True)
    second.campaign(wish=False)
    world.until(first.leading, "the first leads again")


def a_leader_that_closes_is_replaced_at_once(world: World) -> None:
    first, second = a_leader(world), world.controller(FUYANG)
    second.campaign(wish=True)
    world.until(lambda: second.leader() == ZHAOHUI, "the leader is known")
    first.close()
    assert not first.leading()
    world.until(second.leading, "the next leads")


def a_change_of_leader_is_told(world: World) -> None:
    told: list[bool] = []
    second = world.controller(FUYANG)
    second.changed(lambda: told.append(second.leading()))
    first = a_leader(world)
    second.campaign(wish=True)
    world.until(lambda: second.leader() == ZHAOHUI, "the leader is known")
    first.close()
    world.until(lambda: True in told, "the new leader is told that it leads")


# Records


def a_group_that_was_never_initialised_has_no_record(world: World) -> None:
    one = world.controller(ZHAOHUI)
    assert one.group(LIS) == GroupState(record=None, run=None)
    assert one.history(LIS, limit=5, deadline_s=DEADLINE_S) == ()
    assert one.run(RunId("lis-2"), deadline_s=DEADLINE_S) is None


def a_first_record_is_stored_once_and_seen_by_all(world: World) -> None:
    one, other = world.controller(ZHAOHUI), world.controller(FUYANG)
    stored = one.create_record(a_record(), deadline_s=DEADLINE_S)
    assert stored == replace(a_record(), version=stored.version)
    assert one.group(LIS).record == stored
    world.until(lambda: other.group(LIS).record == stored, "the other sees it")
    with pytest.raises(EffectRefused, match="already"):
        other.create_record(a_record(epoch=9), deadline_s=DEADLINE_S)
    assert other.group(LIS).record == stored


def a_run_is_begun_saved_and_finished_and_its_writer_reads_it_at_once(world: World) -> None:
    leader, other = a_leader(world), world.controller(FUYANG)
    record, run = begun(leader, leader.create_record(a_record(), deadline_s=DEADLINE_S))
    assert leader.group(LIS) == GroupState(record=record, run=run)

    run = leader.save_run(replace(run, note="sealed"), deadline_s=DEADLINE_S)
    assert leader.group(LIS).run == run

    joint = replace(record, rules=(*record.rules, a_rule(1)))
    record, run = leader.change_record(joint, replace(run, note="recorded"), deadline_s=DEADLINE_S)
    assert record.joint
    assert leader.group(LIS) == GroupState(record=record, run=run)
    world.until(lambda: other.group(LIS) == leader.group(LIS), "the other sees the same")
    assert other.run(run.id, deadline_s=DEADLINE_S) == run

    done = outcome(run)
    record = leader.finish_run(replace(record, rules=record.rules[1:], run=None), done, deadline_s=DEADLINE_S)
    assert leader.group(LIS) == GroupState(record=record, run=None)
    world.until(lambda: other.group(LIS) == leader.group(LIS), "the other sees the end")
    (finished,) = other.history(LIS, limit=5, deadline_s=DEADLINE_S)
    assert replace(finished, journal_version=done.journal_version) == done
    assert other.run(run.id, deadline_s=DEADLINE_S) == finished


def a_record_that_was_read_before_another_change_is_stale(world: World) -> None:
    leader = a_leader(world)
    old = leader.create_record(a_record(), deadline_s=DEADLINE_S)
    record, run = begun(leader, old)
    with pytest.raises(StaleEpoch):
        begun(leader, old, 3)
    with pytest.raises(StaleEpoch):
        leader.change_record(replace(old, epoch=record.epoch, run=run.id), run, deadline_s=DEADLINE_S)
    assert leader.group(LIS) == GroupState(record=record, run=run)


def a_journal_that_was_read_before_another_save_is_stale(world: World) -> None:
    leader = a_leader(world)
    record, run = begun(leader, leader.create_record(a_record(), deadline_s=DEADLINE_S))
    saved = leader.save_run(replace(run, note="new"), deadline_s=DEADLINE_S)
    with pytest.raises(StaleEpoch):
        leader.save_run(replace(run, note="old"), deadline_s=DEADLINE_S)
    with pytest.raises(StaleEpoch):
        leader.change_record(record, replace(run, note="old"), deadline_s=DEADLINE_S)
    with pytest.raises(StaleEpoch):
        leader.finish_run(replace(record, run=None), run, deadline_s=DEADLINE_S)
    assert leader.group(LIS).run == saved
    assert leader.history(LIS, limit=5, deadline_s=DEADLINE_S) == ()


def a_superseded_run_goes_to_the_history_as_the_next_begins(world: World) -> None:
    leader = a_leader(world)
    record, first = begun(leader, leader.create_record(a_record(), deadline_s=DEADLINE_S))
    ended = outcome(first, Outcome.SUPERSEDED)
    record, second = begun(leader, record, 3, ended=ended)
    assert leader.group(LIS) == GroupState(record=record, run=second)
    (old,) = leader.history(LIS, limit=5, deadline_s=DEADLINE_S)
    assert (old.id, old.outcome) == (first.id, Outcome.SUPERSEDED)
    with pytest.raises(StaleEpoch):
        leader.save_run(first, deadline_s=DEADLINE_S)


def a_run_is_taken_over_with_a_higher_epoch_and_its_old_owner_is_refused(world: World) -> None:
    first, second = a_leader(world), world.controller(FUYANG)
    record, run = begun(first, first.create_record(a_record(), deadline_s=DEADLINE_S))
    second.campaign(wish=True)
    first.campaign(wish=False)
    world.until(second.leading, "the next leads")
    world.until(lambda: second.group(LIS) == GroupState(record=record, run=run), "the next knows the run")

    adopted = replace(run, epoch=Epoch(3), owner="fuyang#1", center=FUYANG)
    record_2, adopted = second.begin_run(replace(record, epoch=Epoch(3)), adopted, ended=None, deadline_s=DEADLINE_S)
    assert second.group(LIS) == GroupState(record=record_2, run=adopted)
    for write in (
        lambda: first.save_run(run, deadline_s=DEADLINE_S),
        lambda: first.change_record(record, run, deadline_s=DEADLINE_S),
        lambda: first.finish_run(replace(record, run=None), run, deadline_s=DEADLINE_S),
        lambda: begun(first, record, 4),
    ):
        with pytest.raises(LeadershipLost):
            write()
    assert second.run(run.id, deadline_s=DEADLINE_S) == adopted


def only_a_leader_writes(world: World) -> None:
    one = world.controller(ZHAOHUI)
    record = one.create_record(a_record(), deadline_s=DEADLINE_S)
    with pytest.raises(LeadershipLost):
        begun(one, record)
    assert one.group(LIS) == GroupState(record=record, run=None)


def the_history_is_told_from_the_newest_and_no_more_than_asked(world: World) -> None:
    leader = a_leader(world)
    record = leader.create_record(a_record(epoch=7), deadline_s=DEADLINE_S)
    for epoch in range(8, 12):
        record, run = begun(leader, record, epoch)
        record = leader.finish_run(replace(record, run=None), outcome(run), deadline_s=DEADLINE_S)
    assert [run.id for run in leader.history(LIS, limit=3, deadline_s=DEADLINE_S)] == ["lis-11", "lis-10", "lis-9"]


# Pause


def a_pause_is_seen_by_all_and_disturbs_no_run(world: World) -> None:
    leader, other = a_leader(world), world.controller(FUYANG)
    record, run = begun(leader, leader.create_record(a_record(), deadline_s=DEADLINE_S))
    other.set_paused(LIS, paused=True, deadline_s=DEADLINE_S)
    for one in (leader, other):
        world.until(lambda one=one: _paused(one), "everybody knows of the pause")
    record, run = leader.change_record(record, run, deadline_s=DEADLINE_S)
    assert record.paused
    record = leader.finish_run(replace(record, run=None), outcome(run), deadline_s=DEADLINE_S)
    assert record.paused
    leader.set_paused(LIS, paused=False, deadline_s=DEADLINE_S)
    assert leader.group(LIS).record == replace(record, paused=False)
    world.until(lambda: not _paused(other), "everybody knows of the end of the pause")


def a_group_that_was_never_initialised_cannot_be_paused(world: World) -> None:
    one = world.controller(ZHAOHUI)
    with pytest.raises(InvalidInput, match="not in ZooKeeper"):
        one.set_paused(LIS, paused=True, deadline_s=DEADLINE_S)


def _paused(coordinator: Coordinator) -> bool:
    record = coordinator.group(LIS).record
    return record is not None and record.paused


# Observers


def reports_are_seen_by_all_until_their_controller_leaves(world: World) -> None:
    one, other = world.controller(ZHAOHUI), world.controller(FUYANG)
    first, second = an_observer_report(ZHAOHUI), an_observer_report(FUYANG, Reachability.SILENT)
    one.publish(first, deadline_s=DEADLINE_S)
    other.publish(second, deadline_s=DEADLINE_S)
    for who in (one, other):
        world.until(lambda who=who: who.observers() == {ZHAOHUI: first, FUYANG: second}, "both reports are known")
    changed = an_observer_report(FUYANG, Reachability.REFUSED)
    other.publish(changed, deadline_s=DEADLINE_S)
    world.until(lambda: one.observers()[FUYANG] == changed, "the new report is known")
    other.close()
    world.until(lambda: one.observers() == {ZHAOHUI: first}, "the report went with its controller")


def a_controller_that_starts_again_takes_over_its_centers_report(world: World) -> None:
    world.controller(ZHAOHUI).publish(an_observer_report(ZHAOHUI), deadline_s=DEADLINE_S)
    again, other = world.controller(ZHAOHUI), world.controller(FUYANG)
    newer = an_observer_report(ZHAOHUI, Reachability.FAULTY)
    again.publish(newer, deadline_s=DEADLINE_S)
    world.until(lambda: other.observers().get(ZHAOHUI) == newer, "the newer report is known")


# Requests


def a_request_is_answered_once_and_is_no_longer_open_then(world: World) -> None:
    leader, other = a_leader(world), world.controller(FUYANG)
    leader.create_record(a_record(), deadline_s=DEADLINE_S)
    first = other.submit(a_request(), deadline_s=DEADLINE_S)
    second = other.submit(a_request(RequestKind.REJOIN), deadline_s=DEADLINE_S)
    assert first.id
    assert first == replace(a_request(), id=first.id)
    world.until(lambda: leader.group(LIS).requests == (first, second), "the leader sees both, the older first")
    assert other.answered(first, deadline_s=DEADLINE_S) is None

    answer = RequestAnswer(request=first.id, accepted=True, message="lis-2 began", run=RunId("lis-2"))
    leader.answer(answer, LIS, deadline_s=DEADLINE_S)
    assert leader.group(LIS).requests == (second,)
    assert other.answered(first, deadline_s=DEADLINE_S) == answer
    world.until(lambda: other.group(LIS).requests == (second,), "it is no longer open")
    with pytest.raises(EffectRefused):
        leader.answer(answer, LIS, deadline_s=DEADLINE_S)


def only_a_leader_answers(world: World) -> None:
    one = world.controller(ZHAOHUI)
    one.create_record(a_record(), deadline_s=DEADLINE_S)
    request = one.submit(a_request(), deadline_s=DEADLINE_S)
    with pytest.raises(LeadershipLost):
        one.answer(RequestAnswer(request=request.id, accepted=True, message=""), LIS, deadline_s=DEADLINE_S)
    assert one.answered(request, deadline_s=DEADLINE_S) is None


def a_request_for_a_group_that_was_never_initialised_is_refused(world: World) -> None:
    one = world.controller(ZHAOHUI)
    with pytest.raises(InvalidInput):
        one.submit(a_request(), deadline_s=DEADLINE_S)


SCENES: tuple[Callable[[World], None], ...] = (
    one_controller_leads_and_all_know_which,
    nobody_leads_where_nobody_wishes_to,
    a_leader_that_steps_down_hands_over_and_can_stand_again,
    a_leader_that_closes_is_replaced_at_once,
    a_change_of_leader_is_told,
    a_group_that_was_never_initialised_has_no_record,
    a_first_record_is_stored_once_and_seen_by_all,
    a_run_is_begun_saved_and_finished_and_its_writer_reads_it_at_once,
    a_record_that_was_read_before_another_change_is_stale,
    a_journal_that_was_read_before_another_save_is_stale,
    a_superseded_run_goes_to_the_history_as_the_next_begins,
    a_run_is_taken_over_with_a_higher_epoch_and_its_old_owner_is_refused,
    only_a_leader_writes,
    the_history_is_told_from_the_newest_and_no_more_than_asked,
    a_pause_is_seen_by_all_and_disturbs_no_run,
    a_group_that_was_never_initialised_cannot_be_paused,
    reports_are_seen_by_all_until_their_controller_leaves,
    a_controller_that_starts_again_takes_over_its_centers_report,
    a_request_is_answered_once_and_is_no_longer_open_then,
    only_a_leader_answers,
    a_request_for_a_group_that_was_never_initialised_is_refused,
)
