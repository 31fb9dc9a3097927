"""What an operator asks of the controllers, and what they answer."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.identity import GroupName, MemberName, RunId


class RequestKind(StrEnum):
    """What can be asked for."""

    SWITCHOVER = "switchover"
    FAILOVER = "failover"
    SWITCHBACK = "switchback"
    REJOIN = "rejoin"
    REINIT = "reinit"
    PAUSE = "pause"
    RESUME = "resume"
    EVACUATE = "evacuate"
    """As SWITCHOVER, because a center is to be emptied."""
    ABORT = "abort"
    """End a run before its point of no return."""
    CONTINUE = "continue"
    """Let a run go on although a step failed that asks."""
    APPROVE = "approve"
    REJECT = "reject"


ABOUT_A_RUN = frozenset({RequestKind.ABORT, RequestKind.CONTINUE, RequestKind.APPROVE, RequestKind.REJECT})
"""What is said to a run that is under way."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """A person's wish, written to the coordinator; the leader answers it once."""

    id: str
    """Given by the coordinator; empty before."""
    kind: RequestKind
    group: GroupName
    operator: str
    reason: str = ""
    candidate: MemberName | None = None
    """The wanted heir, or the member to rejoin or rebuild."""
    not_before_utc: str = ""
    """ISO 8601; empty means now."""
    accept_data_loss: bool = False
    run: RunId | None = None
    """The run that it is about; None for all that begins one."""
    step: str = ""
    """The step that it is about; empty means the one that waits."""
    made_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswer:
    """What became of a request."""

    request: str
    accepted: bool
    message: str
    run: RunId | None = None
