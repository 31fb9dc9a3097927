"""What one member held when all was quiet again."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaos.workload.operation import OpId
    from drctl.model.identity import MemberName
    from drctl.model.position import Lsn, Timeline


@dataclass(frozen=True, slots=True, kw_only=True)
class TableDigest:
    """A table in two numbers that do not depend on the order of its rows."""

    rows: int
    digest: str


@dataclass(frozen=True, slots=True, kw_only=True)
class TimelineSwitch:
    """One line of a timeline's history: until where its ancestor counts."""

    timeline: Timeline
    until: Lsn
    """WAL of `timeline` at and after this position is on a fork."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberDump:
    """Everything that the oracles ask of one member."""

    member: MemberName
    in_recovery: bool
    """False for the primary."""
    timeline: Timeline | None
    """None when the member could not be asked."""
    ancestors: tuple[TimelineSwitch, ...] | None
    """None when the member could not be asked."""
    operations: Mapping[OpId, int]
    """How often each operation id is there."""
    registers: Mapping[int, int]
    lists: Mapping[int, tuple[int, ...]]
    tables: Mapping[str, TableDigest]


def primary_of(dumps: tuple[MemberDump, ...]) -> MemberDump | None:
    """The one primary; None when there is none, or more than one."""
    primaries = [dump for dump in dumps if not dump.in_recovery]
    return primaries[0] if len(primaries) == 1 else None
