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
    SYNCSET = "syncset"
    REJOIN = "rejoin"
    RESTART = "restart"
    DRILL = "drill"


class OnFailure(StrEnum):
    """What a failed step does to its run."""

    ABORT = "abort"
    """The run ends as failed; what it recorded stays for the next."""
    ROLLBACK = "rollback"
    """The steps under `rollback` put the old primary back. Only before the point of no return."""
    CONTINUE = "continue"
    ASK = "ask"
    """A person decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """People who must agree before a step begins."""

    min: int
    roles: tuple[str, ...]
    timeout_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step. Its worst duration is `timeout_s * (retries + 1) + delay_s * retries`."""

    id: str
    uses: str
    """The action's name in the catalogue."""
    name: str = ""
    """What people read; empty means the action's own words."""
    params: Mapping[str, str | int | float | bool | tuple[str, ...]] = field(default_factory=dict)
    """`with:` in the file."""
    needs: tuple[str, ...] = ()
    """Steps that must have ended first. Without it a step needs the one before it."""
    when: str = ""
    """A condition of the catalogue; empty means always."""
    timeout_s: float
    retries: int = 0
    delay_s: float = 1.0
    on_failure: OnFailure = OnFailure.ABORT
    approval: Approval | None = None
    point_of_no_return: bool = False
    always: bool = False
    """Runs also after a failure."""
    waited_for: bool = True
    """False: the run goes on at once, whatever becomes of this step."""

    @property
    def worst_s(self) -> float:
        """The longest that the step can take."""
        waits_s = self.approval.timeout_s if self.approval else 0.0
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

    def step(self, step_id: str) -> Step:
        """The step called `step_id`. Raises KeyError."""
        for step in (*self.steps, *self.rollback):
            if step.id == step_id:
                return step
        raise KeyError(step_id)
