"""What a decision may be. A verdict never touches a database: at most it begins a run."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.identity import MemberName
from drctl.model.playbook import RunKind
from drctl.model.request import Request
from drctl.model.rule import SyncSet


class Why(StrEnum):
    """Why nothing is done."""

    HEALTHY = "healthy"
    NO_COORDINATOR = "no_coordinator"
    NOT_LEADING = "not_leading"
    NOT_INITIALISED = "not_initialised"
    PAUSED = "paused"
    RUNNING = "running"
    SUSPECT = "suspect"
    WAITING = "waiting"
    """A try failed; the next one waits."""
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Stay:
    """Do nothing."""

    why: Why
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Begin:
    """Begin a run, with a higher epoch; a run that is under way is superseded."""

    kind: RunKind
    reason: str
    candidate: MemberName | None = None
    """The wanted heir, or the member that rejoins."""
    sync: SyncSet | None = None
    """What the sync set is to become, where the run is about that."""
    request: Request | None = None
    """The operator's wish that this fulfils; None when the policy decides."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Adopt:
    """Take over the run of a controller that no longer drives it."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Hear:
    """Let the run that is under way hear what a person says to it."""

    request: Request


@dataclass(frozen=True, slots=True, kw_only=True)
class Refuse:
    """Answer an operator's request with no."""

    request: Request
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Pause:
    """Do what an operator asked about automatic operations: pause or resume them."""

    request: Request
    paused: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """A person is needed: the rules, or the policy, forbid going on."""

    reason: str
    remedy: str
    missing: tuple[MemberName, ...] = ()
    """Members whose return would settle it."""


Decision = Stay | Begin | Adopt | Hear | Refuse | Pause | Ask
