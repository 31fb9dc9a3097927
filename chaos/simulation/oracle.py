"""What must hold whatever happens: S1, S3 and the invariants of the record, looked at with every event that could break them."""

from __future__ import annotations

from collections import Counter
from itertools import chain, combinations
from typing import TYPE_CHECKING

from chaos.simulation.wal import Branch, Wal
from drctl.decision.quorum import unmet
from drctl.model.event import RunEnded
from drctl.model.identity import MemberName
from drctl.model.rule import GroupRecord

if TYPE_CHECKING:
    from chaos.simulation.database import Database
    from chaos.simulation.world import World


class Violated(Exception):
    """Something happened that must not: the schedule ends here."""

    def __init__(self, code: str, what: str) -> None:
        super().__init__(f"{code}: {what}")
        self.code = code
        self.what = what


class Oracle:
    """Knows what was acknowledged, and by whom."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.tip: Wal | None = None
        """The furthest acknowledged commit; all others are before it, on one line."""
        self.acknowledgements = 0
        self.acknowledged_by_branch: dict[Branch, int] = {}
        self.outcomes: Counter[str] = Counter()
        self._sets: tuple[frozenset[MemberName], ...] = ()
        self.exposed_until_lsn: Wal | None = None

    def broken(self, code: str, what: str) -> None:
        """Say that something must not have happened."""
        self._world.note("VIOLATION", code, what)
        raise Violated(code, what)

    def acknowledged(self, database: Database, commit: Wal) -> None:
        """A primary told a client that its commit is safe."""
        self.acknowledgements += 1
        if self._world.forgiven(database):
            return
        tip = self.tip
        if tip is None or commit.has(tip):
            self.tip = commit
        elif not tip.has(commit):
            self.broken(
                "S3", f"{database.name} acknowledged {commit} (branch of {commit.branch.number}), "
                f"which is not on the line of {tip}"
            )  # fmt: skip
        self._every_heir_has_it()

    def promoted(self, database: Database) -> None:
        """A standby became primary: it must have everything."""
        if self.tip is not None and not database.wal.has(self.tip):
            self.broken("S1", f"{database.name} was promoted at {database.wal} without the acknowledged {self.tip}")

    def recorded(self, before: GroupRecord, after: GroupRecord) -> None:
        """The record changed."""
        if after.epoch < before.epoch:
            self.broken("record", f"the epoch fell from {before.epoch} to {after.epoch}")
        if after.primary != before.primary and before.rules[-1].primary != after.primary:
            self.broken("record", f"{after.primary} is recorded as primary without a rule of its own")
        if after.rules != before.rules:
            self._world.note("record", after.primary, " | ".join(map(str, after.rules)), f"epoch {after.epoch}")
        if len(after.rules) == 1 and len(before.rules) > 1:
            primary = self._world.databases[after.primary]
            if self.tip is not None and not primary.wal.has(self.tip):
                self.broken("S1", f"{after.primary} is the recorded primary without the acknowledged {self.tip}")
        if not self._sets or after.rules != before.rules:
            names = self._world.names
            every = chain.from_iterable(combinations(names, size) for size in range(1, len(names) + 1))
            self._sets = tuple(frozenset(some) for some in every if not unmet(after.rules, some))
            self._every_heir_has_it()

    def begun(self, record: GroupRecord) -> None:
        """The first record."""
        self.recorded(record, record)

    def _every_heir_has_it(self) -> None:
        """Whatever sealed set the rules allow, its most advanced member has all that was acknowledged."""
        tip = self.tip
        if tip is None:
            return
        databases, agents = self._world.databases, self._world.agents
        for some in self._sets:
            whole = [databases[name] for name in some if not agents[name].half_rewound]
            if len(whole) < len(some):
                continue
            best = max((database.wal.home.number, database.wal.lsn) for database in whole)
            for database in whole:
                # Where two are equal, either may be taken.
                if (database.wal.home.number, database.wal.lsn) == best and not database.wal.has(tip):
                    self.broken(
                        "rule", f"by the rules {sorted(some)} could be sealed, and {database.name} is without {tip}"
                    )

    def run_ended(self, event: RunEnded) -> None:
        """A run ended somewhere."""
        self.outcomes[f"{event.kind}:{event.outcome}"] += 1

    def final(self, tip: Wal | None) -> None:
        """After healing: every member has everything that was acknowledged up to `tip`."""
        for database in self._world.databases.values():
            if tip is not None and not database.wal.has(tip):
                self.broken("S1", f"{database.name} ends at {database.wal} without the acknowledged {tip}")
