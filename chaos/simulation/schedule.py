"""From a seed to a schedule of faults: a few, close together, so that one falls into the middle of what another began."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from random import Random

from chaos.simulation.faults import Fault, FaultKind
from chaos.simulation.world import CENTERS
from drctl.model.request import RequestKind


class Profile(StrEnum):
    """What a schedule is mostly about."""

    ALL = "all"
    ZOMBIES = "zombies"
    """Operations, and controllers that sleep at a step until another one has taken over."""
    SECOND_FAILURES = "second-failures"
    """A failover, and what goes wrong right in its middle."""


FIRST_S = 1.2
"""When all is up and a leader is known."""
FAULTS_MAX = 7
WEIGHTS = {
    FaultKind.POWER: 3,
    FaultKind.KILL_DATABASE: 4,
    FaultKind.FREEZE_DATABASE: 3,
    FaultKind.FREEZE_CENTER: 2,
    FaultKind.CRASH_CONTROLLER: 3,
    FaultKind.STALL_CONTROLLER: 3,
    FaultKind.TRAP: 6,
    FaultKind.ISOLATE: 4,
    FaultKind.CUT: 3,
    FaultKind.ONE_WAY: 3,
    FaultKind.ZOOKEEPER: 2,
    FaultKind.EXPIRE: 2,
    FaultKind.SSH: 2,
    FaultKind.BREAK_STREAM: 1,
    FaultKind.EMPTY_SYNC: 1,
    FaultKind.REQUEST: 5,
}
EFFECTS = (
    "record.begin", "journal.save", "record.change", "record.finish", "seal", "fence", "stop", "start", "promote", "follow",
    "set_sync", "marker", "checkpoint", "rejoin",
)  # fmt: skip
REQUESTS = (
    RequestKind.SWITCHOVER, RequestKind.SWITCHOVER, RequestKind.SWITCHOVER, RequestKind.SWITCHBACK, RequestKind.FAILOVER,
    RequestKind.REJOIN, RequestKind.REINIT, RequestKind.PAUSE, RequestKind.RESUME, RequestKind.ABORT,
)  # fmt: skip


_PROFILES: Mapping[Profile, Mapping[FaultKind, int]] = {
    Profile.ALL: WEIGHTS,
    Profile.ZOMBIES: {
        FaultKind.TRAP: 8,
        FaultKind.REQUEST: 6,
        FaultKind.KILL_DATABASE: 4,
        FaultKind.STALL_CONTROLLER: 2,
        FaultKind.EXPIRE: 3,
        FaultKind.ISOLATE: 2,
        FaultKind.BREAK_STREAM: 1,
        FaultKind.FREEZE_DATABASE: 2,
    },
    Profile.SECOND_FAILURES: {
        FaultKind.KILL_DATABASE: 8,
        FaultKind.ISOLATE: 5,
        FaultKind.POWER: 5,
        FaultKind.FREEZE_DATABASE: 5,
        FaultKind.CUT: 3,
        FaultKind.CRASH_CONTROLLER: 2,
    },
}


def faults_of(seed: int, profile: Profile = Profile.ALL) -> tuple[Fault, ...]:
    """The schedule of a seed."""
    random = Random(f"schedule {seed}")
    chosen = _PROFILES[profile]
    kinds, weights = list(chosen), list(chosen.values())
    at_s = FIRST_S + random.random()
    faults: list[Fault] = []
    for _ in range(random.randint(1, FAULTS_MAX)):
        faults.append(_fault(random, at_s, random.choices(kinds, weights)[0]))
        # Half of them right behind the last, while its consequences are under way.
        at_s += random.expovariate(6.0) if random.random() < 0.5 else random.uniform(0.5, 4.0)
    return tuple(faults)


def _fault(random: Random, at_s: float, kind: FaultKind) -> Fault:
    # The first center has the primary at the beginning: half of everything is about it.
    center, other = random.sample(CENTERS, 2)
    if random.random() < 0.3:
        center, other = CENTERS[0], random.choice(CENTERS[1:])
    word = ""
    if kind is FaultKind.TRAP:
        word = random.choice(EFFECTS)
    elif kind is FaultKind.REQUEST:
        word = random.choice(REQUESTS)
    for_s = random.choice((random.uniform(0.05, 1.5), random.uniform(1.0, 6.0), random.uniform(3.0, 12.0)))
    if kind is FaultKind.TRAP and random.random() < 0.5:
        for_s = 0.0
    return Fault(
        at_s=round(at_s, 3),
        kind=kind,
        center=center,
        other=other,
        for_s=round(for_s, 3),
        word=word,
        flag=random.random() < 0.4,
    )
