"""What people said about a step that waits for them: who counts, and how many still have to agree."""

from __future__ import annotations

from drctl.model.playbook import Step
from drctl.model.run import Run, Vote


def counts(run: Run, operator: str) -> bool:
    """Whether an operator's word counts: anybody's but that of the person who asked for the run."""
    return person(operator) != person(run.requested_by)


def person(operator: str) -> str:
    """`mei@lis-1` is the same person on every host."""
    return operator.partition("@")[0]


def agreed(run: Run, step: Step) -> bool:
    """Whether enough people agreed, and nobody said no."""
    assert step.approval is not None, "nobody is asked about a step without an approval"
    return refused(run, step) is None and len(_in_favour(run, step)) >= step.approval.min


def refused(run: Run, step: Step) -> Vote | None:
    """The first no; None when nobody said it."""
    return next((vote for vote in _votes(run, step) if not vote.agrees), None)


def waiting_words(run: Run, step: Step) -> str:
    """How many have agreed, of how many."""
    assert step.approval is not None, "nobody is asked about a step without an approval"
    yes = _in_favour(run, step)
    who = f" ({', '.join(sorted(yes))})" if yes else ""
    return f"{len(yes)} of {step.approval.min} agreed{who}"


def _in_favour(run: Run, step: Step) -> set[str]:
    return {person(vote.operator) for vote in _votes(run, step) if vote.agrees}


def _votes(run: Run, step: Step) -> tuple[Vote, ...]:
    return tuple(vote for vote in run.votes if vote.step == step.id and counts(run, vote.operator))
