"""Clients: they write all the time, to whoever takes writes, and go around every router."""

from __future__ import annotations

from typing import TYPE_CHECKING

from drctl.model.identity import CenterName, MemberName

if TYPE_CHECKING:
    from chaos.simulation.database import Database
    from chaos.simulation.world import World

PAUSE_S = 0.25


class ClientProgram:
    """One client of one center. It does not wait for one commit before it sends the next."""

    def __init__(self, world: World, center: CenterName) -> None:
        self._world = world
        self.center = center
        self._member: MemberName | None = None
        self.sent = 0
        self.acknowledged = 0
        self.last_acked_at_s = 0.0
        world.kernel.after(PAUSE_S * world.kernel.random.random(), self._work)

    def _work(self) -> None:
        world = self._world
        world.kernel.after(PAUSE_S * (0.5 + world.kernel.random.random()), self._work)
        if not world.powered(self.center):
            return
        name = self._member or world.kernel.random.choice(world.names)
        database = world.databases[name]
        if not world.network.both(self.center, database.center) or not world.powered(database.center):
            self._member = None
            return
        world.network.carry(self.center, database.center, database.process.arrive, self._arrive, database)

    def _arrive(self, database: Database) -> None:
        if not database.is_primary:
            self._member = None
            return
        self._member = database.name
        self.sent += 1
        database.commit(self._ended)

    def _ended(self, acknowledged: bool) -> None:  # noqa: FBT001 - what a database says of a commit
        if acknowledged:
            self.acknowledged += 1
            self.last_acked_at_s = self._world.kernel.now_s
        else:
            self._member = None
