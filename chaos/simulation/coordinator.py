"""A controller's side of the simulated ZooKeeper: its session, its memory, its place in the election."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, TypeVar

from chaos.simulation.ensemble import SESSION_TIMEOUT_S
from chaos.simulation.kernel import Future, Process, Steps, Wait
from drctl.controller.tick import Coordination
from drctl.model.errors import DrctlError, EffectUnknown, LeadershipLost, Unreachable
from drctl.model.identity import CenterName, GroupName
from drctl.model.report import ObserverReport
from drctl.model.request import RequestAnswer
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.ports import GroupState

if TYPE_CHECKING:
    from chaos.simulation.world import World

T = TypeVar("T")
SILENT_S = SESSION_TIMEOUT_S * 2 / 3
"""After which a client gives up the server that it is connected to."""
READ_S = 0.003
BROKEN = 0.004
"""How often a connection breaks for no reason during a write."""
NOTHING = GroupState(record=None, run=None)


class Client:
    """One start of one controller, as ZooKeeper's client library and drctl's memory see it."""

    def __init__(self, world: World, process: Process, center: CenterName, changed: Callable[[], None]) -> None:
        self._world = world
        self._process = process
        self.center = center
        self._changed = changed
        self.server = center
        self.session: int | None = None
        self.connected = False
        self._heard_at_s = 0.0
        self._era = 0
        self.wish = False
        self.own_number: int | None = None
        """The own node, seen as the lowest on this connection."""
        self.leader: CenterName | None = None
        self._states: dict[GroupName, GroupState] = {}
        self._reports: dict[CenterName, ObserverReport] = {}
        self._report: ObserverReport | None = None
        self._writes = 0
        self._reading = False
        world.ensemble.watchers.append(self.touched)

    @property
    def leading(self) -> bool:
        """Whether the own node was the lowest on this very connection."""
        return self.wish and self.own_number is not None and self.connected

    def coordination(self) -> Coordination:
        """What a pass of the controller reads, from memory."""
        return Coordination(
            connected=self.connected,
            leading=self.leading,
            leader=self.leader if self.connected else None,
            groups={group.name: self.state(group.name) for group in self._world.topology.groups},
            observers=self._reports,
        )

    def state(self, group: GroupName) -> GroupState:
        """The last known state."""
        return self._states.get(group, NOTHING)

    @property
    def observers(self) -> dict[CenterName, ObserverReport]:
        """The last known reports."""
        return self._reports

    # The session

    def beat(self) -> None:
        """Now and then: ping, or look for another server."""
        ensemble, network, now_s = self._world.ensemble, self._world.network, self._world.kernel.now_s
        if not self.connected:
            if self._world.kernel.chance(0.6):
                self._connect()
            return
        if network.both(self.center, self.server) and ensemble.answers(self.server):
            if self.session not in ensemble.sessions:
                self._suspend()
                return
            self._heard_at_s = now_s
            if ensemble.serves(self.server):
                assert self.session is not None, "a connection is of a session"
                ensemble.sessions[self.session].touched_at_s = now_s
        elif now_s - self._heard_at_s > SILENT_S or (
            network.both(self.center, self.server)
            and not ensemble.servers[self.server].alive
            and self._world.powered(self.server)
        ):
            self._suspend()

    def _connect(self) -> None:
        ensemble = self._world.ensemble
        others = [center for center in self._world.centers if center != self.center]
        self._world.kernel.random.shuffle(others)
        for server in (self.center, *others):
            if self._world.network.both(self.center, server) and ensemble.serves(server):
                break
        else:
            return
        if self.session not in ensemble.sessions:
            self.session = ensemble.new_session()
        self.server, self.connected = server, True
        self._heard_at_s = self._world.kernel.now_s
        self._era += 1
        self.own_number = self.leader = None
        self._take_part()
        if self._report is not None:
            self._in_quorum(ensemble.report, self.session, self._report)
        self.touched()
        self._changed()

    def _suspend(self) -> None:
        self.connected = False
        self.own_number = None
        self._changed()

    def close(self) -> None:
        """The process is gone; the session is not, until it expires or is ended."""
        self.connected = False
        if self.touched in self._world.ensemble.watchers:
            self._world.ensemble.watchers.remove(self.touched)

    def campaign(self, *, wish: bool) -> None:
        """Stand for election, or step down."""
        self.wish = wish
        if not wish:
            self.own_number = None
        if self.connected:
            self._take_part()

    def _take_part(self) -> None:
        ensemble = self._world.ensemble
        if self.wish:
            self._in_quorum(ensemble.stand, self.session, self.center)
        else:
            self._in_quorum(ensemble.withdraw, self.session)

    def _in_quorum(self, action: Callable[..., None], *args: object) -> None:
        """Do something that needs no answer."""

        def there() -> None:
            if self._world.ensemble.serves(self.server):
                action(*args)

        self._world.network.carry(self.center, self.server, there, keep_s=0.0)

    # Memory

    def touched(self) -> None:
        """A watch fired: read again, soon."""
        if self._reading or not self.connected:
            return
        self._reading = True
        self._process.after(READ_S * (0.5 + self._world.kernel.random.random()), self._read)

    def _read(self) -> None:
        ensemble = self._world.ensemble
        self._reading = False
        if not self.connected:
            return
        if not (self._world.network.both(self.center, self.server) and ensemble.serves(self.server)):
            # Nothing is read until the link is back, or another server is found.
            self._reading = True
            self._process.after(0.1, self._read)
            return
        lowest = ensemble.lowest()
        standing = any(session == self.session for session, _ in ensemble.candidates.values())
        if standing != self.wish:
            self._take_part()
        self.leader = None if lowest is None else lowest[2]
        self.own_number = lowest[0] if lowest is not None and lowest[1] == self.session else None
        self._reports = {center: told[1] for center, told in sorted(ensemble.reports.items())}
        self._states = {group.name: ensemble.state(group.name) for group in self._world.topology.groups}
        self._changed()

    # Writes

    def guard(self) -> int:
        """What a leader's write depends on. Raises LeadershipLost, Unreachable."""
        if not self.connected:
            raise Unreachable("ZooKeeper does not answer: there is no connection")
        if not self.leading or self.own_number is None:
            raise LeadershipLost("this controller does not lead")
        return self.own_number

    def write(self, there: Callable[[], T], deadline_s: float) -> Steps[T]:
        """Let `there` happen at the quorum, once or, when the connection breaks, perhaps."""
        if not self.connected:
            raise Unreachable("ZooKeeper does not answer: there is no connection")
        world, era, server = self._world, self._era, self.server
        answer: Future[tuple[T | None, DrctlError | None]] = Future()
        broken = world.kernel.random.random()

        def at_the_server() -> None:
            if not world.ensemble.serves(server):
                return
            if broken < BROKEN / 2:
                return
            try:
                said: tuple[T | None, DrctlError | None] = (there(), None)
            except DrctlError as error:
                said = (None, error)
            if broken >= BROKEN:
                world.network.carry(server, self.center, answer.set, said, keep_s=0.0)

        world.network.carry(self.center, server, at_the_server, keep_s=1.0)
        if broken < BROKEN:
            yield 0.01
            if self._era == era:
                self._suspend()
            raise EffectUnknown("the connection to ZooKeeper broke")
        left_s = deadline_s
        while not answer.done and left_s > 0 and self.connected and self._era == era:  # type: ignore[redundant-expr] # a generator: others act while it waits
            came = yield Wait(answer, min(left_s, 0.25))
            left_s -= 0.25
            if came:
                break
        if answer.value is None:
            raise EffectUnknown("ZooKeeper did not answer")
        value, failure = answer.value
        if failure is not None:
            if isinstance(failure, LeadershipLost):
                self.own_number = None
            self.touched()
            raise failure
        return value  # type: ignore[return-value]

    def store(
        self, record: GroupRecord | None, run: Run, *, ended: Run | None, finish: bool, deadline_s: float
    ) -> Steps[tuple[GroupRecord | None, Run]]:
        """A leader's transaction, remembered at once when it went through."""
        guard = self.guard()
        ensemble = self._world.ensemble
        stored = yield from self.write(
            lambda: ensemble.write(guard, record=record, run=run, ended=ended, finish=finish), deadline_s
        )
        known = self.state(run.group)
        kept = stored[0] or known.record
        newer = known.record is None or kept is None or kept.version >= known.record.version
        if newer:
            self._states[run.group] = replace(known, record=kept, run=None if finish else stored[1])
        return stored

    def answer(self, group: GroupName, answer: RequestAnswer, deadline_s: float) -> Steps[None]:
        """Answer a request, as the leader."""
        guard = self.guard()
        yield from self.write(lambda: self._world.ensemble.answer(guard, group, answer), deadline_s)
        known = self.state(group)
        self._states[group] = replace(known, requests=tuple(one for one in known.requests if one.id != answer.request))

    def publish(self, report: ObserverReport, deadline_s: float) -> Steps[None]:
        """Tell it now, and again after every new session."""
        self._report = report
        session = self.session
        assert session is not None or not self.connected, "a connection has a session"
        yield from self.write(lambda: self._world.ensemble.report(session or 0, report), deadline_s)
