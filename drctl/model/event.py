"""What happened, as facts: one event feeds the log, the metrics and the timeline of a report."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, RunId
from drctl.model.playbook import RunKind
from drctl.model.report import Reachability
from drctl.model.request import RequestKind
from drctl.model.run import Outcome, StepStatus


class Severity(StrEnum):
    """How soon a person should look."""

    INFO = "info"
    WARNING = "warning"
    ALARM = "alarm"


@dataclass(frozen=True, slots=True, kw_only=True)
class ControllerStarted:
    """A controller began to watch."""

    name: ClassVar[str] = "controller_started"
    center: CenterName
    version: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadershipChanged:
    """This controller leads, or no longer does."""

    name: ClassVar[str] = "leadership_changed"
    leading: bool
    leader: CenterName | None


@dataclass(frozen=True, slots=True, kw_only=True)
class CoordinatorChanged:
    """The coordinator answers, or no longer does."""

    name: ClassVar[str] = "coordinator_changed"
    connected: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberChanged:
    """A member's database answers differently from before."""

    name: ClassVar[str] = "member_changed"
    group: GroupName
    member: MemberName
    before: Reachability | None
    after: Reachability
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decided:
    """What the decision about a group became; emitted when it changes."""

    name: ClassVar[str] = "decided"
    group: GroupName
    decision: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStarted:
    """A run began: its epoch is recorded."""

    name: ClassVar[str] = "run_started"
    group: GroupName
    run: RunId
    kind: RunKind
    epoch: Epoch
    reason: str
    actor: str = ""
    """Who asked for it: a person, or `policy`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAdopted:
    """This controller took a run over."""

    name: ClassVar[str] = "run_adopted"
    group: GroupName
    run: RunId
    epoch: Epoch


@dataclass(frozen=True, slots=True, kw_only=True)
class StepChanged:
    """A step of a run began or ended."""

    name: ClassVar[str] = "step_changed"
    group: GroupName
    run: RunId
    step: str
    status: StepStatus
    elapsed_s: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectEnded:
    """One effect on the outside world ended."""

    name: ClassVar[str] = "effect_ended"
    group: GroupName
    run: RunId
    step: str
    effect: str
    member: MemberName | None
    elapsed_s: float
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    """A run ended."""

    name: ClassVar[str] = "run_ended"
    group: GroupName
    run: RunId
    kind: RunKind
    outcome: Outcome
    elapsed_s: float
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestSeen:
    """The leader read a person's request for the first time; a new leader reads again what is open."""

    name: ClassVar[str] = "request_seen"
    group: GroupName
    request: str
    kind: RequestKind
    actor: str
    signed_by: str
    """The fingerprint of the key; empty when the request is not signed."""
    reason: str
    candidate: MemberName | None
    not_before_utc: str
    accept_data_loss: bool
    run: RunId | None
    step: str
    made_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswered:
    """What the leader made of a person's request: an approval, an override or an operation, taken or refused."""

    name: ClassVar[str] = "request_answered"
    group: GroupName
    request: str
    kind: RequestKind
    actor: str
    accepted: bool
    reason: str
    accept_data_loss: bool
    run: RunId | None
    step: str
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigurationChanged:
    """A controller began with another configuration than the last time."""

    name: ClassVar[str] = "configuration_changed"
    center: CenterName
    digest_before: str
    """Empty when none is known."""
    digest: str
    changes: tuple[str, ...]
    """`key: before -> after`; secrets are references, never values."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotificationEnded:
    """A message to people was handed over, or given up."""

    name: ClassVar[str] = "notification_ended"
    channel: str
    delivered: bool
    tries: int
    title: str
    error: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    """Something that a person should know; `remedy` is what to do."""

    name: ClassVar[str] = "alarm"
    group: GroupName | None
    severity: Severity
    code: str
    message: str
    remedy: str = ""


Event = (
    ControllerStarted
    | LeadershipChanged
    | CoordinatorChanged
    | MemberChanged
    | Decided
    | RunStarted
    | RunAdopted
    | StepChanged
    | EffectEnded
    | RunEnded
    | RequestSeen
    | RequestAnswered
    | ConfigurationChanged
    | NotificationEnded
    | Alarm
)
