"""What a host may be told to do. Each is idempotent: asked twice, the host finds the work done and says so."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import ClassVar

from drctl.model.identity import MemberName, RunId
from drctl.model.position import NO_TIMELINE, Timeline
from drctl.model.rule import SyncSet
from drctl.model.topology import Pool


class StopMode(StrEnum):
    """How a postmaster is stopped. Never smart: that waits for the last session for ever."""

    FAST = "fast"
    IMMEDIATE = "immediate"


class IfPrimary(StrEnum):
    """What sealing does when the member turns out to be a primary."""

    REPORT = "report"
    """Change nothing and say so: it may be the heir of an interrupted run."""
    FENCE = "fence"
    """Stop it: a primary is sealed when its postmaster and every backend are gone."""


class RejoinMethod(StrEnum):
    """How a member's data is brought back onto the primary's history."""

    AUTO = "auto"
    """Rewind; a base backup when that cannot work."""
    REWIND = "rewind"
    BASEBACKUP = "basebackup"


@dataclass(frozen=True, slots=True, kw_only=True)
class Seal:
    """Take no further part in any acknowledged commit, and say how far the WAL goes."""

    name: ClassVar[str] = "seal"
    if_primary: IfPrimary = IfPrimary.REPORT


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """Stop at once, and stay down across a reboot."""

    name: ClassVar[str] = "fence"
    mode: StopMode = StopMode.IMMEDIATE


@dataclass(frozen=True, slots=True, kw_only=True)
class Stop:
    """Stop cleanly and say where the WAL ends. Waiting commits stay unacknowledged."""

    name: ClassVar[str] = "stop"
    mode: StopMode = StopMode.FAST


@dataclass(frozen=True, slots=True, kw_only=True)
class Start:
    """Start as it is: a primary as a primary, a standby as a standby."""

    name: ClassVar[str] = "start"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetSync:
    """Set `synchronous_standby_names` on a primary."""

    name: ClassVar[str] = "set_sync"
    sync: SyncSet


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """Set the new sync set, then make a sealed standby the primary."""

    name: ClassVar[str] = "promote"
    sync: SyncSet
    timeline: Timeline = NO_TIMELINE
    """The lowest number that its new timeline may bear; 0 leaves it to PostgreSQL, which knows only its own history."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Follow:
    """Stream from `upstream`; started as a standby first where it is down."""

    name: ClassVar[str] = "follow"
    upstream: MemberName


@dataclass(frozen=True, slots=True, kw_only=True)
class Checkpoint:
    """Write a checkpoint."""

    name: ClassVar[str] = "checkpoint"


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejoin:
    """Keep the WAL after the fork, list its commits, rewind or copy anew, start as a standby of `upstream`."""

    name: ClassVar[str] = "rejoin"
    upstream: MemberName
    method: RejoinMethod = RejoinMethod.AUTO


@dataclass(frozen=True, slots=True, kw_only=True)
class RunAllowed:
    """Run a command that the host's own list allows, by its name there."""

    name: ClassVar[str] = "command"
    allowed: str
    run: RunId
    step: str


HostCommand = Seal | Fence | Stop | Start | SetSync | Promote | Follow | Checkpoint | Rejoin | RunAllowed


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    """A statement for a member's database, in a transaction that can only read."""

    text: str
    database: str = ""
    """Empty means the one that drctl looks at."""


class PoolWord(StrEnum):
    """What a PgBouncer is told."""

    PAUSE = "pause"
    """Let transactions end, give up the server's connections, and keep clients waiting."""
    RESUME = "resume"
    """Serve them again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TellPools:
    """A word to every PgBouncer of a group, at the same time."""

    word: PoolWord
    pools: tuple[Pool, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class WebRequest:
    """A request to a server outside."""

    method: str
    url: str
    body: str = ""
    content_type: str = ""
    """Empty means that of JSON, where there is a body."""
    headers: tuple[tuple[str, str], ...] = ()
    """Beside those that every request has."""
