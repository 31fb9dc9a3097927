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
    ABORT = "abort"


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
    made_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAnswer:
    """What became of a request."""

    request: str
    accepted: bool
    message: str
    run: RunId | None = None
