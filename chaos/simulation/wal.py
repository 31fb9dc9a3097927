"""Write-ahead logs as positions on branches: who has whose commits is a walk to the common ancestor."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.model.position import Lsn, Position, Timeline


@dataclass(eq=False, slots=True)
class Branch:
    """One history that one promotion began. Two of them may call themselves by the same timeline number."""

    number: int
    parent: Branch | None = None
    fork_lsn: int = 0
    """Where it leaves its parent."""

    def eras(self) -> tuple[tuple[int, int], ...]:
        """Timeline numbers and where each begins, oldest first: all that a history file tells."""
        here: Branch | None = self
        found: list[tuple[int, int]] = []
        while here is not None:
            found.append((here.number, here.fork_lsn))
            here = here.parent
        return tuple(reversed(found))


@dataclass(frozen=True, slots=True)
class Wal:
    """A member's log: everything up to `lsn` on `branch` and its ancestors."""

    branch: Branch
    lsn: int

    def has(self, other: Wal) -> bool:
        """Whether everything that `other` holds is in this log."""
        limit, here = self.lsn, self.branch
        wanted = other.home
        while True:
            if here is wanted:
                return other.lsn <= limit
            if here.parent is None:
                return False
            limit = min(limit, here.fork_lsn)
            here = here.parent

    @property
    def home(self) -> Branch:
        """The branch of the last record; the log may end exactly where its branch begins."""
        here = self.branch
        while here.parent is not None and self.lsn <= here.fork_lsn:
            here = here.parent
        return here

    @property
    def position(self) -> Position:
        """What a host reads of it."""
        return Position(timeline=Timeline(self.home.number), lsn=Lsn(self.lsn))

    def shared_by_numbers(self, other: Wal) -> int | None:
        """How far two logs are the same as far as history files tell; None when they share nothing."""
        limit: int | None = None
        ours, theirs = self.home.eras(), other.branch.eras()
        for place, (our, their) in enumerate(zip(ours, theirs, strict=False)):
            if our != their:
                break
            ends = [eras[place + 1][1] for eras in (ours, theirs) if place + 1 < len(eras)]
            limit = min(ends) if ends else other.lsn
        return limit

    def __str__(self) -> str:
        return f"{self.home.number}:{self.lsn}"
