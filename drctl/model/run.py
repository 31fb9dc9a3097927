"""A run: one operation on a group, journaled so that another controller can take it over at any point."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.command import RejoinMethod
from drctl.model.evidence import Evidence
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, RunId
from drctl.model.marker import AckedMarker
from drctl.model.playbook import Playbook, RunKind
from drctl.model.rule import SyncSet


class TaskStatus(StrEnum):
    """How one effect stands."""

    STARTED = "started"
    """Its intent is journaled; it may have happened."""
    DONE = "done"
    FAILED = "failed"
    """It certainly did not happen."""
    UNKNOWN = "unknown"
    """It may have happened."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """One effect of a step: on one member, or on the record."""

    member: MemberName | None
    """None when the effect is on the record, or on nothing."""
    status: TaskStatus
    attempt: int = 1
    started_s: float
    ended_s: float | None = None
    evidence: Evidence | None = None
    error: str = ""

    @property
    def open(self) -> bool:
        """Whether its outcome is still to come."""
        return self.status is TaskStatus.STARTED


class StepStatus(StrEnum):
    """How a step stands."""

    PENDING = "pending"
    WAITING = "waiting"
    """Its turn has come, and people must agree before it begins."""
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepRecord:
    """What became of one step. Seconds are monotonic, of the controller that owns the run."""

    id: str
    status: StepStatus = StepStatus.PENDING
    tasks: tuple[Task, ...] = ()
    attempt: int = 0
    """Which try this is; 0 before the first."""
    attempt_started_s: float | None = None
    """None before the first try, and between two of them."""
    again_at_s: float | None = None
    """When it is tried, or looked at, again; None when nothing is due."""
    started_s: float | None = None
    ended_s: float | None = None
    started_utc: str = ""
    ended_utc: str = ""
    note: str = ""
    """Why it was skipped, or failed, or what it waits for; empty otherwise."""
    overruled_by: str = ""
    """Who decided that the run goes on although it failed; empty when nobody did."""

    @property
    def ended(self) -> bool:
        """Whether nothing more is to come from it."""
        return self.status in {StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED}

    @property
    def evidence(self) -> tuple[tuple[MemberName | None, Evidence], ...]:
        """What its finished tasks proved, by member."""
        return tuple(
            (task.member, task.evidence)
            for task in self.tasks
            if task.status is TaskStatus.DONE and task.evidence is not None
        )


class Outcome(StrEnum):
    """How a run ended."""

    DONE = "done"
    DEGRADED = "degraded"
    """The operation is done, with less protection than before: say so, exit 4."""
    FAILED = "failed"
    REFUSED = "refused"
    """Nothing was changed, because a rule cannot be met."""
    ROLLED_BACK = "rolled_back"
    SUPERSEDED = "superseded"
    """Another operation, with a higher epoch, took over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """What a person said about a step that waits for an approval."""

    step: str
    operator: str
    agrees: bool
    at_utc: str
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adoption:
    """A controller took the run over from one that died or lost its leadership."""

    epoch: Epoch
    owner: str
    at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One operation on one group."""

    id: RunId
    group: GroupName
    kind: RunKind
    epoch: Epoch
    """Raised again whenever another controller takes the run over."""
    owner: str
    """The incarnation of the controller that drives it, `<center>#<token>`."""
    center: CenterName
    playbook: Playbook
    reason: str
    requested_by: str
    """`policy` for what drctl decides by itself, else the operator."""
    request: str = ""
    """The id of the operator's request; empty when there is none."""
    old_primary: MemberName
    candidate: MemberName | None = None
    """The wanted heir, or the member that rejoins; None lets the rule choose."""
    sync: SyncSet | None = None
    """What the sync set is to become, where the operation is about that."""
    method: RejoinMethod = RejoinMethod.AUTO
    accept_data_loss: bool = False
    acknowledged: AckedMarker | None = None
    """The newest acknowledged marker that whoever began this run knew of the member whose history may be discarded: the old
    primary, or the one that rejoins. None when it knew none."""
    started_utc: str
    started_s: float
    ended_utc: str = ""
    ended_s: float | None = None
    outcome: Outcome | None = None
    """None while it runs."""
    note: str = ""
    adoptions: tuple[Adoption, ...] = ()
    steps: tuple[StepRecord, ...]
    rolling_back: bool = False
    votes: tuple[Vote, ...] = ()
    aborted_by: str = ""
    """Who ended the run before its end, or left it without an answer; empty when nobody did."""
    over_budget_utc: str = ""
    """When it was told that the budget was exceeded; empty before."""
    journal_version: int = -1
    """Of the znode that was read; -1 before it is stored."""

    def step(self, step_id: str) -> StepRecord:
        """The record of the step called `step_id`. Raises KeyError."""
        for record in self.steps:
            if record.id == step_id:
                return record
        raise KeyError(step_id)

    def began(self, *uses: str) -> bool:
        """Whether a step that uses one of these actions has begun, here or under an earlier owner."""
        return any(record.started_utc and self.playbook.step(record.id).uses in uses for record in self.steps)

    def evidence(self, uses: str) -> tuple[tuple[MemberName | None, Evidence], ...]:
        """What the steps that use an action proved, by member, in order."""
        return tuple(
            found for record in self.steps if self.playbook.step(record.id).uses == uses for found in record.evidence
        )
