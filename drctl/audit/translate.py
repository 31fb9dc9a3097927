"""Events of the controller as occurrences of the chain: who, why, and every fact."""

from __future__ import annotations

from dataclasses import fields
from enum import Enum

from drctl.audit.entry import Fact, Occurrence
from drctl.model.event import Event
from drctl.model.identity import CenterName, GroupName, RunId

_ELSEWHERE = frozenset({"group", "run", "reason", "actor"})
"""Fields that an entry has a place of its own for."""


def occurrence(event: Event, *, id: str, at_utc: str, center: CenterName) -> Occurrence:  # noqa: A002 - an event's own word
    """What `event` says, as `center`'s controller saw it."""
    group: GroupName | None = getattr(event, "group", None)
    run: RunId | None = getattr(event, "run", None)
    actor: str = getattr(event, "actor", "")
    reason: str = getattr(event, "reason", "")
    return Occurrence(
        id=id,
        at_utc=at_utc,
        center=center,
        event=event.name,
        actor=actor or f"controller {center}",
        reason=reason,
        group=group,
        run=run,
        facts={field.name: fact(getattr(event, field.name)) for field in fields(event) if field.name not in _ELSEWHERE},
    )


def fact(value: object) -> Fact:
    """A value that canonical JSON can hold."""
    match value:
        case Enum():
            return fact(value.value)
        case str() | bool() | int() | float() | None:
            return value
        case tuple() | list() | frozenset():
            return sorted(map(str, value)) if isinstance(value, frozenset) else [str(item) for item in value]
        case _:
            return str(value)
