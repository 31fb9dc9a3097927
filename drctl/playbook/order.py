"""Is a playbook safe, and does it fit its budget? Pure checks that name the step at fault."""

from __future__ import annotations

from collections.abc import Iterable

from drctl.model.playbook import OnFailure, Playbook, Step
from drctl.playbook.catalogue import CATALOGUE
from drctl.playbook.flaw import Flaw, certainly_before
from drctl.playbook.middle import flaws_in_the_middle
from drctl.playbook.usage import misuses


def flaws(playbook: Playbook) -> tuple[Flaw, ...]:
    """Everything that forbids a playbook to run."""
    return (
        *_order(playbook),
        *_no_return(playbook),
        *_way_back(playbook),
        *misuses(playbook),
        *flaws_in_the_middle(playbook),
        *_budget(playbook),
    )


def _order(playbook: Playbook) -> Iterable[Flaw]:
    # Nothing of the way forward is certain when the way back begins: each way is looked at alone.
    for step in (*playbook.steps, *playbook.rollback):
        contract = CATALOGUE[step.uses]
        after = contract.after if playbook.kind in contract.after_in else ()
        certain = [each for each in certainly_before(playbook, step) if each.waited_for]
        have = {each.uses for each in certain if each.on_failure is not OnFailure.CONTINUE and not each.when}
        if after and step.always:
            yield Flaw(
                step=step.id,
                message=f"{step.uses} must not run when what it builds on has failed",
                remedy="remove always: true",
            )
        for wanted in after:
            if wanted not in have:
                yield Flaw(
                    step=step.id,
                    message=f"{step.uses} is not safe unless {wanted} has succeeded before it",
                    remedy=f"put a step `uses: {wanted}` before it, without `when` or `on_failure: continue`",
                )


def _no_return(playbook: Playbook) -> Iterable[Flaw]:
    passed = ""
    for step in playbook.steps:
        if passed and step.on_failure is OnFailure.ROLLBACK:
            yield Flaw(
                step=step.id,
                message=f"cannot roll back: {passed} before it is the point of no return",
                remedy="write on_failure: abort, continue or ask",
            )
        if step.point_of_no_return:
            passed = step.id
        if step.uses == "promote" and not step.point_of_no_return:
            yield Flaw(
                step=step.id,
                message="a promotion cannot be taken back",
                remedy="write point_of_no_return: true",
            )


def _way_back(playbook: Playbook) -> Iterable[Flaw]:
    """A step that rolls back has a way back, and has ended before the point of no return begins."""
    decided = [
        {each.id for each in certainly_before(playbook, step)} for step in playbook.steps if step.point_of_no_return
    ]
    passed = {step.id: place for place, step in enumerate(playbook.steps)}
    last = min((passed[step.id] for step in playbook.steps if step.point_of_no_return), default=len(passed))
    for step in playbook.steps:
        if step.on_failure is not OnFailure.ROLLBACK:
            continue
        if not playbook.rollback:
            yield Flaw(
                step=step.id,
                message="cannot roll back: the playbook has no rollback",
                remedy="add `rollback:` with the steps that put the old primary back",
            )
        late = any(step.id not in before for before in decided) or (bool(decided) and not step.waited_for)
        if late and passed[step.id] < last:
            yield Flaw(
                step=step.id,
                message="may still be under way at the point of no return, and could not roll back then",
                remedy="let the point of no return need it, and wait for it; or write on_failure: abort or continue",
            )


def worst_s(steps: tuple[Step, ...]) -> float:
    """The longest that one way can take: its longest path, every try failing but the last."""
    ends_s: dict[str, float] = {}
    for place, step in enumerate(steps):
        needed = step.needs if step.needs or step.first else tuple(each.id for each in steps[:place][-1:])
        begins_s = max((ends_s.get(name, 0.0) for name in needed), default=0.0)
        ends_s[step.id] = begins_s + (step.worst_s if step.waited_for else 0.0)
    return max(ends_s.values(), default=0.0)


def _budget(playbook: Playbook) -> Iterable[Flaw]:
    needed_s = worst_s(playbook.steps) + worst_s(playbook.rollback)
    if needed_s > playbook.budget_s > 0:
        yield Flaw(
            step="",
            message=f"its worst path takes {needed_s:g} s, and its budget is {playbook.budget_s:g} s",
            remedy="shorten timeouts, retries or delays, or raise the budget",
        )
