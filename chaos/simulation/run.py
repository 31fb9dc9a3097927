"""One schedule from its beginning to its verdict: faults, healing, and what must be true after it."""

from __future__ import annotations

from dataclasses import dataclass

from chaos.simulation.database import Server
from chaos.simulation.faults import Fault, heal, schedule
from chaos.simulation.oracle import Violated
from chaos.simulation.sabotage import Sabotage
from chaos.simulation.schedule import faults_of
from chaos.simulation.world import GROUP, POLICY, World
from drctl.model.policy import Policy

QUIET_S = 1.0
"""After the last fault, before everything is healed."""
HEALED_S = 150.0
"""Within which a healed group is whole again."""
STEADY_S = 1.2
"""For how long it must stay so."""


@dataclass(frozen=True, slots=True)
class Result:
    """What became of one schedule."""

    seed: int
    faults: tuple[Fault, ...]
    code: str
    """Empty when nothing was wrong; else S1, S3, rule, record, assertion or liveness."""
    what: str
    virtual_s: float
    healed_s: float
    """How long after the healing the group was whole."""
    acknowledged: int
    outcomes: dict[str, int]
    trace: tuple[str, ...]

    @property
    def well(self) -> bool:
        """Whether nothing was wrong."""
        return not self.code


def simulate(
    seed: int,
    *,
    faults: tuple[Fault, ...] | None = None,
    policy: Policy = POLICY,
    sabotage: frozenset[Sabotage] = frozenset(),
    tracing: bool = False,
) -> Result:
    """Run the schedule of `seed`, or `faults` in its place."""
    faults = faults_of(seed) if faults is None else faults
    world = World(seed, policy=policy, sabotage=sabotage, tracing=tracing)
    schedule(world, faults)
    code = what = ""
    healed_at_s = max((fault.at_s for fault in faults), default=0.0) + QUIET_S
    try:
        world.kernel.run(healed_at_s)
        heal(world)
        _until_whole(world)
        tip = world.oracle.tip
        world.kernel.run(world.kernel.now_s + 0.3)
        world.oracle.final(tip)
    except Violated as violated:
        code, what = violated.code, violated.what
    return Result(
        seed=seed,
        faults=faults,
        code=code,
        what=what,
        virtual_s=world.kernel.now_s,
        healed_s=world.kernel.now_s - healed_at_s,
        acknowledged=world.oracle.acknowledgements,
        outcomes=dict(world.oracle.outcomes),
        trace=tuple(world.trace),
    )


def _until_whole(world: World) -> None:
    end_s = world.kernel.now_s + HEALED_S
    steady_since_s: float | None = None
    while world.kernel.now_s < end_s:
        if world.ensemble.groups[GROUP].paused:
            # A wish of before the healing that was heard only now.
            world.ensemble.set_paused(GROUP, paused=False)
        if unwhole(world):
            steady_since_s = None
        elif steady_since_s is None:
            steady_since_s = world.kernel.now_s
        elif world.kernel.now_s - steady_since_s >= STEADY_S:
            return
        world.kernel.run(world.kernel.now_s + 0.3)
    world.oracle.broken("liveness", f"{HEALED_S:g} s after the healing: {unwhole(world) or 'whole, and not for long'}")


def unwhole(world: World) -> str:
    """Why the group is not fully protected; empty when it is."""
    stored = world.ensemble.groups[GROUP]
    record = stored.record
    primary = world.databases[record.primary]
    if stored.run is not None or record.run is not None:
        return f"run {record.run} is under way"
    if len(record.rules) > 1:
        return f"{len(record.rules)} rules stand"
    wanted = {name for name in world.names if name != record.primary}
    if record.rule.primary != record.primary or record.rule.sync.members != wanted:
        return f"the rule is {record.rule}"
    if record.rule.sync.count != min(world.group.policy.sync_count, len(wanted)) or primary.sync != record.rule.sync:
        return f"{primary.name} waits for {primary.sync}, the rule is {record.rule}"
    if not primary.is_primary:
        return f"{primary.name} is recorded as primary and is {primary.server}"
    for name in sorted(wanted):
        standby = world.databases[name]
        if standby.server is not Server.RUNNING or not standby.in_recovery:
            return f"{name} is {standby.server}, {'a standby' if standby.in_recovery else 'a primary'}"
        if standby.receiver not in primary.senders or standby.receiver.poisoned:
            return f"{name} does not stream from {primary.name}"
        if primary.wal.lsn - standby.wal.lsn > 20:
            return f"{name} is behind"
    if stored.requests:
        return "requests are open"
    if all(client.last_acked_at_s < world.kernel.now_s - STEADY_S for client in world.clients):
        return "nobody's writes are acknowledged"
    return ""
