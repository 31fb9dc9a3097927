"""What a run does next, and what becomes of it when a step fails."""

from __future__ import annotations

from drctl.model.run import Outcome, StepStatus, TaskStatus
from drctl.playbook.progress import passed_no_return, task_ended, waits
from tests.unit.playbook.small import ASK, CONTINUE, ROLLBACK, A, Hand, step


def test_a_step_waits_for_the_one_before_it() -> None:
    hand = Hand.of(step("one"), step("two"))
    assert hand.begin() == ["one"]
    assert hand.done("one") == ["two"]
    assert hand.done("two") == []
    assert hand.outcome is Outcome.DONE


def test_steps_that_need_the_same_step_begin_together_in_the_order_of_the_file() -> None:
    hand = Hand.of(step("one"), step("two", needs=("one",)), step("three", needs=("one",)), step("four"))
    hand.begin()
    assert hand.done("one") == ["two", "three"]
    assert hand.done("two") == []
    assert hand.done("three") == ["four"]


def test_a_step_that_needs_two_waits_for_both() -> None:
    hand = Hand.of(
        step("one"), step("two", needs=("one",)), step("three", needs=("one",)), step("four", needs=("two", "three"))
    )
    hand.begin()
    hand.done("one")
    assert hand.done("three") == []
    assert hand.done("two") == ["four"]


def test_nobody_waits_for_a_step_that_says_so() -> None:
    hand = Hand.of(step("fence", waited_for=False, on_failure=CONTINUE), step("seal"))
    assert hand.begin() == ["fence", "seal"]
    hand.done("seal")
    assert hand.outcome is Outcome.DONE


def test_the_failure_of_a_step_that_nobody_waits_for_does_not_degrade_the_run() -> None:
    hand = Hand.of(step("fence", waited_for=False, on_failure=CONTINUE), step("seal"))
    hand.begin()
    hand.failed("fence")
    hand.done("seal")
    assert hand.outcome is Outcome.DONE


def test_a_failure_is_tried_again_after_the_delay_and_no_more_often_than_said() -> None:
    hand = Hand.of(step("one", retries=2, delay_s=3.0))
    hand.begin()
    assert hand.failed("one") == []
    assert hand.until_s == 3.0
    assert hand.after(2.9) == []
    assert hand.after(0.1) == ["one"]
    assert hand.run.step("one").attempt == 2
    hand.failed("one")
    assert hand.after(3.0) == ["one"]
    hand.failed("one")
    assert hand.begun == ["one"] * 3
    assert hand.outcome is Outcome.FAILED


def test_every_try_has_the_whole_time_and_the_last_one_to_expire_fails_the_step() -> None:
    hand = Hand.of(step("one", retries=1, delay_s=1.0, timeout_s=10.0))
    hand.begin()
    assert hand.until_s == 10.0
    assert hand.after(10.0) == []
    assert hand.after(1.0) == ["one"]
    assert hand.until_s == 21.0
    assert hand.after(9.9) == []
    assert hand.status("one") is StepStatus.RUNNING
    hand.after(0.1)
    assert hand.status("one") is StepStatus.FAILED
    assert hand.run.step("one").note == "too slow"
    assert [task.status for task in hand.run.step("one").tasks] == [TaskStatus.UNKNOWN]


def test_a_look_at_a_running_try_is_no_new_try_and_gives_it_no_more_time() -> None:
    hand = Hand.of(step("one", timeout_s=10.0))
    hand.begin()
    hand.now_s = 4.0
    hand.run = waits(hand.run, hand.run.playbook.step("one"), again_at_s=6.0, note="copying")
    assert hand.until_s == 6.0
    assert hand.after(2.0) == ["one"]
    assert hand.run.step("one").attempt == 1
    assert hand.until_s == 10.0


def test_what_an_earlier_try_answers_late_changes_nothing() -> None:
    hand = Hand.of(step("one", retries=1))
    hand.begin()
    hand.failed("one")
    hand.after(1.0)
    before = hand.run
    after = task_ended(before, "one", A, 1, status=TaskStatus.DONE, evidence=None, error="", now_s=hand.now_s)
    assert after == before


def test_after_an_abort_only_what_runs_always_begins() -> None:
    hand = Hand.of(step("one"), step("two"), step("last", always=True))
    hand.begin()
    assert hand.failed("one") == ["last"]
    assert hand.status("two") is StepStatus.SKIPPED
    hand.done("last")
    assert hand.outcome is Outcome.FAILED


def test_a_failure_that_the_run_goes_on_after_leaves_it_degraded() -> None:
    hand = Hand.of(step("one", on_failure=CONTINUE), step("two"))
    hand.begin()
    assert hand.failed("one") == ["two"]
    hand.done("two")
    assert hand.outcome is Outcome.DEGRADED


def test_nothing_that_needs_a_step_begins_while_a_person_is_asked_about_it() -> None:
    hand = Hand.of(step("one", on_failure=ASK), step("two"))
    hand.begin()
    assert hand.failed("one") == []
    assert hand.asks == "one"


def test_a_rollback_skips_the_rest_and_puts_everything_back() -> None:
    hand = Hand.of(step("stop", "stop", on_failure=ROLLBACK), step("seal", "seal"), rollback=(step("back", "start"),))
    hand.begin()
    assert hand.failed("stop") == ["back"]
    assert hand.status("seal") is StepStatus.SKIPPED
    hand.done("back")
    assert hand.outcome is Outcome.ROLLED_BACK


def test_a_rollback_that_fails_is_a_failure() -> None:
    hand = Hand.of(step("stop", "stop", on_failure=ROLLBACK), rollback=(step("back", "start"), step("more")))
    hand.begin()
    hand.failed("stop")
    assert hand.failed("back") == []
    assert hand.status("more") is StepStatus.SKIPPED
    assert hand.outcome is Outcome.FAILED


def test_the_way_back_begins_when_what_was_under_way_has_ended() -> None:
    hand = Hand.of(
        step("ready", "ready"),
        step("stop", "stop", needs=("ready",), on_failure=ROLLBACK),
        step("seal", "seal", needs=("ready",), on_failure=ROLLBACK),
        rollback=(step("back", "start"),),
    )
    hand.begin()
    assert hand.done("ready") == ["stop", "seal"]
    assert hand.failed("seal") == []
    assert hand.failed("stop") == ["back"], "a second failure neither rolls back twice nor ends the way back"


def test_after_the_point_of_no_return_a_failure_never_goes_back() -> None:
    hand = Hand.of(
        step("seal", "seal", on_failure=ROLLBACK),
        step("promote", "promote", point_of_no_return=True),
        rollback=(step("back", "start"),),
    )
    hand.begin()
    hand.done("seal")
    assert passed_no_return(hand.run)
    hand.adopt()
    assert passed_no_return(hand.run), "another controller knows it too"
    assert hand.begin() == ["seal"]
    assert hand.failed("seal") == []
    assert not hand.run.rolling_back
    assert hand.outcome is Outcome.FAILED


def test_a_promotion_that_was_never_begun_can_be_gone_back_from() -> None:
    hand = Hand.of(
        step("seal", "seal", on_failure=ROLLBACK),
        step("promote", "promote", point_of_no_return=True),
        rollback=(step("back", "start"),),
    )
    hand.begin()
    hand.adopt()
    hand.begin()
    assert hand.failed("seal") == ["back"]
    assert not passed_no_return(hand.run)
