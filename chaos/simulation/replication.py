"""A walsender, a walreceiver, and what is on its way between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.simulation.wal import Wal

if TYPE_CHECKING:
    from chaos.simulation.database import Database

DARK_S = 4.0
"""After which either end gives up a link that carries nothing: keepalives, tcp_user_timeout."""
SAME_SEGMENT = 0.7
"""How likely a diverged standby's start lies in the segment of the fork, so that the upstream does not see it."""
SHORT_S = 0.03
"""How long a diverged standby is "streaming" before it finds out."""


class Stream:
    """One replication connection. Each end knows only of itself whether it lives."""

    __slots__ = ("_told", "dark_since_s", "down", "down_alive", "flushed", "heard_at_s", "poisoned", "up", "up_alive")

    def __init__(self, up: Database, down: Database) -> None:
        self.up = up
        self.down = down
        self.up_alive = True
        self.down_alive = True
        self.flushed: int | None = None
        """What the standby confirmed on this connection, as the upstream knows it; None before it did."""
        self.heard_at_s = up.world.kernel.now_s
        """When the standby heard from the upstream last."""
        self.dark_since_s: float | None = None
        self.poisoned = False
        """The standby's history is another one that calls itself the same: it confirms what it cannot use."""
        self._told: Wal | None = None

    @property
    def name(self) -> str:
        """The standby's `application_name`."""
        return self.down.name

    def examine(self, wal: Wal) -> str | None:
        """What becomes of a standby whose log ends at `wal`; None when it is turned away."""
        up = self.up
        if up.wal.has(wal):
            return "fits"
        shared = wal.shared_by_numbers(up.wal)
        if shared is not None and wal.lsn <= shared:
            self.poisoned = True
            return "poisoned"
        if shared is None or not up.world.kernel.chance(SAME_SEGMENT):
            return None
        # PostgreSQL takes what a diverged standby reports for an acknowledgement, before either notices.
        self.flushed = wal.lsn
        up.process.after(SHORT_S, self.close_up)
        up.process.after(0.0, up.release)
        return "diverged"

    def begin(self) -> None:
        """The receiver runs: it says where it is, and gets what it lacks."""
        self.heard_at_s = self.up.world.kernel.now_s
        self._confirm(self.down.wal.lsn)
        if self.up_alive:
            self.send()

    def send(self) -> None:
        """Let the standby have everything up to now."""
        wal = self.up.wal
        if self._told is wal:
            return
        self._told = wal
        up, down = self.up, self.down
        up.world.network.carry(up.center, down.center, down.process.arrive, self._receive, wal)

    def _receive(self, wal: Wal) -> None:
        if not self.down_alive or self.down.receiver is not self:
            return
        self.heard_at_s = self.up.world.kernel.now_s
        if self.poisoned:
            self._confirm(wal.lsn)
        elif self.down.received(wal):
            self._confirm(self.down.wal.lsn)
        else:
            self.close_down()

    def _confirm(self, lsn: int) -> None:
        up, down = self.up, self.down
        up.world.network.carry(down.center, up.center, up.process.arrive, self._confirmed, lsn)

    def _confirmed(self, lsn: int) -> None:
        if self.up_alive and (self.flushed is None or lsn > self.flushed):
            self.flushed = lsn
            self.up.release()

    def close_up(self, *, quietly: bool = False) -> None:
        """The walsender ends."""
        if not self.up_alive:
            return
        self.up_alive = False
        self.up.senders.remove(self)
        if not quietly:
            network, down = self.up.world.network, self.down
            network.carry(self.up.center, down.center, down.process.arrive, self.close_down)

    def close_down(self, *, quietly: bool = False) -> None:
        """The walreceiver ends."""
        if not self.down_alive:
            return
        self.down_alive = False
        if self.down.receiver is self:
            self.down.receiver = None
        if not quietly:
            network, up = self.up.world.network, self.up
            network.carry(self.down.center, up.center, up.process.arrive, self.close_up)

    def look(self) -> None:
        """Now and then: give up a link that is dark, and an end that is nobody's any more."""
        world = self.up.world
        linked = world.network.both(self.up.center, self.down.center)
        whole = self.up_alive and self.down_alive and world.powered(self.up.center) and world.powered(self.down.center)
        if linked and whole:
            self.dark_since_s = None
            return
        if self.dark_since_s is None:
            self.dark_since_s = world.kernel.now_s
        elif world.kernel.now_s - self.dark_since_s > DARK_S:
            if self.down_alive and self.down.process.runs:
                self.close_down(quietly=True)
            if self.up_alive and self.up.process.runs:
                self.close_up(quietly=True)
