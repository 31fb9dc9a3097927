"""The middle of an operation, where it must neither wait for people nor stop: from the first seal or stop to the commit."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from drctl.model.playbook import OnFailure, Playbook, Step
from drctl.playbook.catalogue import CATALOGUE
from drctl.playbook.flaw import Flaw, certainly_before

_TAKES = frozenset({"stop", "seal", "record"})
"""With the first of these the middle begins: from here service may be away, or two rules stand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Middle:
    """Where a playbook's steps lie."""

    opens: frozenset[str]
    """The steps that the middle begins with."""
    inside: frozenset[str]
    """Steps that may be under way in it, those that open it included."""
    late: frozenset[str]
    """Of these, the ones that may be under way once the promotion has begun, and are not that."""
    stopped: frozenset[str]
    """And the ones that may be under way while the old primary is stopped and nobody is promoted."""


def middle_of(playbook: Playbook) -> Middle:
    """Where the middle of `playbook` is."""
    steps = playbook.steps
    before = {step.id: {each.id for each in certainly_before(playbook, step)} for step in steps}
    takers = [step.id for step in steps if step.uses in _TAKES]
    opens = frozenset(name for name in takers if not before[name] & set(takers))
    commits = {step.id for step in steps if step.uses == "commit"}
    promotions = [step.id for step in steps if step.point_of_no_return]
    stops = [step.id for step in steps if step.uses == "stop"]

    def ended_before(step: Step, all_of: Iterable[str]) -> bool:
        return all(step.id in before[name] for name in all_of) and step.waited_for

    past = {step.id for step in steps if commits & before[step.id]}
    inside = frozenset(step.id for step in steps if opens and step.id not in past and not ended_before(step, takers))
    late = frozenset(
        step.id
        for step in steps
        if promotions and step.id not in past and step.id not in promotions and not ended_before(step, promotions)
    )
    stopped = frozenset(
        step.id
        for step in steps
        if stops
        and promotions
        and not ended_before(step, stops)
        and not any(name in before[step.id] or name == step.id for name in promotions)
    )
    return Middle(opens=opens, inside=inside, late=late, stopped=stopped)


def flaws_in_the_middle(playbook: Playbook) -> Iterable[Flaw]:
    """Steps that would hold up, or end, an operation where that hurts."""
    middle = middle_of(playbook)
    for step in playbook.steps:
        own = CATALOGUE[step.uses].own
        if step.approval is not None and step.id in middle.inside and step.id not in middle.opens:
            yield Flaw(
                step=step.id,
                message="nobody may be waited for here: service is away, or two rules stand",
                remedy=f"let people agree before {_names(middle.opens)} begins",
            )
        if step.on_failure is OnFailure.ASK and step.id in middle.inside:
            yield Flaw(
                step=step.id,
                message="nobody may be asked here: service is away, or two rules stand",
                remedy="write on_failure: continue, or rollback before the promotion",
            )
        if own and step.id in middle.late and step.on_failure is not OnFailure.CONTINUE:
            yield Flaw(
                step=step.id,
                message="after the promotion nothing but the protocol itself may stop the run",
                remedy="write on_failure: continue, or let it need the commit",
            )
        elif step.id in middle.stopped and step.on_failure is OnFailure.ABORT:
            yield Flaw(
                step=step.id,
                message="the old primary may be stopped here, and an abort would leave it so",
                remedy="write on_failure: rollback",
            )


def _names(steps: frozenset[str]) -> str:
    return " or ".join(sorted(steps))
