"""The audit chain in ZooKeeper: pieces of bounded size, and a head that is only replaced by who has seen it."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass, field
from itertools import pairwise
from typing import TYPE_CHECKING

from drctl.audit.entry import Head, parse
from drctl.model.errors import EffectRefused, InvalidInput, StaleEpoch
from drctl.model.identity import CenterName
from drctl.ports import StoredHead
from drctl.zookeeper.transaction import (
    UNGUARDED,
    Create,
    Delete,
    Refusal,
    RejectedError,
    Replace,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drctl.audit.entry import Entry
    from drctl.zookeeper.paths import Paths
    from drctl.zookeeper.session import Session

PIECE_BYTES_MAX = 32 * 1024
PIECES_KEPT = 64
"""Two megabytes: some five thousand events. Older ones go as soon as every center has them on its disk."""
PIECES_MAX = 512
"""And then also when one has not: ZooKeeper keeps everything in memory."""
_DIGITS = 12


@dataclass(slots=True, kw_only=True)
class AuditNodes:
    """ChainStore over ZooKeeper. Any controller appends, whether or not it leads: what counts is to have seen the head."""

    session: Session
    paths: Paths
    centers: Sequence[CenterName]
    now_s: Callable[[], float]
    _piece: tuple[str, int, bytes] = field(default=("", -1, b""))
    """The newest piece as this process wrote it, with the version of the head at that time."""

    def head(self, *, deadline_s: float) -> StoredHead:
        """See ChainStore."""
        end_s = self.now_s() + deadline_s
        synced = self.session.sync(self.paths.audit)
        asked = self.session.peek(self.paths.audit)
        synced.take(end_s - self.now_s())
        node = asked.take(end_s - self.now_s())
        if node is None:
            raise EffectRefused(f"{self.paths.audit} is not there yet", remedy="a controller makes it when it starts")
        if not node.data:
            return StoredHead(head=None, version=node.version, piece=0)
        return _decode(node.data, node.version, self.paths.audit)

    def lines(self, *, after: int, deadline_s: float) -> tuple[bytes, ...]:
        """See ChainStore."""
        end_s = self.now_s() + deadline_s
        names = sorted(self.session.peek_children(self.paths.audit_pieces).take(end_s - self.now_s()) or ())
        # The piece that begins last at or before the first wanted event, and all later ones.
        start = max((at for at, name in enumerate(names) if int(name) <= after + 1), default=0)
        asked = [self.session.peek(f"{self.paths.audit_pieces}/{name}") for name in names[start:]]
        found = [reply.take(end_s - self.now_s()) for reply in asked]
        lines = [line for node in found if node is not None for line in node.data.splitlines()]
        return tuple(line for line in lines if _number(line) > after)

    def append(self, stored: StoredHead, entries: Sequence[Entry], *, deadline_s: float) -> StoredHead:
        """See ChainStore."""
        end_s = self.now_s() + deadline_s
        assert entries, "something to append"
        data = b"".join(entry.line + b"\n" for entry in entries)
        name, before = self._newest(stored, end_s)
        writes: list[Write] = []
        if before is not None and len(before) + len(data) <= PIECE_BYTES_MAX:
            piece, data = stored.piece, before + data
            writes.append(Replace(path=name, data=data))
        else:
            piece = entries[0].sequence
            name = self._path(piece)
            writes += [Create(path=name, data=data), *self._surplus(end_s)]
        head = StoredHead(head=entries[-1].head, version=stored.version + 1, piece=piece)
        writes.insert(0, Replace(path=self.paths.audit, data=_encode(head), version=stored.version))
        self._commit(writes, end_s)
        self._piece = (name, head.version, data)
        return head

    def acknowledge(self, center: CenterName, head: Head, *, deadline_s: float) -> None:
        """See ChainStore."""
        path, end_s = self.paths.audit_center(center), self.now_s() + deadline_s
        data = json.dumps({"sequence": head.sequence, "digest": head.digest}).encode()
        try:
            self.session.commit(UNGUARDED, [Replace(path=path, data=data)], deadline_s=end_s - self.now_s())
        except RejectedError as error:
            if error.refusal is not Refusal.MISSING:
                raise _refused(error) from error
            self._commit([Create(path=path, data=data)], end_s)

    def acknowledged(self, *, deadline_s: float) -> Mapping[CenterName, Head]:
        """See ChainStore."""
        end_s = self.now_s() + deadline_s
        asked = {center: self.session.peek(self.paths.audit_center(center)) for center in self.centers}
        found = {center: reply.take(end_s - self.now_s()) for center, reply in asked.items()}
        heads: dict[CenterName, Head] = {}
        for center, node in found.items():
            if node is not None:
                stored = _decode(node.data, node.version, self.paths.audit_center(center)).head
                assert stored is not None, "a head was decoded"
                heads[center] = stored
        return heads

    def _newest(self, stored: StoredHead, end_s: float) -> tuple[str, bytes | None]:
        """The newest piece, with what is in it; None when there is none."""
        name, version, data = self._piece
        if version == stored.version:
            return name, data
        name = self._path(stored.piece)
        # What stands there may be newer than the head; then the transaction is refused for the head's version.
        node = self.session.peek(name).take(end_s - self.now_s())
        return name, None if node is None else node.data

    def _surplus(self, end_s: float) -> list[Write]:
        """The pieces that need not be kept any longer."""
        names = sorted(self.session.peek_children(self.paths.audit_pieces).take(end_s - self.now_s()) or ())
        heads = self.acknowledged(deadline_s=end_s - self.now_s())
        everywhere = min((heads[center].sequence if center in heads else 0 for center in self.centers), default=0)
        removable = max(0, len(names) - PIECES_KEPT)
        writes: list[Write] = []
        for at, (name, following) in enumerate(pairwise(names)):
            if at < removable and (int(following) - 1 <= everywhere or len(names) - at > PIECES_MAX):
                writes.append(Delete(path=f"{self.paths.audit_pieces}/{name}"))
        return writes[:16]

    def _commit(self, writes: Sequence[Write], end_s: float) -> None:
        try:
            self.session.commit(UNGUARDED, writes, deadline_s=end_s - self.now_s())
        except RejectedError as error:
            if error.refusal in {Refusal.VERSION, Refusal.EXISTS, Refusal.MISSING}:
                raise StaleEpoch(f"{error.path} has changed: another controller appended to the chain") from error
            raise _refused(error) from error

    def _path(self, piece: int) -> str:
        return f"{self.paths.audit_pieces}/{piece:0{_DIGITS}d}"


def _number(line: bytes) -> float:
    try:
        return parse(line).sequence
    except InvalidInput:
        # Whoever reads it finds out what is wrong with it.
        return math.inf


def _encode(stored: StoredHead) -> bytes:
    assert stored.head is not None, "a head that is written is one"
    return json.dumps({"sequence": stored.head.sequence, "digest": stored.head.digest, "piece": stored.piece}).encode()


def _decode(data: bytes, version: int, path: str) -> StoredHead:
    try:
        told = json.loads(data)
        head = Head(sequence=int(told["sequence"]), digest=str(told["digest"]))
        return StoredHead(head=head, version=version, piece=int(told.get("piece", 0)))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(
            f"ZooKeeper node {path} is not a readable head of a chain: {error}",
            remedy=f"look at it with: zkCli.sh get {path}",
        ) from error


def _refused(error: RejectedError) -> EffectRefused:
    return EffectRefused(f"ZooKeeper refuses to change {error.path} ({error.refusal.value})")
