"""What is wrong with a playbook, and the one thing that all checks ask: what has certainly ended before a step begins."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.model.playbook import Playbook, Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Flaw:
    """What is wrong with one step, or with the whole."""

    step: str
    """Empty for the whole playbook."""
    message: str
    remedy: str


def certainly_before(playbook: Playbook, step: Step) -> tuple[Step, ...]:
    """The steps of its way that have certainly ended when `step` begins, in the order of the file."""
    way = playbook.rollback if playbook.goes_back(step.id) else playbook.steps
    by_id = {each.id: each for each in way}
    found: set[str] = set()
    waiting = [step.id]
    while waiting:
        for name in playbook.needs(by_id[waiting.pop()]):
            if name in by_id and name not in found:
                found.add(name)
                waiting.append(name)
    return tuple(each for each in way if each.id in found)
