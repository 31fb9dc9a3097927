"""Where the audit chain is read: this center's files and ZooKeeper together, or files alone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain as joined
from pathlib import Path

from drctl.audit.entry import Entry, Head, parse
from drctl.audit.verify import Break, Piece, Verdict, verify, witnesses_of
from drctl.cli.invocation import Invocation
from drctl.cli.seam import bootstrap
from drctl.evidence.chain_files import chain_files, pieces
from drctl.evidence.station import CENTER_FILE, audit_directory
from drctl.model.errors import InvalidInput, Unreachable

READ_TIMEOUT_S = 5.0
AGAIN_MAX = 20
"""A file that a controller appends to at this moment is read again, so often."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """The chain as it was found."""

    local: tuple[Piece, ...] = ()
    """Of the files."""
    shared: Piece | None = None
    """What ZooKeeper keeps, as one piece; None when it was not asked."""
    heads: Mapping[str, Head] = field(default_factory=dict)
    """By who remembers them."""
    own: str = ""
    """Which of the heads is that of whose files these are; empty when it is not known."""
    notes: tuple[str, ...] = ()
    """What could not be looked at."""

    def entries(self) -> list[Entry]:
        """The events, oldest first. Raises InvalidInput when a line is none."""
        return [parse(line) for piece in self.whole() for line in piece.data.splitlines()]

    def whole(self) -> list[Piece]:
        """The files, and from ZooKeeper what is newer."""
        if self.shared is None:
            return list(self.local)
        if not self.local:
            return [self.shared]
        last = verify(self.local[-1:]).head.sequence
        newer = [line for line in self.shared.data.splitlines(keepends=True) if parse(line).sequence > last]
        return [*self.local, Piece(name=f"{self.shared.name} after event {last}", data=b"".join(newer))]

    def verdict(self) -> Verdict:
        """Whether everything that was found is one chain, and the one that everybody remembers."""
        if self.shared is None:
            return verify(self.local, witnesses=witnesses_of(self.heads))
        first = verify([self.shared])
        if not first.sound:
            # Not one line of it is used to judge the files.
            own = verify(
                self.local, witnesses=witnesses_of({self.own: self.heads[self.own]} if self.own in self.heads else {})
            )
            return _joined(own, first.breaks)
        whole = verify(self.whole(), witnesses=witnesses_of(self.heads))
        breaks: list[Break] = []
        if self.local:
            # By themselves the files must hold what this center told the others; ZooKeeper must not fill the gap.
            told = {self.own: self.heads[self.own]} if self.own in self.heads else {}
            overlap = {f"{self.shared.name} as it is now": _at_most(first, self.shared, self.local)}
            breaks += verify(self.local, witnesses=witnesses_of({**told, **overlap})).breaks
        return _joined(whole, [found for found in breaks if found not in whole.breaks])


def gather(invocation: Invocation, paths: Sequence[Path]) -> Source:
    """Read the chain: the files that are named, else ZooKeeper and this center's directory. Raises DrctlError."""
    if paths:
        return Source(local=_settled(paths))
    configuration = invocation.configuration
    directory = audit_directory(configuration.audit.directory)
    notes: list[str] = []
    shared: Piece | None = None
    heads: dict[str, Head] = {}
    try:
        # What others remember is read before the files, which can only have grown since.
        with bootstrap().coordinator_client(configuration) as client:
            told = client.chain.acknowledged(deadline_s=READ_TIMEOUT_S)
            heads = {f"center {center}": head for center, head in told.items()}
            stored = client.chain.head(deadline_s=READ_TIMEOUT_S).head
            lines = client.chain.lines(after=0, deadline_s=READ_TIMEOUT_S)
        shared = Piece(name="ZooKeeper", data=b"".join(line + b"\n" for line in lines))
        if stored is not None:
            heads["ZooKeeper's head"] = stored
    except Unreachable as error:
        notes.append(f"ZooKeeper was not asked: {error.message}")
    local: tuple[Piece, ...] = ()
    try:
        if chain_files(directory):
            local = _settled([directory])
        else:
            notes.append(f"there are no files in {directory}")
    except (OSError, InvalidInput) as error:
        notes.append(f"{directory} was not read: {error}")
    if not local and shared is None:
        raise Unreachable("; ".join(notes), remedy="name the files: drctl audit verify FILE...")
    own = _own_center(directory)
    return Source(local=local, shared=shared, heads=heads, own=f"center {own}" if own else "", notes=tuple(notes))


def _settled(paths: Sequence[Path]) -> tuple[Piece, ...]:
    found = tuple(pieces(paths))
    for _ in range(AGAIN_MAX):
        if all(piece.data.endswith(b"\n") for piece in found):
            break
        found = tuple(pieces(paths))
    return found


def _own_center(directory: Path) -> str:
    try:
        return (directory / CENTER_FILE).read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _at_most(shared: Verdict, piece: Piece, local: Sequence[Piece]) -> Head:
    """The newest head of ZooKeeper's pieces that the files can have."""
    last = verify(local[-1:]).head.sequence
    if shared.head.sequence <= last:
        return shared.head
    known = [parse(line) for line in piece.data.splitlines()]
    return next((entry.head for entry in reversed(known) if entry.sequence <= last), shared.first)


def _joined(verdict: Verdict, more: Sequence[Break]) -> Verdict:
    return Verdict(
        events=verdict.events,
        first=verdict.first,
        head=verdict.head,
        breaks=tuple(joined(verdict.breaks, more)),
        confirmed_by=verdict.confirmed_by,
    )
