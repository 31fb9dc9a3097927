"""A run that is taken over at any point: what is proved anew, what stays done, what is never done again."""

from __future__ import annotations

import pytest

from drctl.model.playbook import RunKind
from drctl.model.run import Outcome, StepStatus
from drctl.playbook.catalogue import CATALOGUE
from drctl.playbook.progress import Finished
from tests.unit.playbook.small import ROLLBACK, SHIPPED, Hand, run_of, step

PREFIXES = [(kind, done) for kind, book in SHIPPED.items() for done in range(len(book.steps) + 1)]


def after(kind: RunKind, done: int) -> Hand:
    """A run of the shipped playbook in which the first `done` steps have ended well, and the next are under way."""
    hand = Hand(run_of(SHIPPED[kind]))
    hand.begin()
    for each in SHIPPED[kind].steps[:done]:
        hand.done(each.id)
    return hand


@pytest.mark.parametrize(("kind", "done"), PREFIXES)
def test_what_the_protocol_proved_is_proved_anew_and_the_rest_stays_done(kind: RunKind, done: int) -> None:
    hand = after(kind, done)
    was = {each.id: each.status for each in hand.run.steps}
    committed = any(each.uses == "commit" and was[each.id] is StepStatus.DONE for each in SHIPPED[kind].steps)
    hand.adopt()
    for each in SHIPPED[kind].steps:
        redone = CATALOGUE[each.uses].proven_by_epoch and not committed
        kept = was[each.id] is StepStatus.DONE and not redone
        assert hand.status(each.id) is (StepStatus.DONE if kept else StepStatus.PENDING), each.id


@pytest.mark.parametrize(("kind", "done"), PREFIXES)
def test_a_run_that_is_taken_over_comes_to_its_end(kind: RunKind, done: int) -> None:
    hand = after(kind, done)
    hand.adopt()
    hand.begin()
    for _ in range(len(SHIPPED[kind].steps) + 1):
        if isinstance(hand.move(), Finished):
            break
        for each in hand.run.steps:
            if each.status is StepStatus.RUNNING:
                hand.done(each.id)
    assert hand.outcome is Outcome.DONE
    assert hand.run.epoch == 8
    assert [adoption.owner for adoption in hand.run.adoptions] == ["fuyang#2"]
    assert hand.run.center == "fuyang"


@pytest.mark.parametrize("kind", [RunKind.FAILOVER, RunKind.SWITCHOVER, RunKind.SWITCHBACK])
def test_no_promotion_under_a_new_epoch_without_a_new_seal(kind: RunKind) -> None:
    hand = after(kind, len(SHIPPED[kind].steps) - 1)
    hand.adopt()
    hand.begun.clear()
    hand.begin()
    while "promote" not in hand.begun:
        for each in hand.run.steps:
            if each.status is StepStatus.RUNNING:
                hand.done(each.id)
    begun = hand.begun
    assert begun.index("seal") < begun.index("choose") < begun.index("record") < begun.index("promote")


@pytest.mark.parametrize("kind", [RunKind.SWITCHOVER, RunKind.SWITCHBACK])
@pytest.mark.parametrize("failing", ["stop", "seal", "choose", "record"])
@pytest.mark.parametrize("back", range(4))
def test_a_rollback_that_is_taken_over_never_goes_forward(kind: RunKind, failing: str, back: int) -> None:
    ids = [each.id for each in SHIPPED[kind].steps]
    hand = after(kind, ids.index(failing))
    hand.failed(failing)
    for each in SHIPPED[kind].rollback[:back]:
        hand.done(each.id)
    hand.adopt()
    hand.begun.clear()
    hand.begin()
    for _ in range(5):
        for record in hand.run.steps:
            if record.status is StepStatus.RUNNING:
                hand.done(record.id)
    assert hand.begun == [*(each.id for each in SHIPPED[kind].rollback), "resume_pools"]
    assert hand.outcome is Outcome.ROLLED_BACK


def test_what_was_under_way_when_the_run_turned_back_is_not_begun_again() -> None:
    hand = Hand.of(
        step("ready", "ready"),
        step("stop", "stop", needs=("ready",), on_failure=ROLLBACK),
        step("seal", "seal", needs=("ready",), on_failure=ROLLBACK),
        rollback=(step("back", "start"),),
    )
    hand.begin()
    hand.done("ready")
    hand.failed("seal")
    hand.adopt()
    assert hand.begin() == ["back"]
    assert hand.status("stop") is StepStatus.SKIPPED


def test_a_run_that_has_given_up_does_only_what_is_left_to_do_always() -> None:
    hand = Hand.of(step("fence", "fence"), step("seal", "seal"), step("last", always=True))
    hand.begin()
    hand.done("fence")
    assert hand.failed("seal") == ["last"]
    hand.adopt()
    assert hand.begin() == ["last"]
    hand.done("last")
    assert hand.outcome is Outcome.FAILED


def test_durations_survive_the_change_of_clocks() -> None:
    hand = Hand.of(step("one"), step("two"))
    hand.begin()
    hand.now_s = 2.5
    hand.done("one")
    hand.adopt()
    record = hand.run.step("one")
    assert record.started_s is not None
    assert record.ended_s is not None
    assert (record.ended_s, record.ended_s - record.started_s) == (5000.0, 2.5)
