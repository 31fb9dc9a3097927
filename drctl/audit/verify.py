"""Whether a chain is what was written: every link is computed again, and what fails is named with its bytes."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from drctl.audit.entry import GENESIS, Head, digest_of
from drctl.model.errors import InvalidInput

BREAKS_MAX = 20
"""So many are named; a file that is no chain at all would name one a line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """Some lines of a chain, from one place."""

    name: str
    """A file, or a node."""
    data: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Break:
    """A place where a chain is not what was written."""

    piece: str
    start_byte: int
    end_byte: int
    """The byte after the last one."""
    sequence: int | None
    """Of the event there; None when it cannot be told."""
    why: str

    def __str__(self) -> str:
        where = f"{self.piece}: bytes {self.start_byte} to {self.end_byte}"
        return f"{where}, event {self.sequence}: {self.why}" if self.sequence is not None else f"{where}: {self.why}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Witness:
    """A head that somebody else remembers."""

    who: str
    head: Head


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a verification found."""

    events: int
    first: Head
    """What the first event follows: GENESIS when the chain is whole from its beginning."""
    head: Head
    breaks: tuple[Break, ...] = ()
    confirmed_by: tuple[str, ...] = ()
    """Whose remembered heads were found in the chain, as they remember them."""

    @property
    def sound(self) -> bool:
        """Whether nothing was found."""
        return not self.breaks


class _Walk:
    """A walk along a chain, line by line."""

    def __init__(self, after: Head | None, witnesses: Iterable[Witness]) -> None:
        self.first = after
        self.head = after or GENESIS
        self.events = 0
        self.breaks: list[Break] = []
        self.awaited: dict[int, list[Witness]] = {}
        for witness in witnesses:
            self.awaited.setdefault(witness.head.sequence, []).append(witness)
        self.confirmed: list[str] = []

    def line(self, piece: str, start: int, end: int, line: bytes) -> None:
        self.events += 1
        place = Break(piece=piece, start_byte=start, end_byte=end, sequence=None, why="")
        try:
            stated, real = digest_of(line)
            told = json.loads(line)
            sequence, previous = told["sequence"], told["previous"]
        except (InvalidInput, ValueError, KeyError, TypeError) as error:
            why = error.message if isinstance(error, InvalidInput) else f"it is not the JSON of an event ({error})"
            # What stands here is lost; the next line is held to its place, not to what this one might have said.
            self.fail(replace(place, why=why))
            self.head = Head(sequence=self.head.sequence + 1, digest="")
            return
        place = replace(place, sequence=sequence if isinstance(sequence, int) else None)
        if stated != real:
            self.fail(replace(place, why=f"its content does not match its digest {stated[:16]}…"))
        if not isinstance(sequence, int) or isinstance(sequence, bool):
            self.fail(replace(place, why="it has no number"))
            sequence = self.head.sequence + 1
        self.follow(place, sequence, str(previous))
        self.head = Head(sequence=sequence, digest=stated)
        self.meet(place)

    def follow(self, place: Break, sequence: int, previous: str) -> None:
        """Hold an event to the one before it."""
        if self.first is None:
            # A copy may begin later than the chain: the oldest files can be kept elsewhere.
            self.first = GENESIS if sequence == 1 else Head(sequence=sequence - 1, digest=previous)
            self.head = self.first
        before = self.head
        if sequence != before.sequence + 1:
            missing = f"events {before.sequence + 1} to {sequence - 1} are missing before it"
            again = f"it comes after event {before.sequence}: something was put in, repeated or moved"
            self.fail(replace(place, why=missing if sequence > before.sequence else again))
        elif before.digest and previous != before.digest:
            self.fail(replace(place, why=f"it does not follow event {before.sequence} as it stands: one was replaced"))

    def meet(self, place: Break) -> None:
        """Hold an event to what others remember of it."""
        for witness in self.awaited.pop(self.head.sequence, ()):
            if witness.head.digest == self.head.digest:
                self.confirmed.append(witness.who)
            else:
                self.fail(replace(place, why=f"{witness.who} remembers another event with this number"))

    def finish(self, piece: str, end: int) -> None:
        """Name what others remember and is not there."""
        first = self.first or GENESIS
        for sequence, witnesses in sorted(self.awaited.items()):
            for witness in witnesses:
                if sequence == first.sequence:
                    self.confirmed.append(witness.who)
                elif sequence > self.head.sequence:
                    why = f"the chain ends at event {self.head.sequence}, {witness.who} remembers {sequence}: its end was cut"
                    self.fail(Break(piece=piece, start_byte=end, end_byte=end, sequence=None, why=why))

    def fail(self, found: Break) -> None:
        if len(self.breaks) < BREAKS_MAX:
            self.breaks.append(found)


def verify(pieces: Iterable[Piece], *, after: Head | None = None, witnesses: Iterable[Witness] = ()) -> Verdict:
    """Walk along the pieces, in the order of the chain. With `after` they must follow that head, and not begin anywhere.

    Any change of any byte is named: an event's digest is of all its other bytes, and the next event holds that digest.
    Who rewrites everything from some event on changes the head, which the `witnesses` remember.
    """
    walk = _Walk(after, witnesses)
    name, end = "", 0
    for piece in pieces:
        name, end = piece.name, len(piece.data)
        start = 0
        while start < len(piece.data):
            stop = piece.data.find(b"\n", start)
            if stop < 0:
                cut = Break(
                    piece=name, start_byte=start, end_byte=end, sequence=None, why="the line has no end: it was cut"
                )
                walk.fail(cut)
                break
            walk.line(name, start, stop + 1, piece.data[start:stop])
            start = stop + 1
    walk.finish(name, end)
    return Verdict(
        events=walk.events,
        first=walk.first or GENESIS,
        head=walk.head,
        breaks=tuple(walk.breaks),
        confirmed_by=tuple(walk.confirmed),
    )


def witnesses_of(heads: Mapping[str, Head]) -> tuple[Witness, ...]:
    """By who remembers them; an empty chain is nothing to remember."""
    return tuple(Witness(who=who, head=head) for who, head in heads.items() if head.sequence > 0)
