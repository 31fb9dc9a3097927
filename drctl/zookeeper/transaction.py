"""What can be written in one transaction, and what is known of it afterwards."""

from __future__ import annotations

import threading
from dataclasses import dataclass
from enum import Enum
from typing import TYPE_CHECKING

from kazoo.exceptions import (
    BadVersionError,
    ConnectionDropped,
    NoAuthError,
    NodeExistsError,
    NoNodeError,
    NotEmptyError,
    RolledBackError,
    RuntimeInconsistency,
)
from kazoo.protocol.serialization import CheckVersion

from drctl.model.errors import EffectUnknown

if TYPE_CHECKING:
    from collections.abc import Sequence

    from kazoo.protocol.states import ZnodeStat

ANY_VERSION = -1


@dataclass(frozen=True, slots=True, kw_only=True)
class Create:
    """Make a node. A sequential one gets a number appended."""

    path: str
    data: bytes = b""
    ephemeral: bool = False
    sequential: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """Replace a node's data."""

    path: str
    data: bytes
    version: int = ANY_VERSION


@dataclass(frozen=True, slots=True, kw_only=True)
class Delete:
    """Remove a node."""

    path: str
    version: int = ANY_VERSION


Write = Create | Replace | Delete


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What a transaction depends on: it fails as a whole unless the node is there with that version."""

    path: str
    version: int = ANY_VERSION


UNGUARDED = Check(path="/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Written:
    """What one write left."""

    path: str
    """With its number, for a sequential node."""
    version: int | None = None
    """Of the replaced node; None for others."""


class Refusal(Enum):
    """Why a transaction was refused."""

    MISSING = "there is no such node"
    EXISTS = "the node exists"
    VERSION = "the node has changed"
    NOT_EMPTY = "the node has children"
    DENIED = "the node's access control list forbids it"
    OTHER = "for another reason"


GUARD = -1
"""The index of the guard in a RejectedError; the writes count from 0."""


class RejectedError(Exception):
    """A transaction was refused as a whole. Never leaves this package."""

    def __init__(self, index: int, refusal: Refusal, path: str) -> None:
        super().__init__(f"{path}: {refusal.value}")
        self.index = index
        self.refusal = refusal
        self.path = path

    @property
    def deposed(self) -> bool:
        """Whether the guard is gone."""
        return self.index == GUARD and self.refusal in {Refusal.MISSING, Refusal.VERSION}


class Guard:
    """The first operation of a transaction: a check that also knows whether the request was ever put into bytes."""

    type = CheckVersion.type

    def __init__(self, check: Check) -> None:
        self._check = CheckVersion(check.path, check.version)
        self._lock = threading.Lock()
        self._sent = False
        self._withdrawn = False

    def serialize(self) -> bytes:
        """Called by kazoo's thread at the moment of sending."""
        with self._lock:
            if self._withdrawn:
                # It cannot be taken out of kazoo's queue. A dropped connection empties the queue and costs no session.
                raise ConnectionDropped("a request that nobody waits for any more")
            self._sent = True
        return bytes(self._check.serialize())

    def withdraw(self) -> bool:
        """Whether it was never sent, and never will be."""
        with self._lock:
            if not self._sent:
                self._withdrawn = True
            return self._withdrawn


def written(guard: Check, writes: Sequence[Write], results: Sequence[object]) -> tuple[Written, ...]:
    """What the servers answered. Raises RejectedError."""
    paths = (guard.path, *(write.path for write in writes))
    for index, (path, result) in enumerate(zip(paths, results, strict=False)):
        # The operations before the one that failed are reported as rolled back, those after it as not tried.
        if isinstance(result, Exception) and not isinstance(result, RolledBackError | RuntimeInconsistency):
            raise RejectedError(index - 1, refusal(result), path)
    if len(results) != len(paths) or any(isinstance(result, Exception) for result in results):
        raise EffectUnknown(f"ZooKeeper's answer to a transaction on {writes[0].path} makes no sense: {results!r}")
    return tuple(_written(write, result) for write, result in zip(writes, results[1:], strict=True))


def refusal(error: Exception) -> Refusal:
    """The reason in our words."""
    match error:
        case NoNodeError():
            return Refusal.MISSING
        case NodeExistsError():
            return Refusal.EXISTS
        case BadVersionError():
            return Refusal.VERSION
        case NotEmptyError():
            return Refusal.NOT_EMPTY
        case NoAuthError():
            return Refusal.DENIED
        case _:
            return Refusal.OTHER


def _written(write: Write, result: ZnodeStat) -> Written:
    match write:
        case Create():
            return Written(path=str(result))
        case Replace():
            return Written(path=write.path, version=int(result.version))
        case Delete():
            return Written(path=write.path)
