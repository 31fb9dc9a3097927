"""A simulated drctl-host: the epoch file, one command of a member at a time, evidence. Mirrors `drctl/host`."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from chaos.simulation.database import Database, Server
from chaos.simulation.kernel import Future, Lock, Process, Steps
from chaos.simulation.rejoin import Job, ask, preempt
from chaos.simulation.sabotage import Sabotage
from drctl.model.command import (
    Checkpoint,
    Fence,
    Follow,
    HostCommand,
    IfPrimary,
    Promote,
    Rejoin,
    Seal,
    SetSync,
    Start,
    Stop,
)
from drctl.model.errors import DrctlError, EffectRefused, EffectUnknown, StaleEpoch
from drctl.model.evidence import (
    Checked,
    Evidence,
    Fenced,
    Following,
    Promoted,
    Sealed,
    SealedRole,
    Started,
    Stopped,
    SyncChanged,
)
from drctl.model.identity import CenterName, Epoch, MemberName
from drctl.model.position import Lsn, Position
from drctl.model.report import HostReport, Postmaster
from drctl.model.rule import SyncSet

if TYPE_CHECKING:
    from chaos.simulation.world import World

Answer = tuple[Evidence | None, DrctlError | None]
TICK_S = 0.002
DROPPED = 0.01
"""How often the line breaks just when the answer is on its way."""


class HostAgent:
    """drctl-host beside one member. What is on disk outlives the power."""

    def __init__(self, world: World, database: Database) -> None:
        self.world = world
        self.database = database
        self.center: CenterName = database.center
        self.process = Process(world.kernel, f"drctl-host of {database.name}")
        self.deaf = False
        """Whether sshd refuses everybody."""
        self.stubborn = False
        """Whether SIGKILL does not end the member while it is frozen, as with the cgroup freezer."""
        # On disk
        self.epoch = 0
        self.fence_epoch: int | None = None
        self.sealed_epoch: int | None = None
        self.promoted_epoch: int | None = None
        self.half_rewound = False
        self.job: Job | None = None
        self._lock = Lock()

    @property
    def name(self) -> MemberName:
        """Of its member."""
        return self.database.name

    def boot(self) -> None:
        """The host has power again: the init system asks whether the member may start."""
        self.process.start()
        self._lock = Lock()
        if self.job is not None and self.job.state == "running":
            self.job.fail("its process ended without a word")
        if self.fence_epoch is None and not self.half_rewound and self.database.server is Server.DOWN:
            self.process.after(0.2 + self.world.kernel.random.random(), self._start_at_boot)

    def _start_at_boot(self) -> None:
        if self.fence_epoch is None and not self.half_rewound and self.database.server is Server.DOWN:
            self.database.start()

    # Requests

    def serve(
        self, source: CenterName, epoch: Epoch, command: HostCommand, deadline_s: float, answer: Future[Answer]
    ) -> None:
        """A request has arrived."""

        def answered(evidence: Evidence | None, error: DrctlError | None) -> None:
            if self.world.kernel.chance(DROPPED):
                error, evidence = EffectUnknown(f"{self.name}: the line broke"), None
            self.world.network.carry(self.center, source, answer.set, (evidence, error), keep_s=2.0)

        self.process.task(self._answer(epoch, command, deadline_s), answered)

    def _answer(self, epoch: Epoch, command: HostCommand, deadline_s: float) -> Steps[Evidence]:
        end_s = self.world.kernel.now_s + deadline_s * 0.95
        self.admit(epoch)
        yield TICK_S
        lock = self._lock
        if not (yield from lock.take(max(0.01, end_s - self.world.kernel.now_s))):
            raise EffectRefused(f"{self.name} is busy with another command")
        try:
            self.still(epoch)
            if not isinstance(command, Rejoin):
                preempt(self, epoch)
            self.world.note("host", self.name, command.name, f"epoch {epoch}")
            evidence: Evidence = yield from _COMMANDS[type(command)](self, epoch, command, end_s)
            return evidence
        finally:
            lock.release()

    def admit(self, epoch: int) -> None:
        """Refuse an epoch below the highest seen; remember it otherwise."""
        if epoch < self.epoch and Sabotage.EPOCH not in self.world.sabotage:
            raise StaleEpoch(f"epoch {epoch} is over: {self.name} has seen {self.epoch}")
        self.epoch = max(self.epoch, epoch)

    def still(self, epoch: int) -> None:
        """Raise when a higher epoch came in the meantime."""
        if epoch < self.epoch and Sabotage.EPOCH not in self.world.sabotage:
            raise StaleEpoch(f"epoch {epoch} ended while the command ran: {self.name} has seen {self.epoch}")

    def remember(self, *, sealed: int | None = None, promoted: int | None = None) -> None:
        """What the host knows of its member: one is void as soon as the other is said."""
        self.sealed_epoch, self.promoted_epoch = sealed, promoted

    def inspect(self, now_s: float) -> HostReport:
        """What it says without touching anything."""
        database = self.database
        said = {Server.STOPPING: Postmaster.STARTING, Server.STARTING: Postmaster.STARTING}
        return HostReport(
            member=self.name,
            at_s=now_s,
            answers=True,
            postmaster=said.get(database.server) or Postmaster(database.server.value),
            fenced=self.fence_epoch is not None,
            epoch=Epoch(self.epoch),
            standby_signal=database.standby_signal,
            redo_lsn=Lsn(0),
            system_identifier="7",
        )

    # Parts of commands

    def session(self, end_s: float, *, patience: float = 0.0) -> Steps[None]:
        """Open a session. Raises EffectRefused when there is none to be had."""
        wait_until_s = self.world.kernel.now_s + (end_s - self.world.kernel.now_s) * patience
        while True:
            database = self.database
            if database.takes_sessions:
                yield TICK_S
                return
            frozen = database.process.frozen
            starting = database.server is Server.STARTING
            if self.world.kernel.now_s >= (end_s if frozen else wait_until_s) or not (frozen or starting):
                raise EffectRefused(f"no session with {self.name}: {database.server}")
            yield 0.05

    def settled(self, life: int, end_s: float) -> Steps[None]:
        """Go on in a session that was opened in `life` of the server. Raises EffectUnknown when it broke."""
        while self.database.process.frozen and self.world.kernel.now_s < end_s:
            yield 0.05
        if self.database.process.life != life or not self.database.takes_sessions:
            raise EffectUnknown(f"the session with {self.name} failed")

    def end_processes(self, end_s: float) -> Steps[None]:
        """Kill. Raises EffectUnknown when a process is left."""
        yield 0.01
        while self.database.process.frozen and self.stubborn:
            if self.world.kernel.now_s >= end_s:
                raise EffectUnknown(f"processes of {self.name} do not die")
            yield 0.1
        self.database.die(quietly=False)
        yield TICK_S

    def position(self) -> Position | None:
        """Where the log of a member ends that is down."""
        return None if self.half_rewound else self.world.told(self.database.wal.position)


def _seal(host: HostAgent, epoch: int, command: Seal, end_s: float) -> Steps[Evidence]:
    database, world = host.database, host.world
    if Sabotage.SEAL in world.sabotage:
        yield TICK_S
        role = SealedRole.STANDBY if database.in_recovery else SealedRole.PRIMARY
        return Sealed(role=role, sealed=True, position=world.told(database.wal.position))
    if database.standby_signal and database.server not in {Server.DOWN, Server.ORPHANS}:
        yield from host.session(end_s, patience=0.6)
        if database.in_recovery:
            return (yield from _seal_standby(host, epoch, end_s))
    running = database.server not in {Server.DOWN, Server.ORPHANS}
    if running and command.if_primary is IfPrimary.REPORT:
        return Sealed(role=SealedRole.PRIMARY, sealed=False, position=None)
    yield from _keep_down(host, epoch, end_s)
    role = SealedRole.PRIMARY if running else SealedRole.DOWN
    return Sealed(role=role, sealed=True, position=host.position(), replay_complete=False)


def _seal_standby(host: HostAgent, epoch: int, end_s: float) -> Steps[Evidence]:
    database, world = host.database, host.world
    life = database.process.life
    database.upstream = None
    if Sabotage.RECEIVER_GONE in world.sabotage:
        early = world.told(database.wal.position)
        host.process.after(0.5, database.drop_receiver)
        yield TICK_S
        return Sealed(role=SealedRole.STANDBY, sealed=True, position=early)
    yield TICK_S * (1 + world.kernel.random.random())
    yield from host.settled(life, end_s)
    database.drop_receiver()
    yield TICK_S
    yield from host.settled(life, end_s)
    host.remember(sealed=epoch)
    return Sealed(
        role=SealedRole.STANDBY,
        sealed=True,
        position=world.told(database.wal.position),
        replayed=Lsn(database.wal.lsn),
    )


def _keep_down(host: HostAgent, epoch: int, end_s: float) -> Steps[None]:
    host.fence_epoch = epoch
    host.remember()
    yield from host.end_processes(end_s)


def _fence(host: HostAgent, epoch: int, _command: Fence, end_s: float) -> Steps[Evidence]:
    yield from _keep_down(host, epoch, end_s)
    return Fenced(position=host.position())


def _stop(host: HostAgent, _epoch: int, _command: Stop, end_s: float) -> Steps[Evidence]:
    database = host.database
    host.remember()
    if database.server in {Server.RUNNING, Server.STARTING}:
        life = database.process.life
        while database.process.frozen or database.server is Server.STARTING:
            if host.world.kernel.now_s >= end_s:
                raise EffectUnknown(f"{host.name} was told to stop and still runs")
            yield 0.05
        if database.process.life != life or database.server is not Server.RUNNING:
            raise EffectUnknown(f"{host.name} ended by itself")
        database.server = Server.STOPPING
        yield 0.02
        waiting, database.waiters = list(database.waiters), type(database.waiters)()
        for _, released in waiting:
            released(False)  # noqa: FBT003 - its session was ended
        if not database.in_recovery:
            database.append()
        while any(stream.down_alive and (stream.flushed or 0) < database.wal.lsn for stream in database.senders):
            if host.world.kernel.now_s >= end_s or database.process.life != life:
                raise EffectUnknown(f"{host.name} was told to stop and still runs")
            yield 0.005
        database.die(quietly=False)
        database.clean = True
    position = host.position()
    if position is None:
        raise EffectRefused(f"the log of {host.name} does not tell where it ends")
    return Stopped(final=position, clean=database.clean)


def _start(host: HostAgent, _epoch: int, _command: Start, end_s: float) -> Steps[Evidence]:
    if host.half_rewound:
        raise EffectRefused(f"the data folder of {host.name} was left half rewound")
    host.fence_epoch = None
    yield from launch(host, end_s)
    if not host.database.takes_sessions:
        raise EffectUnknown(f"{host.name} was started and accepts no sessions yet")
    return Started(in_recovery=host.database.in_recovery)


def launch(host: HostAgent, end_s: float) -> Steps[None]:
    """Start the member where it is down, and wait until it takes sessions or the time is over."""
    database = host.database
    while database.server is Server.ORPHANS:
        if host.world.kernel.now_s >= end_s:
            raise EffectRefused(f"backends of the last postmaster of {host.name} still live")
        yield 0.02
    if database.server is Server.DOWN:
        database.start()
    while not database.takes_sessions and host.world.kernel.now_s < end_s:
        if database.server is Server.DOWN:
            raise EffectRefused(f"{host.name} started and ended at once")
        yield 0.02


def _set_sync(host: HostAgent, _epoch: int, command: SetSync, end_s: float) -> Steps[Evidence]:
    yield from host.session(end_s)
    yield from _change_sync(host, command.sync, end_s)
    return SyncChanged(value=command.sync.setting)


def _change_sync(host: HostAgent, sync: SyncSet, end_s: float) -> Steps[None]:
    database = host.database
    life = database.process.life
    database.sync_on_disk = sync
    yield TICK_S * (1 + 4 * host.world.kernel.random.random())
    yield from host.settled(life, end_s)
    database.set_sync(sync)
    yield TICK_S
    yield from host.settled(life, end_s)


def _promote(host: HostAgent, epoch: int, command: Promote, end_s: float) -> Steps[Evidence]:
    database = host.database
    if database.server in {Server.DOWN, Server.ORPHANS}:
        if host.fence_epoch is None:
            raise EffectRefused(f"{host.name} is down, and was not sealed")
        database.upstream, database.standby_signal = None, True
        yield from _start(host, epoch, Start(), end_s)
    yield from host.session(end_s)
    if database.is_primary:
        if host.promoted_epoch is None and host.sealed_epoch is None:
            raise EffectRefused(f"{host.name} is a primary already, and drctl did not make it one")
        yield from _change_sync(host, command.sync, end_s)
        host.remember(promoted=host.promoted_epoch or host.sealed_epoch)
        return Promoted(position=database.wal.position, already=True)
    if database.upstream is not None or database.receiver is not None:
        if Sabotage.SEAL not in host.world.sabotage and Sabotage.RECEIVER_GONE not in host.world.sabotage:
            raise EffectRefused(f"{host.name} is not sealed: it follows somebody")
        database.upstream = None
    try:
        yield from _change_sync(host, command.sync, end_s)
    except EffectUnknown as error:
        raise EffectRefused(f"not promoted: {error.message}") from error
    host.still(epoch)
    life = database.process.life
    yield 0.01 + 0.05 * host.world.kernel.random.random()
    yield from host.settled(life, end_s)
    database.promote(0 if Sabotage.NUMBERS in host.world.sabotage else command.timeline)
    yield TICK_S
    host.remember(promoted=epoch)
    return Promoted(position=database.wal.position, already=False)


def _follow(host: HostAgent, _epoch: int, command: Follow, end_s: float) -> Steps[Evidence]:
    return (yield from follow(host, command.upstream, end_s))


def follow(host: HostAgent, upstream: MemberName, end_s: float, *, replaced: bool = False) -> Steps[Following]:
    """Stream from `upstream`. Refuses a member that has what the upstream has not."""
    database, world = host.database, host.world
    source = world.databases[upstream]
    if database.server in {Server.DOWN, Server.ORPHANS}:
        if not replaced:
            yield from _check_lineage(host, source, end_s)
        if host.half_rewound:
            raise EffectRefused(f"the data folder of {host.name} was left half rewound")
        host.remember()
        database.upstream, database.standby_signal = upstream, True
        host.fence_epoch = None
        yield from launch(host, end_s)
    else:
        if not database.standby_signal:
            raise EffectRefused(f"{host.name} runs as a primary")
        yield from host.session(end_s)
        if not database.in_recovery:
            raise EffectRefused(f"{host.name} is a primary")
        if database.receiver is None or database.receiver.up is not source:
            yield from _redirect(host, source, end_s)
    wait_until_s = min(end_s, world.kernel.now_s + 2.0)
    while world.kernel.now_s < wait_until_s:
        if database.receiver is not None and database.receiver.up is source:
            return Following(upstream=upstream, streaming=True)
        yield 0.05
    return Following(upstream=upstream, streaming=False, detail="none")


def _redirect(host: HostAgent, source: Database, end_s: float) -> Steps[None]:
    database = host.database
    before = database.upstream
    if before is not None or host.sealed_epoch is None:
        yield from _ask_lineage(host, source, end_s)
        yield from _seal_standby(host, host.sealed_epoch or 0, end_s)
    try:
        yield from _check_lineage(host, source, end_s)
    except EffectRefused:
        if before is not None:
            host.remember()
            database.upstream = before
        raise
    host.remember()
    host.fence_epoch = None
    database.upstream = source.name
    database.drop_receiver()
    database.process.after(0.0, database.dial)


def _ask_lineage(host: HostAgent, source: Database, end_s: float) -> Steps[None]:
    network = host.world.network
    wait_until_s = min(end_s, host.world.kernel.now_s + 2.5)
    yield TICK_S
    while not (network.both(host.center, source.center) and source.takes_sessions):
        refused = network.both(host.center, source.center) and not source.process.frozen
        if refused or host.world.kernel.now_s >= wait_until_s:
            raise EffectRefused(f"{source.name} does not tell its history, so {host.name} is not pointed at it")
        yield 0.1


def _check_lineage(host: HostAgent, source: Database, end_s: float) -> Steps[None]:
    yield from _ask_lineage(host, source, end_s)
    wal = host.database.wal
    shared = wal.shared_by_numbers(source.wal)
    if shared is None or wal.lsn > shared:
        raise EffectRefused(f"{host.name} has WAL up to {wal} and shares what is before {shared} with {source.name}")


def _checkpoint(host: HostAgent, _epoch: int, _command: Checkpoint, end_s: float) -> Steps[Evidence]:
    yield from host.session(end_s)
    life = host.database.process.life
    yield 0.02
    yield from host.settled(life, end_s)
    return Checked(detail="checkpoint written")


def _rejoin(host: HostAgent, epoch: int, command: Rejoin, _end_s: float) -> Steps[Evidence]:
    yield TICK_S
    if host.job is not None and host.job.state == "running" and host.job.epoch < epoch:
        preempt(host, epoch)
    return ask(host, epoch, command)


_COMMANDS: Mapping[type[Any], Callable[[HostAgent, int, Any, float], Steps[Evidence]]] = {
    Seal: _seal,
    Fence: _fence,
    Stop: _stop,
    Start: _start,
    SetSync: _set_sync,
    Promote: _promote,
    Follow: _follow,
    Checkpoint: _checkpoint,
    Rejoin: _rejoin,
}
