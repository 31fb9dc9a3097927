"""A simulated PostgreSQL: its log, commits that wait for standbys, promotion, death and return."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from enum import StrEnum
from typing import TYPE_CHECKING

from chaos.simulation.kernel import Process
from chaos.simulation.replication import Stream
from chaos.simulation.wal import Branch, Wal
from drctl.model.identity import CenterName, MemberName
from drctl.model.rule import SyncSet

if TYPE_CHECKING:
    from chaos.simulation.world import World

RECOVERY_MIN_S = 0.05
RECOVERY_SPREAD_S = 0.6
ORPHANS_S = 0.3


class Server(StrEnum):
    """What there is of processes."""

    DOWN = "down"
    STARTING = "starting"
    RUNNING = "running"
    STOPPING = "stopping"
    ORPHANS = "orphans"


class Database:
    """One member: its disk, which outlives everything, and the server on it."""

    def __init__(self, world: World, name: MemberName, center: CenterName) -> None:
        self.world = world
        self.name = name
        self.center = center
        self.process = Process(world.kernel, f"postgres of {name}")
        # On disk
        self.wal = Wal(world.first_branch, 1000)
        self.standby_signal = True
        self.upstream: MemberName | None = None
        """Whom `primary_conninfo` names; None when it is empty."""
        self.sync_on_disk: SyncSet | None = None
        self.clean = False
        """Whether it was stopped in order."""
        self.emptied = False
        """Whether a person has emptied `synchronous_standby_names`, and nobody has put it back."""
        # In memory
        self.server = Server.DOWN
        self.in_recovery = True
        self.sync: SyncSet | None = None
        """`synchronous_standby_names` as commits are judged by it; None when it is empty."""
        self.receiver: Stream | None = None
        self.dialling: object | None = None
        self.senders: list[Stream] = []
        self.waiters: deque[tuple[int, Callable[[bool], None]]] = deque()
        self.started_at_s = 0.0

    @property
    def takes_sessions(self) -> bool:
        """Whether it answers a session at this moment."""
        return self.server is Server.RUNNING and self.process.runs

    @property
    def is_primary(self) -> bool:
        """Whether it takes writes, as far as it knows."""
        return self.server is Server.RUNNING and not self.in_recovery

    # Commits

    def commit(self, released: Callable[[bool], None]) -> None:
        """Flush a commit here, and wait for the standbys; `released` is told whether it was acknowledged."""
        if not self.is_primary:
            released(False)  # noqa: FBT003 - not acknowledged
            return
        lsn = self.append()
        if self.sync is None:
            self._acknowledge(lsn, released)
        else:
            self.waiters.append((lsn, released))

    def append(self) -> int:
        """Write one record, and send it."""
        self.wal = Wal(self.wal.branch, self.wal.lsn + 1)
        for stream in self.senders:
            stream.send()
        return self.wal.lsn

    def set_sync(self, sync: SyncSet | None) -> None:
        """Let commits be judged by another setting; an empty one lets all that wait go, as PostgreSQL does."""
        self.sync = None if sync is None or sync.alone else sync
        self.emptied = self.emptied and self.sync is None
        if self.sync is None:
            self._release_up_to(self.wal.lsn)

    def release(self) -> None:
        """A standby has confirmed something: let go what enough of them have."""
        sync = self.sync
        if sync is None or not self.is_primary or not self.waiters:
            return
        flushed = sorted(
            {stream.name: stream.flushed for stream in self.senders if stream.flushed and stream.name in sync.members}
            .values(),
            reverse=True,
        )  # fmt: skip
        if len(flushed) >= sync.count:
            self._release_up_to(flushed[sync.count - 1])

    def _release_up_to(self, lsn: int) -> None:
        while self.waiters and self.waiters[0][0] <= lsn:
            self._acknowledge(*self.waiters.popleft())

    def _acknowledge(self, lsn: int, released: Callable[[bool], None]) -> None:
        self.world.oracle.acknowledged(self, Wal(self.wal.branch, lsn))
        released(True)  # noqa: FBT003 - acknowledged

    # Receiving

    def dial(self) -> None:
        """Try to stream from the upstream."""
        if self.upstream is None or self.receiver is not None or not self.takes_sessions or not self.in_recovery:
            return
        upstream = self.world.databases[self.upstream]
        if not self.world.powered(upstream.center):
            return
        attempt = self.dialling = object()
        self.world.network.carry(
            self.center, upstream.center, upstream.process.arrive, upstream.dialled, self, attempt, self.wal, keep_s=0.0
        )

    def dialled(self, standby: Database, attempt: object, wal: Wal) -> None:
        """A standby asks for our log from where its own ends."""
        if self.server is not Server.RUNNING:
            return
        stream = Stream(self, standby)
        kinship = stream.examine(wal)
        if kinship is None:
            return
        self.senders.append(stream)
        self.world.network.carry(
            self.center, standby.center, standby.process.arrive, standby.picked_up, stream, attempt
        )

    def picked_up(self, stream: Stream, attempt: object) -> None:
        """The upstream answers."""
        wanted = self.dialling is attempt and self.server is Server.RUNNING and self.in_recovery
        if not wanted or self.receiver is not None or not stream.up_alive:
            stream.close_down()
            return
        self.dialling = None
        self.receiver = stream
        stream.begin()

    def received(self, wal: Wal) -> bool:
        """Write what came from the upstream; whether it fits onto what is here."""
        if wal.branch is self.wal.branch:
            if wal.lsn > self.wal.lsn:
                self.wal = wal
        elif wal.has(self.wal):
            self.wal = wal
        else:
            return self.wal.has(wal)
        for stream in self.senders:
            stream.send()
        return True

    def drop_receiver(self) -> None:
        """End the receiver, and every attempt to have one."""
        self.dialling = None
        if self.receiver is not None:
            self.receiver.close_down()

    # Life

    def start(self) -> None:
        """The postmaster is started."""
        assert self.server is Server.DOWN, f"{self.name} is {self.server}"
        if not self.process.alive:
            self.process.start()
        self.server = Server.STARTING
        self.in_recovery, self.clean = True, False
        recovery_s = RECOVERY_MIN_S + RECOVERY_SPREAD_S * self.world.kernel.random.random() ** 2
        self.process.after(recovery_s, self._started)

    def _started(self) -> None:
        self.server = Server.RUNNING
        self.in_recovery = self.standby_signal
        self.sync = None
        self.set_sync(self.sync_on_disk)
        self.started_at_s = self.world.kernel.now_s
        if not self.in_recovery:
            self.append()
        self.world.note("started", self.name, "standby" if self.in_recovery else "PRIMARY", self.wal)

    def promote(self, number_min: int) -> None:
        """Leave recovery: a new branch, whose number is one higher than any that is known here, or as high as asked for."""
        assert self.in_recovery, f"{self.name} is a primary"
        self.drop_receiver()
        old = self.wal
        self.wal = Wal(
            Branch(number=max(old.branch.number + 1, number_min), parent=old.branch, fork_lsn=old.lsn), old.lsn
        )
        self.in_recovery = False
        self.standby_signal = False
        self.append()
        self.world.note("promoted", self.name, self.wal, self.sync)
        self.world.oracle.promoted(self)

    def die(self, *, quietly: bool, orphans: bool = False) -> None:
        """Every process ends. A host that loses power says nothing to the others; a kernel that lives closes sockets."""
        if self.server is Server.DOWN:
            return
        self.server = Server.ORPHANS if orphans else Server.DOWN
        self.process.kill()
        self.dialling = None
        waiting, self.waiters = self.waiters, deque()
        for stream in tuple(self.senders):
            stream.close_up(quietly=quietly)
        if self.receiver is not None:
            self.receiver.close_down(quietly=quietly)
        if not quietly:
            for _, released in waiting:
                released(False)  # noqa: FBT003 - its session ended
            self.world.connections_broke(self)
        if orphans:
            self.process.start()
            self.process.after(ORPHANS_S, self._orphans_end)

    def _orphans_end(self) -> None:
        if self.server is Server.ORPHANS:
            self.server = Server.DOWN
            self.process.kill()
