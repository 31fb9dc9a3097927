"""One event of the chain, and the line that it is kept as: canonical JSON (RFC 8785) with its own digest in it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import cast

import rfc8785

from drctl.model.errors import InvalidInput
from drctl.model.identity import CenterName, GroupName, RunId

FORMAT = 1
DIGEST_KEY = b'"digest":"'
DIGEST_LENGTH = 64
WORDS_MAX = 1000
"""Of one text in an event. What is longer is cut, and says so."""
ITEMS_MAX = 50
"""Of one list in an event."""

Fact = str | int | float | bool | list[str] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """What happened, before it has its place in the chain."""

    id: str
    """Unique: an event that is appended twice by mistake is found by it."""
    at_utc: str
    center: CenterName
    """Whose controller says so."""
    event: str
    """Its kind, as `drctl.model.event` names it."""
    actor: str
    """A person, `policy`, or a controller."""
    reason: str = ""
    group: GroupName | None = None
    run: RunId | None = None
    facts: Mapping[str, Fact] = field(default_factory=dict)
    """Everything else that the event says."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Head:
    """Where a chain ends."""

    sequence: int
    digest: str
    """SHA-256, in hexadecimal, of the last event."""


GENESIS = Head(sequence=0, digest="0" * DIGEST_LENGTH)
"""What the first event of a chain follows."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """An event in its place."""

    what: Occurrence
    sequence: int
    """Counts from 1 without a gap."""
    previous: str
    """The digest of the one before."""
    line: bytes
    """As it is kept everywhere, byte for byte, without the end of line."""

    @property
    def digest(self) -> str:
        """Its own digest."""
        return digest_of(self.line)[0]

    @property
    def head(self) -> Head:
        """The head of a chain that ends here."""
        return Head(sequence=self.sequence, digest=self.digest)


def link(head: Head, what: Occurrence) -> Entry:
    """`what` as the event that follows `head`."""
    sequence = head.sequence + 1
    body = {
        "actor": what.actor,
        "at": what.at_utc,
        "center": what.center,
        "event": what.event,
        "facts": {key: _told(value) for key, value in what.facts.items()},
        "format": FORMAT,
        "group": what.group,
        "id": what.id,
        "previous": head.digest,
        "reason": _told(what.reason),
        "run": what.run,
        "sequence": sequence,
    }
    # The digest is of all the rest. It stands among it in the order of RFC 8785, so that a line is one canonical object.
    digest = hashlib.sha256(rfc8785.dumps(cast("dict[str, str]", body))).hexdigest()
    line = rfc8785.dumps(cast("dict[str, str]", {**body, "digest": digest}))
    return Entry(what=what, sequence=sequence, previous=head.digest, line=line)


def link_all(head: Head, occurrences: list[Occurrence]) -> list[Entry]:
    """Several, one after the other."""
    entries: list[Entry] = []
    for what in occurrences:
        entries.append(link(head, what))
        head = entries[-1].head
    return entries


def digest_of(line: bytes) -> tuple[str, str]:
    """The digest that a line says it has, and the one that it really has. Raises InvalidInput when it says none."""
    # A quotation mark inside a text is escaped, and no key before this one holds an object: the first is the entry's own.
    at = line.find(DIGEST_KEY)
    start, end = at + len(DIGEST_KEY), at + len(DIGEST_KEY) + DIGEST_LENGTH
    if at < 0 or line[end : end + 2] != b'",':
        raise InvalidInput("it has no digest")
    return line[start:end].decode("ascii", "replace"), hashlib.sha256(line[:at] + line[end + 2 :]).hexdigest()


def parse(line: bytes) -> Entry:
    """The event that a line says; whether it is what was written once is for `verify` to find out. Raises InvalidInput."""
    try:
        told = json.loads(line)
        return Entry(what=_occurrence(told), sequence=int(told["sequence"]), previous=str(told["previous"]), line=line)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"it is no event: {type(error).__name__}: {error}") from error


def to_json(what: Occurrence) -> dict[str, object]:
    """An event without a place, for a spool."""
    return {
        "id": what.id,
        "at": what.at_utc,
        "center": what.center,
        "event": what.event,
        "actor": what.actor,
        "reason": what.reason,
        "group": what.group,
        "run": what.run,
        "facts": dict(what.facts),
    }


def from_json(told: Mapping[str, object]) -> Occurrence:
    """The other way. Raises InvalidInput."""
    try:
        return _occurrence(told)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise InvalidInput(f"it is no event: {type(error).__name__}: {error}") from error


def _occurrence(told: Mapping[str, object]) -> Occurrence:
    facts = cast("Mapping[str, Fact]", told["facts"])
    return Occurrence(
        id=str(told["id"]),
        at_utc=str(told["at"]),
        center=CenterName(str(told["center"])),
        event=str(told["event"]),
        actor=str(told["actor"]),
        reason=str(told["reason"]),
        group=None if told["group"] is None else GroupName(str(told["group"])),
        run=None if told["run"] is None else RunId(str(told["run"])),
        facts=dict(facts.items()),
    )


def _told(value: Fact) -> Fact:
    """A value that canonical JSON can hold, and that is no longer than an event may be."""
    match value:
        case str():
            text = value.encode("utf-8", "replace").decode()
            return text if len(text) <= WORDS_MAX else f"{text[:WORDS_MAX]}... ({len(text)} characters)"
        case bool() | None:
            return value
        case int():
            return value if abs(value) < 2**53 else str(value)
        case float():
            return value if abs(value) < 2**53 else str(value)
        case list():
            items = [str(_told(item)) for item in value[:ITEMS_MAX]]
            return items if len(value) <= ITEMS_MAX else [*items, f"... ({len(value)} in all)"]
