"""What the ledger says: intents before an operation is sent, outcomes after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from chaos.workload.operation import READ_ONLY_KINDS, Kind, OpId

if TYPE_CHECKING:
    from chaos.workload.operation import Append, RegisterCall
    from drctl.model.identity import MemberName
    from drctl.model.position import Lsn, Timeline


class OutcomeClass(StrEnum):
    """What a client may conclude."""

    ACKED = "acked"
    """Success, no warning: it must never be lost."""
    ACKED_UNSAFE = "acked-unsafe"
    """Success, with the warning that the wait for the standby was cancelled: contractually unknown."""
    FAILED = "failed"
    """Certainly not done: it must never appear."""
    UNKNOWN = "unknown"
    """Everything else, a lost connection during COMMIT above all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """The first line of a ledger: which client wrote it."""

    client: str
    run: str
    """What the client's operation ids begin with."""
    pinned: str | None
    """The member that a pinned reader asks around the router; None for a client of the service."""
    seed: int
    rate_per_s: float
    wall_s: float
    mono_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """Synced to disk before the operation is sent."""

    op: OpId
    kind: Kind
    at_ns: int
    """When the operation arrived, on the machine's monotonic clock."""
    wall_s: float
    about: str
    """What it touches, for people."""
    call: RegisterCall | Append | None
    """The call in full where an oracle has to replay it; None for the others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Served:
    """Which member served an operation, and where its WAL was then."""

    member: MemberName
    address: str
    in_recovery: bool
    timeline: Timeline | None
    """None where a standby served: it does not tell an unprivileged reader."""
    lsn: Lsn | None
    """For a write: after its rows, before its commit record. None when the member had none to tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenOperations:
    """The operations whose rows a read returned."""

    ops: tuple[OpId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenValue:
    """What a register held."""

    value: int | None
    """None: never written."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SeenLists:
    """For each step of a list-append transaction the list that it read."""

    lists: tuple[tuple[int, ...] | None, ...]
    """None for a step that appended."""


Seen = SeenOperations | SeenValue | SeenLists


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How an operation ended, as its client saw it."""

    op: OpId
    outcome: OutcomeClass
    sent_ns: int | None
    """None: refused before it was sent."""
    done_ns: int
    wall_s: float
    wrote: bool
    """Whether an acknowledged operation left something (a compare-and-set that did not match left nothing)."""
    served: Served | None
    """None when no answer arrived."""
    seen: Seen | None
    """None for writes, and where no answer arrived."""
    sqlstate: str | None
    text: str
    """The error or warning, cut short; empty when there was none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One operation of one client: what it meant to do, and what it was told."""

    client: str
    pinned: str | None
    intent: Intent
    told: Outcome | None
    """None when the client ended before it was told anything."""

    @property
    def op(self) -> OpId:
        """The operation's id."""
        return self.intent.op

    @property
    def outcome(self) -> OutcomeClass:
        """The class of the outcome; unknown when the client was told nothing."""
        return OutcomeClass.UNKNOWN if self.told is None else self.told.outcome

    @property
    def called_ns(self) -> int:
        """The earliest moment at which the operation can have taken effect."""
        if self.told is None or self.told.sent_ns is None:
            return self.intent.at_ns
        return self.told.sent_ns

    @property
    def acked(self) -> bool:
        """Whether the client was told of success without a warning."""
        return self.outcome is OutcomeClass.ACKED

    @property
    def may_write(self) -> bool:
        """Whether its operation id may be in the database, as far as its kind goes."""
        return self.intent.kind not in READ_ONLY_KINDS and (self.told is None or self.told.wrote or not self.acked)

    @property
    def acked_write(self) -> bool:
        """Whether its operation id must be on every member for ever after."""
        return self.acked and self.told is not None and self.told.wrote


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """Everything that a set of clients did."""

    headers: tuple[Header, ...]
    attempts: tuple[Attempt, ...]
    """In the order of arrival."""
