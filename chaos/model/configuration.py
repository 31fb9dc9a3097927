"""What is checked: small worlds in which the protocol must hold, and mutants that must not survive."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

MODEL = Path(__file__).with_name("protocol.pml")
TRACES = Path(__file__).with_name("traces")


class Claim(StrEnum):
    """What a search looks for a counterexample to."""

    SAFETY = "S1, S3"
    """Nothing that a client was told of is lost, and at most one member can obtain acknowledgements."""
    PROGRESS = "progress"
    """Once faults stop, a write that is sent is acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """A bounded world. Small enough to visit every state of it."""

    name: str
    writes: int
    operations: int
    first_count: int = 1
    """k of the first rule."""
    two_part_seal: bool = False
    """A member is asked to stop, and stops later; otherwise both are one step."""
    faulty_operations: int | None = None
    """How many operations begin before faults stop; None where they never stop."""
    kinds: str = ""
    """Which kind each operation is of, the last first: 1 a failover, 3 a change of the sync set. Empty: any."""
    deep: bool = False
    """Too large for every run: only with --deep."""
    memory_mib: int = 2500
    limit_s: float = 240.0

    @property
    def claim(self) -> Claim:
        """Progress is asked only where faults stop."""
        return Claim.SAFETY if self.faulty_operations is None else Claim.PROGRESS

    @property
    def defines(self) -> tuple[str, ...]:
        """The world in the words of the model."""
        found = [f"WRITES={self.writes}", f"OPERATIONS={self.operations}", f"K0={self.first_count}"]
        if self.two_part_seal:
            found.append("TWO_PART_SEAL")
        if self.kinds:
            found.append(f"KINDS={self.kinds}")
        if self.faulty_operations is not None:
            found += ["PROGRESS", f"FAULTY_OPERATIONS={self.faulty_operations}"]
        return tuple(found)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mutant:
    """The protocol without one of its rules."""

    name: str
    define: str
    without: str
    """The rule that is taken out, in words."""
    world: World

    @property
    def trace(self) -> Path:
        """Where its shortest counterexample is kept."""
        return TRACES / f"{self.name}.txt"


WORLDS = (
    World(name="three operations", writes=1, operations=3),
    World(name="three operations, two writes", writes=2, operations=3, deep=True, memory_mib=8000, limit_s=900),
    World(name="three writes, two-part seal", writes=3, operations=2, two_part_seal=True),
    World(name="two copies of every write", writes=3, operations=2, first_count=2),
    World(name="a rejoin between three failovers", writes=0, operations=4, kinds="1131"),
    World(name="faults stop", writes=1, operations=3, faulty_operations=1),
    World(
        name="faults stop later", writes=1, operations=4, faulty_operations=2, deep=True, memory_mib=8000, limit_s=900
    ),
)

_TWO = World(name="two operations", writes=2, operations=2)
_THREE = World(name="three operations", writes=2, operations=3)
_COPIES = World(name="two copies", writes=2, operations=2, first_count=2)
_LATE_REJOIN = World(name="a rejoin between three failovers", writes=0, operations=4, kinds="1131")
_HEALING = World(name="faults stop", writes=1, operations=3, faulty_operations=1)

MUTANTS = (
    Mutant(
        name="no-epoch-check",
        define="NO_EPOCH_CHECK",
        without="a host refuses an epoch below the highest it has seen",
        world=_TWO,
    ),
    Mutant(
        name="one-sealed-is-enough",
        define="ONE_SEALED_IS_ENOUGH",
        without="|S| - k + 1 members of S are sealed, where the primary is not",
        world=_TWO,
    ),
    Mutant(
        name="position-read-early",
        define="POSITION_READ_EARLY",
        without="the position is read after the receiver is gone",
        world=_TWO,
    ),
    Mutant(
        name="heir-by-position",
        define="HEIR_BY_POSITION",
        without="the timeline comes before the position",
        world=_TWO,
    ),
    Mutant(
        name="record-after-promotion",
        define="RECORD_AFTER_PROMOTION",
        without="the new rule is recorded before the promotion",
        world=_TWO,
    ),
    Mutant(
        name="no-marker",
        define="NO_MARKER",
        without="a marker is acknowledged before the old rule goes",
        world=_TWO,
    ),
    Mutant(
        name="no-joint-rule",
        define="NO_JOINT_RULE",
        without="both rules stand while the sync set changes",
        world=_COPIES,
    ),
    Mutant(
        name="routed-before-marker",
        define="ROUTED_BEFORE_MARKER",
        without="nobody reads on the heir before its marker is acknowledged",
        world=_COPIES,
    ),
    Mutant(
        name="seal-forgotten",
        define="SEAL_FORGOTTEN",
        without="a sealed primary stays down when its host restarts",
        world=_TWO,
    ),
    Mutant(
        name="turn-not-recorded",
        define="TURN_NOT_RECORDED",
        without="an operation that turns back says so in its journal first",
        world=_TWO,
    ),
    Mutant(
        name="local-timelines",
        define="LOCAL_TIMELINES",
        without="no two promotions share a timeline number",
        world=_THREE,
    ),
    Mutant(
        name="old-timeline-kept",
        define="OLD_TIMELINE_KEPT",
        without="an heir that was the primary opens a new timeline too",
        world=_THREE,
    ),
    Mutant(
        name="untold-members-count",
        define="UNTOLD_MEMBERS_COUNT",
        without="every member of a new set is told of the epoch before the set is recorded",
        world=_LATE_REJOIN,
    ),
    Mutant(
        name="resume-only",
        define="RESUME_ONLY",
        without="an interrupted operation may be given up for a failover that satisfies both rules",
        world=_HEALING,
    ),
)
