"""What an action left behind as proof that it happened."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import Literal

from drctl.model.identity import MemberName
from drctl.model.position import Lsn, Position
from drctl.model.rule import Rule


class SealedRole(StrEnum):
    """What a member was when it was asked to seal."""

    STANDBY = "standby"
    PRIMARY = "primary"
    """It is a primary. Sealed only when `Sealed.sealed` says so: see `IfPrimary`."""
    DOWN = "down"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealed:
    """A member's answer to `seal`: its position was read after its receiver, or its last process, was gone."""

    kind: Literal["sealed"] = "sealed"
    role: SealedRole
    sealed: bool
    """False only for a primary that was left alone (`IfPrimary.REPORT`)."""
    position: Position | None
    """None when a member that is down does not tell how far its WAL goes; it cannot be an heir."""
    replayed: Lsn | None = None
    replay_complete: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Fenced:
    """The postmaster and every backend are gone, and the host keeps it down."""

    kind: Literal["fenced"] = "fenced"
    position: Position | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Stopped:
    """A clean stop: where the shutdown checkpoint ends."""

    kind: Literal["stopped"] = "stopped"
    final: Position
    clean: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    """The postmaster accepts connections."""

    kind: Literal["started"] = "started"
    in_recovery: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Chosen:
    """The heir, out of which sealed members, and the rule that it brings."""

    kind: Literal["chosen"] = "chosen"
    heir: MemberName
    rule: Rule
    sealed: tuple[tuple[MemberName, Position], ...]
    satisfied: tuple[Rule, ...]
    """The rules that the sealed set satisfied."""
    lost_possible: bool = False
    """True when a person accepted that acknowledged commits may be missing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """The record holds the rules."""

    kind: Literal["recorded"] = "recorded"
    version: int
    rules: tuple[Rule, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Promoted:
    """The heir accepts writes."""

    kind: Literal["promoted"] = "promoted"
    position: Position
    already: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Following:
    """A member was told whom to follow."""

    kind: Literal["following"] = "following"
    upstream: MemberName
    streaming: bool
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncChanged:
    """Every process of the primary has been told the new `synchronous_standby_names`."""

    kind: Literal["sync_changed"] = "sync_changed"
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerAcked:
    """A marker commit was acknowledged by the sync set, without a warning."""

    kind: Literal["marker_acked"] = "marker_acked"
    sequence: int
    position: Position
    elapsed_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class DiscardedCommit:
    """A commit on a fork that no acknowledged history has."""

    xid: int
    lsn: Lsn
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoined:
    """How a rejoin stands. `state` is running until it is done or failed."""

    kind: Literal["rejoined"] = "rejoined"
    state: Literal["running", "done", "failed"]
    phase: str
    method: str = ""
    progress: str = ""
    fork: Position | None = None
    """Where the member's history leaves the primary's; None when it never did."""
    end: Position | None = None
    """How far the discarded history went."""
    kept_in: str = ""
    """The folder on the host where the discarded WAL is kept."""
    commits: int = 0
    discarded: tuple[DiscardedCommit, ...] = ()
    """The first of them; the count is complete, the list is bounded."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRan:
    """A command that the host's list allows ended by itself."""

    kind: Literal["command_ran"] = "command_ran"
    command: str
    """Its name in the list."""
    code: int
    output: str
    """The end of what it said; bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Queried:
    """A read-only statement was answered."""

    kind: Literal["queried"] = "queried"
    value: str | None
    """The first column of the first row as text; None when it is null, or when there is no row. Bounded."""
    rows: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HttpAnswered:
    """A server outside answered a request."""

    kind: Literal["http_answered"] = "http_answered"
    status: int
    body: str
    """Its beginning; bounded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolsTold:
    """What became of a word to PgBouncers."""

    kind: Literal["pools_told"] = "pools_told"
    word: str
    done: tuple[str, ...]
    """Pools that did it."""
    unsure: tuple[str, ...] = ()
    """Pools that may have done it, or may do it yet, and why that is not known."""
    away: tuple[str, ...] = ()
    """Pools that certainly did not, and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A check passed, or a step had nothing to do, and why."""

    kind: Literal["checked"] = "checked"
    detail: str


Evidence = (
    Sealed
    | Fenced
    | Stopped
    | Started
    | Chosen
    | Recorded
    | Promoted
    | Following
    | SyncChanged
    | MarkerAcked
    | Rejoined
    | CommandRan
    | Queried
    | HttpAnswered
    | PoolsTold
    | Checked
)

TEXT_LENGTH_MAX = 1000
"""Of what a hospital's own step leaves behind: enough for a person, and for the journal."""
