"""What can go wrong in the simulated world, by the names of the catalogue, and how it is undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from chaos.simulation.controller import Trap, TrapKind
from chaos.simulation.database import Database, Server
from chaos.simulation.world import CENTERS, GROUP
from drctl.model.errors import DrctlError
from drctl.model.identity import CenterName, MemberName
from drctl.model.request import Request, RequestKind

if TYPE_CHECKING:
    from chaos.simulation.world import World


class FaultKind(StrEnum):
    """The vocabulary of schedules."""

    POWER = "power"
    KILL_DATABASE = "kill-database"
    FREEZE_DATABASE = "freeze-database"
    FREEZE_CENTER = "freeze-center"
    CRASH_CONTROLLER = "crash-controller"
    STALL_CONTROLLER = "stall-controller"
    TRAP = "trap"
    ISOLATE = "isolate"
    CUT = "cut"
    ONE_WAY = "one-way"
    ZOOKEEPER = "zookeeper"
    EXPIRE = "expire"
    SSH = "ssh"
    BREAK_STREAM = "break-stream"
    EMPTY_SYNC = "empty-sync"
    REQUEST = "request"


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that goes wrong, or that a person does."""

    at_s: float
    kind: FaultKind
    center: CenterName
    other: CenterName
    for_s: float = 0.0
    word: str = ""
    """The effect of a trap, or what is requested."""
    flag: bool = False
    """A trap: after the effect; a kill: backends outlive the postmaster; a freeze: SIGKILL waits for the thaw."""

    def __str__(self) -> str:
        more = f" {self.word}" if self.word else ""
        flag = " flag" if self.flag else ""
        pair = f"-{self.other}" if self.kind in {FaultKind.CUT, FaultKind.ONE_WAY} else ""
        return f"{self.at_s:.3f} {self.kind} {self.center}{pair} for {self.for_s:.3f} s{more}{flag}"


def schedule(world: World, faults: tuple[Fault, ...]) -> None:
    """Let every fault happen at its time."""
    for fault in faults:
        world.kernel.after(fault.at_s, inject, world, fault)


def inject(world: World, fault: Fault) -> None:
    """Let a fault happen now."""
    world.note("FAULT", fault)
    _INJECT[fault.kind](world, fault)


def heal(world: World) -> None:
    """Undo whatever still stands, and let automatic operations go on."""
    world.note("HEAL")
    world.network.heal_all()
    for center in CENTERS:
        world.thaw(center)
        world.power_on(center)
        world.ensemble.servers[center].alive = True
        controller = world.controllers[center]
        controller.trap = None
        controller.wake()
        if not controller.process.alive:
            controller.start()
    for agent in world.agents.values():
        agent.deaf = agent.stubborn = False
        agent.database.process.thaw()
    stored = world.ensemble.groups[GROUP]
    for request in tuple(stored.requests.values()):
        if request.kind is RequestKind.PAUSE:
            del stored.requests[request.id]
    world.ensemble.set_paused(GROUP, paused=False)


def database_in(world: World, center: CenterName) -> Database:
    """The member of a center."""
    return next(database for database in world.databases.values() if database.center == center)


def _power(world: World, fault: Fault) -> None:
    world.power_off(fault.center)
    world.kernel.after(fault.for_s, world.power_on, fault.center)


def _kill_database(world: World, fault: Fault) -> None:
    database = database_in(world, fault.center)
    if database.server not in {Server.DOWN, Server.ORPHANS}:
        database.die(quietly=False, orphans=fault.flag)


def _freeze_database(world: World, fault: Fault) -> None:
    database = database_in(world, fault.center)
    if not database.process.runs:
        return
    database.process.freeze()
    agent = world.agents[database.name]
    agent.stubborn = fault.flag
    life = database.process.life

    def thaw() -> None:
        agent.stubborn = False
        if database.process.life == life and not world.frozen(fault.center):
            database.process.thaw()

    world.kernel.after(fault.for_s, thaw)


def _freeze_center(world: World, fault: Fault) -> None:
    world.freeze(fault.center)
    world.kernel.after(fault.for_s, world.thaw, fault.center)


def _crash_controller(world: World, fault: Fault) -> None:
    world.controllers[fault.center].crash(restart_s=fault.for_s)


def _stall_controller(world: World, fault: Fault) -> None:
    world.controllers[fault.center].stall()
    world.kernel.after(fault.for_s, world.controllers[fault.center].wake)


def _trap(world: World, fault: Fault) -> None:
    # Whoever leads walks into it first; the others' are taken away by the healing.
    kind = TrapKind.STALL if fault.for_s > 0 else TrapKind.CRASH
    for controller in world.controllers.values():
        controller.trap = Trap(effect=fault.word, after=fault.flag, kind=kind, stall_s=fault.for_s)


def _cut(world: World, fault: Fault, links: tuple[tuple[CenterName, CenterName], ...]) -> None:
    for link in links:
        world.network.cut(*link)

    def mend() -> None:
        for link in links:
            world.network.heal(*link)

    world.kernel.after(fault.for_s, mend)


def _isolate(world: World, fault: Fault) -> None:
    others = [center for center in CENTERS if center != fault.center]
    _cut(world, fault, tuple(link for other in others for link in ((fault.center, other), (other, fault.center))))


def _cut_pair(world: World, fault: Fault) -> None:
    _cut(world, fault, ((fault.center, fault.other), (fault.other, fault.center)))


def _one_way(world: World, fault: Fault) -> None:
    _cut(world, fault, ((fault.center, fault.other),))


def _zookeeper(world: World, fault: Fault) -> None:
    server = world.ensemble.servers[fault.center]
    server.alive = False

    def back() -> None:
        server.alive = world.powered(fault.center) and not world.frozen(fault.center)

    world.kernel.after(fault.for_s, back)


def _expire(world: World, fault: Fault) -> None:
    session = world.controllers[fault.center].client.session
    if session is not None:
        world.ensemble.end_session(session)


def _ssh(world: World, fault: Fault) -> None:
    agent = world.agents[database_in(world, fault.center).name]
    agent.deaf = True

    def hear() -> None:
        agent.deaf = False

    world.kernel.after(fault.for_s, hear)


def _break_stream(world: World, fault: Fault) -> None:
    database = database_in(world, fault.center)
    if database.receiver is not None and database.process.runs:
        database.receiver.close_down()


def _empty_sync(world: World, _fault: Fault) -> None:
    for database in world.databases.values():
        if database.is_primary and database.process.runs and database.sync is not None:
            database.emptied, database.sync_on_disk = True, None
            database.set_sync(None)


def _request(world: World, fault: Fault) -> None:
    kind = RequestKind(fault.word)
    named = kind in {RequestKind.SWITCHOVER, RequestKind.REJOIN, RequestKind.REINIT}
    request = Request(
        id="",
        kind=kind,
        group=GROUP,
        operator="wang",
        candidate=MemberName(f"{GROUP}-{fault.center}") if named else None,
        made_utc=world.utc(),
    )
    if world.ensemble.leader is None:
        return
    try:
        world.ensemble.submit(request)
    except DrctlError as error:
        world.note("request", "refused", error.message)


_INJECT: Mapping[FaultKind, Callable[[World, Fault], None]] = {
    FaultKind.POWER: _power,
    FaultKind.KILL_DATABASE: _kill_database,
    FaultKind.FREEZE_DATABASE: _freeze_database,
    FaultKind.FREEZE_CENTER: _freeze_center,
    FaultKind.CRASH_CONTROLLER: _crash_controller,
    FaultKind.STALL_CONTROLLER: _stall_controller,
    FaultKind.TRAP: _trap,
    FaultKind.ISOLATE: _isolate,
    FaultKind.CUT: _cut_pair,
    FaultKind.ONE_WAY: _one_way,
    FaultKind.ZOOKEEPER: _zookeeper,
    FaultKind.EXPIRE: _expire,
    FaultKind.SSH: _ssh,
    FaultKind.BREAK_STREAM: _break_stream,
    FaultKind.EMPTY_SYNC: _empty_sync,
    FaultKind.REQUEST: _request,
}
