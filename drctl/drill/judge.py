"""Answers beside expectations."""

from __future__ import annotations

from collections.abc import Sequence

from drctl.model.check import BusinessCheck, CheckStep, CheckVerdict, StepAnswer, StepVerdict
from drctl.model.identity import MemberName

VALUE_LENGTH_MAX = 200
NOT_REACHED = "was not reached"


def judge(check: BusinessCheck, answers: Sequence[StepAnswer], *, member: MemberName, at_utc: str) -> CheckVerdict:
    """The verdict over a check. A step without an answer was not reached, and has not passed."""
    given = {answer.id: answer for answer in answers}
    steps = tuple(_step(step, given.get(step.id)) for step in check.steps)
    failed = next((step for step in steps if not step.passed), None)
    return CheckVerdict(
        name=check.name,
        title=check.title,
        digest=check.digest,
        member=member,
        passed=failed is None,
        elapsed_s=sum(step.elapsed_s for step in steps),
        at_utc=at_utc,
        steps=steps,
        problem="" if failed is None else f"{failed.id}: {failed.problem}",
    )


def _step(step: CheckStep, answer: StepAnswer | None) -> StepVerdict:
    if answer is None:
        return StepVerdict(id=step.id, passed=False, elapsed_s=0.0, problem=NOT_REACHED)
    problem = answer.error or _missed(step, answer)
    return StepVerdict(
        id=step.id,
        passed=not problem,
        elapsed_s=answer.elapsed_s,
        rows=answer.rows,
        value=(answer.value or "")[:VALUE_LENGTH_MAX],
        problem=problem,
    )


def _missed(step: CheckStep, answer: StepAnswer) -> str:
    """The first expectation that was not met; empty when all were."""
    expect = step.expect
    if expect.rows is not None and answer.rows != expect.rows:
        return f"gave {answer.rows} rows, {expect.rows} were expected"
    if expect.rows_min is not None and answer.rows < expect.rows_min:
        return f"gave {answer.rows} rows, at least {expect.rows_min} were expected"
    if expect.value is not None and answer.value != expect.value:
        return f"gave {answer.value!r}, {expect.value!r} was expected"
    if expect.within_s is not None and answer.elapsed_s > expect.within_s:
        return f"took {answer.elapsed_s:.3f} s, at most {expect.within_s:g} s were expected"
    return ""
