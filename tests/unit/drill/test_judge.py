from __future__ import annotations

import pytest

from drctl.drill.judge import NOT_REACHED, judge
from drctl.model.check import BusinessCheck, CheckScope, CheckStep, Expectation, StepAnswer
from drctl.model.identity import MemberName


def check_of(*expectations):
    steps = tuple(CheckStep(id=f"s{at}", sql="SELECT 1", expect=one) for at, one in enumerate(expectations))
    return BusinessCheck(
        name="one", title="一", scope=CheckScope.ROLLED_BACK, timeout_s=1.0, steps=steps, digest="d"
    )  # fmt: skip


def verdict(expectation, **answer):
    answers = [StepAnswer(id="s0", **answer)]
    return judge(check_of(expectation), answers, member=MemberName("lis-zhaohui"), at_utc="t")


@pytest.mark.parametrize(
    ("expectation", "answer", "problem"),
    [
        (Expectation(), {}, ""),
        (Expectation(rows=1), {"rows": 1}, ""),
        (Expectation(rows=1), {"rows": 2}, "s0: gave 2 rows, 1 were expected"),
        (Expectation(rows_min=1), {"rows": 0}, "s0: gave 0 rows, at least 1 were expected"),
        (Expectation(value="待检验"), {"rows": 1, "value": "待检验"}, ""),
        (Expectation(value="1"), {"rows": 1, "value": None}, "s0: gave None, '1' was expected"),
        (Expectation(within_s=0.3), {"elapsed_s": 0.4}, "s0: took 0.400 s, at most 0.3 s were expected"),
        (Expectation(), {"error": "permission denied"}, "s0: permission denied"),
    ],
)
def test_an_answer_is_held_against_what_was_expected(expectation, answer, problem):
    judged = verdict(expectation, **answer)
    assert (judged.passed, judged.problem) == (not problem, problem)


def test_a_step_that_was_not_reached_has_not_passed():
    judged = judge(
        check_of(Expectation(), Expectation()),
        [StepAnswer(id="s0", error="the link broke")],
        member=MemberName("m"),
        at_utc="t",
    )
    assert [step.problem for step in judged.steps] == ["the link broke", NOT_REACHED]
    assert not judged.passed
