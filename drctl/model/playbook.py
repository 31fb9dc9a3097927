"""A playbook: the steps of one kind of operation, as the file in `playbooks/` says them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class RunKind(StrEnum):
    """What kind of operation a run is."""

    FAILOVER = "failover"
    SWITCHOVER = "switchover"
    SWITCHBACK = "switchback"
    EVACUATE = "evacuate"
    """A switchover because a center is to be emptied."""
    SYNCSET = "syncset"
    REJOIN = "rejoin"
    RESTART = "restart"
    DRILL = "drill"


HANDOVERS = frozenset({RunKind.SWITCHOVER, RunKind.SWITCHBACK, RunKind.EVACUATE})
"""A healthy primary hands over to a candidate that is known before."""
MOVES = HANDOVERS | {RunKind.FAILOVER}
"""Another member is primary afterwards."""

ParamValue = str | int | float | bool | tuple[str, ...]
ANSWER_WITHIN_S = 600.0


class OnFailure(StrEnum):
    """What a failed step does to its run."""

    ABORT = "abort"
    """The run ends as failed; what it recorded stays for the next."""
    ROLLBACK = "rollback"
    """The steps under `rollback` put the old primary back. Only before the point of no return."""
    CONTINUE = "continue"
    ASK = "ask"
    """A person decides; without an answer in time the run ends, and goes back where it can."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """People who must agree before a step begins."""

    min: int
    roles: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step."""

    id: str
    uses: str
    """The action's name in the catalogue."""
    name: str = ""
    """What people read; empty means the action's own words."""
    params: Mapping[str, ParamValue] = field(default_factory=dict)
    """`with:` in the file."""
    needs: tuple[str, ...] = ()
    """Steps that must have ended first. Without it, and unless it is `first`, a step needs the one before it."""
    first: bool = False
    """Needs no step: it begins with the run, beside others that do."""
    when: str = ""
    """A condition of the catalogue, perhaps with `not` before it; empty means always."""
    timeout_s: float
    retries: int = 0
    delay_s: float = 1.0
    on_failure: OnFailure = OnFailure.ABORT
    answer_within_s: float = ANSWER_WITHIN_S
    """How long a person has to answer, where `on_failure` is `ask`."""
    approval: Approval | None = None
    point_of_no_return: bool = False
    always: bool = False
    """Runs also after a failure."""
    waited_for: bool = True
    """False: the run goes on at once, whatever becomes of this step."""

    @property
    def worst_s(self) -> float:
        """The longest that the step can take: every try but the last fails, and people answer at the last moment."""
        waits_s = self.approval.timeout_s if self.approval else 0.0
        if self.on_failure is OnFailure.ASK:
            waits_s += self.answer_within_s
        return waits_s + self.timeout_s * (self.retries + 1) + self.delay_s * self.retries


@dataclass(frozen=True, slots=True, kw_only=True)
class Playbook:
    """The steps of one kind of operation, and the time and the loss that were promised."""

    name: str
    kind: RunKind
    version: int
    digest: str
    """SHA-256 of the file, hexadecimal."""
    rto_s: float
    rpo_bytes: int
    budget_s: float
    steps: tuple[Step, ...]
    rollback: tuple[Step, ...] = ()

    def needs(self, step: Step) -> tuple[str, ...]:
        """The steps of the same way, forward or back, that must have ended before `step` begins."""
        if step.needs or step.first:
            return step.needs
        way = [each.id for each in (self.rollback if self.goes_back(step.id) else self.steps)]
        place = way.index(step.id)
        return (way[place - 1],) if place else ()

    def goes_back(self, step_id: str) -> bool:
        """Whether the step called `step_id` belongs to the way back."""
        return any(step.id == step_id for step in self.rollback)

    def step(self, step_id: str) -> Step:
        """The step called `step_id`. Raises KeyError."""
        for step in (*self.steps, *self.rollback):
            if step.id == step_id:
                return step
        raise KeyError(step_id)
