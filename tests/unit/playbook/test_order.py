"""Which playbooks are refused, because they are not safe or do not fit their budget."""

from __future__ import annotations

import pytest

from drctl.model.playbook import Playbook, Step
from drctl.playbook.order import flaws, worst_s
from tests.unit.playbook.small import ABORT, CONTINUE, ROLLBACK, SHIPPED, playbook, step

SEAL, CHOOSE, RECORD = step("seal", "seal"), step("choose", "choose"), step("record", "record")
PROMOTE = step("promote", "promote", point_of_no_return=True)
MARKER, COMMIT = step("marker", "marker"), step("commit", "commit")
BACK = (step("back", "start"),)


def said(book: Playbook) -> list[str]:
    return [f"{flaw.step}: {flaw.message}" for flaw in flaws(book)]


@pytest.mark.parametrize("book", SHIPPED.values(), ids=list(SHIPPED))
def test_what_is_shipped_is_safe(book: Playbook) -> None:
    assert said(book) == []


@pytest.mark.parametrize(
    ("steps", "wanted"),
    [
        ((CHOOSE, RECORD, PROMOTE), "seal"),
        ((SEAL, RECORD, PROMOTE), "choose"),
        ((SEAL, CHOOSE, PROMOTE), "record"),
    ],
)
def test_a_promotion_without_seal_choice_or_record_is_refused(steps: tuple[Step, ...], wanted: str) -> None:
    assert f"promote: promote is not safe unless {wanted} has succeeded before it" in said(playbook(*steps))


@pytest.mark.parametrize(
    "seal",
    [
        step("seal", "seal", on_failure=CONTINUE),
        step("seal", "seal", waited_for=False),
        step("seal", "seal", when="always"),
    ],
)
def test_a_seal_that_need_not_succeed_is_no_seal(seal: Step) -> None:
    assert "promote: promote is not safe unless seal has succeeded before it" in said(
        playbook(seal, CHOOSE, RECORD, PROMOTE)
    )


def test_a_seal_beside_the_promotion_is_not_before_it() -> None:
    book = playbook(step("one"), SEAL, CHOOSE, step("record", "record"), step("promote", "promote", needs=("one",)))
    assert "promote: promote is not safe unless seal has succeeded before it" in said(book)


def test_a_commit_without_a_marker_is_refused() -> None:
    assert said(playbook(COMMIT)) == ["commit: commit is not safe unless marker has succeeded before it"]
    assert said(playbook(MARKER, COMMIT)) == []


def test_a_marker_of_the_way_forward_proves_nothing_on_the_way_back() -> None:
    book = playbook(
        step("stop", "stop", on_failure=ROLLBACK),
        MARKER,
        rollback=(step("restore", "commit", params={"on": "primary"}),),
    )
    assert said(book) == ["restore: commit is not safe unless marker has succeeded before it"]


def test_a_promotion_that_runs_always_is_refused() -> None:
    book = playbook(SEAL, CHOOSE, RECORD, step("promote", "promote", point_of_no_return=True, always=True))
    assert said(book) == ["promote: promote must not run when what it builds on has failed"]


def test_a_promotion_must_say_that_it_cannot_be_taken_back() -> None:
    assert said(playbook(SEAL, CHOOSE, RECORD, step("promote", "promote"))) == [
        "promote: a promotion cannot be taken back"
    ]


def test_a_rollback_after_the_point_of_no_return_is_refused() -> None:
    book = playbook(SEAL, CHOOSE, RECORD, PROMOTE, step("late", on_failure=ROLLBACK), rollback=BACK)
    assert said(book) == ["late: cannot roll back: promote before it is the point of no return"]


@pytest.mark.parametrize(
    "beside",
    [step("slow", needs=("choose",), on_failure=ROLLBACK), step("slow", waited_for=False, on_failure=ROLLBACK)],
)
def test_a_rollback_that_could_come_while_the_promotion_is_under_way_is_refused(beside: Step) -> None:
    book = playbook(SEAL, CHOOSE, beside, step("record", "record", needs=("choose",)), PROMOTE, rollback=BACK)
    assert said(book) == ["slow: may still be under way at the point of no return, and could not roll back then"]


def test_a_rollback_that_does_not_exist_is_refused() -> None:
    assert said(playbook(step("stop", "stop", on_failure=ROLLBACK))) == [
        "stop: cannot roll back: the playbook has no rollback"
    ]


def test_the_worst_path_counts_every_try_and_the_longer_of_two_branches() -> None:
    one = step("one", timeout_s=10.0, retries=2, delay_s=1.0)
    assert worst_s((one,)) == 32.0
    short, long = step("short", needs=("one",), timeout_s=1.0), step("long", needs=("one",), timeout_s=20.0)
    assert worst_s((one, short, long)) == 52.0
    assert worst_s((one, short, long, step("end", needs=("short",), timeout_s=5.0))) == 52.0


def test_nobody_waits_in_the_worst_path_for_what_is_not_waited_for() -> None:
    assert worst_s((step("fence", timeout_s=99.0, waited_for=False), step("seal", timeout_s=3.0))) == 3.0


def test_a_worst_path_over_the_budget_is_refused_and_the_way_back_counts() -> None:
    steps = (step("stop", "stop", timeout_s=10.0, on_failure=ROLLBACK),)
    back = (step("back", "start", timeout_s=5.0, on_failure=ABORT),)
    assert said(playbook(*steps, rollback=back, budget_s=15.0)) == []
    assert said(playbook(*steps, rollback=back, budget_s=14.0)) == [
        ": its worst path takes 15 s, and its budget is 14 s"
    ]
