"""A simulated ZooKeeper: servers with a quorum or without, sessions that expire, one tree, compare and set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from itertools import count
from typing import TYPE_CHECKING

from drctl.model.errors import EffectRefused, InvalidInput, LeadershipLost, StaleEpoch
from drctl.model.identity import CenterName, GroupName, RunId
from drctl.model.report import ObserverReport
from drctl.model.request import Request, RequestAnswer
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.ports import GroupState

if TYPE_CHECKING:
    from chaos.simulation.world import World

SESSION_TIMEOUT_S = 2.0
SYNC_LIMIT_S = 1.0
"""How long a server that lost the quorum goes on answering pings."""
ELECTION_MIN_S = 0.2
ELECTION_SPREAD_S = 0.8
REQUESTS_MAX = 64


@dataclass(slots=True)
class Server:
    """One voter."""

    center: CenterName
    alive: bool = True
    linked_at_s: float = 0.0
    """When it was part of the quorum last."""


@dataclass(slots=True)
class Session:
    """A client's session, as the quorum knows it."""

    id: int
    touched_at_s: float


@dataclass(slots=True)
class Stored:
    """What is stored of one group."""

    record: GroupRecord
    record_version: int = 0
    run: Run | None = None
    run_version: int = 0
    paused: bool = False
    requests: dict[str, Request] = field(default_factory=dict)
    answers: dict[str, RequestAnswer] = field(default_factory=dict)
    history: list[Run] = field(default_factory=list)


class Ensemble:
    """All servers and the tree. Writes are atomic and in one order, as the quorum decides."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.servers = {center: Server(center) for center in world.centers}
        self.leader: CenterName | None = world.centers[-1]
        self._leaderless_since_s = 0.0
        self._election_s = 0.0
        self.sessions: dict[int, Session] = {}
        self.groups: dict[GroupName, Stored] = {}
        self.candidates: dict[int, tuple[int, CenterName]] = {}
        """Sequence number -> session and center."""
        self.reports: dict[CenterName, tuple[int, ObserverReport]] = {}
        self.watchers: list[Callable[[], None]] = []
        self._numbers = count(1)

    # The quorum

    def serves(self, center: CenterName) -> bool:
        """Whether the server of `center` is part of the quorum now."""
        return self.leader is not None and self._linked(center, self.leader)

    def answers(self, center: CenterName) -> bool:
        """Whether the server of `center` answers pings: for a while also without the quorum."""
        server = self.servers[center]
        return server.alive and (self.serves(center) or self._world.kernel.now_s - server.linked_at_s < SYNC_LIMIT_S)

    def look(self) -> None:
        """Now and then: does the leader still have a majority, and who has not been heard of?"""
        now_s, random = self._world.kernel.now_s, self._world.kernel.random
        if self.leader is not None and not self._has_majority(self.leader):
            self.leader = None
            self._leaderless_since_s = now_s
            self._election_s = SYNC_LIMIT_S + ELECTION_MIN_S + ELECTION_SPREAD_S * random.random()
        if self.leader is None and now_s - self._leaderless_since_s >= self._election_s:
            able = [center for center in self.servers if self._has_majority(center)]
            if able:
                self.leader = random.choice(able)
                for session in self.sessions.values():
                    session.touched_at_s = now_s
        if self.leader is None:
            return
        for center, server in self.servers.items():
            if self._linked(center, self.leader):
                server.linked_at_s = now_s
        for session in tuple(self.sessions.values()):
            if now_s - session.touched_at_s > SESSION_TIMEOUT_S:
                self.end_session(session.id)

    def _linked(self, one: CenterName, other: CenterName) -> bool:
        return self.servers[one].alive and self.servers[other].alive and self._world.network.both(one, other)

    def _has_majority(self, center: CenterName) -> bool:
        return sum(self._linked(center, other) for other in self.servers) * 2 > len(self.servers)

    # Sessions

    def new_session(self) -> int:
        """Begin one."""
        number = next(self._numbers)
        self.sessions[number] = Session(number, self._world.kernel.now_s)
        return number

    def end_session(self, session: int) -> None:
        """Its nodes vanish."""
        self.sessions.pop(session, None)
        self.candidates = {number: who for number, who in self.candidates.items() if who[0] != session}
        self.reports = {center: told for center, told in self.reports.items() if told[0] != session}
        self.tell()

    def tell(self) -> None:
        """Every watch fires."""
        for watcher in self.watchers:
            watcher()

    def stand(self, session: int, center: CenterName) -> None:
        """A candidate's node, unless it stands already."""
        if session in self.sessions and all(who[0] != session for who in self.candidates.values()):
            self.candidates[next(self._numbers)] = (session, center)
            self.tell()

    def withdraw(self, session: int) -> None:
        """The candidate's node goes."""
        self.candidates = {number: who for number, who in self.candidates.items() if who[0] != session}
        self.tell()

    def lowest(self) -> tuple[int, int, CenterName] | None:
        """The number, session and center of whoever leads; None when nobody stands."""
        if not self.candidates:
            return None
        number = min(self.candidates)
        return (number, *self.candidates[number])

    def report(self, session: int, report: ObserverReport) -> None:
        """An observer's node."""
        if session in self.sessions:
            self.reports[report.center] = (session, report)
            self.tell()

    # Groups

    def state(self, group: GroupName) -> GroupState:
        """A consistent reading."""
        stored = self.groups.get(group)
        if stored is None:
            return GroupState(record=None, run=None)
        return GroupState(
            record=replace(stored.record, version=stored.record_version, paused=stored.paused),
            run=None if stored.run is None else replace(stored.run, journal_version=stored.run_version),
            requests=tuple(stored.requests.values()),
        )

    def create(self, record: GroupRecord) -> GroupRecord:
        """The first record."""
        if record.group in self.groups:
            raise EffectRefused(f"group {record.group} is in ZooKeeper already")
        self.groups[record.group] = Stored(record=record)
        self.tell()
        return replace(record, version=0)

    def write(
        self, guard: int, *, record: GroupRecord | None, run: Run, ended: Run | None = None, finish: bool = False
    ) -> tuple[GroupRecord | None, Run]:
        """One transaction of a leader: guard, record, journal, history."""
        if guard not in self.candidates:
            raise LeadershipLost("this controller's node in the election is gone: another one may lead")
        stored = self.groups[run.group]
        expected = run.journal_version if ended is None else ended.journal_version
        if record is not None and record.version != stored.record_version:
            raise StaleEpoch("the record has changed in ZooKeeper since it was read")
        # A journal that was never stored replaces whatever is there: nothing, at rest.
        if expected not in {-1, stored.run_version}:
            raise StaleEpoch("the journal has changed in ZooKeeper since it was read")
        old = (ended,) if ended is not None else (run,) if finish else ()
        if any(one.id == kept.id for one in old for kept in stored.history):
            raise StaleEpoch("the run is in the history already")
        before = stored.record
        if record is not None:
            stored.record = replace(record, version=-1, paused=False)
            stored.record_version += 1
        stored.run = None if finish else run
        stored.run_version += 1
        stored.history += old
        if record is not None:
            self._world.oracle.recorded(before, stored.record)
        self.tell()
        kept = None if record is None else replace(stored.record, version=stored.record_version, paused=stored.paused)
        return kept, replace(run, journal_version=stored.run_version)

    def set_paused(self, group: GroupName, *, paused: bool) -> None:
        """Pause or resume."""
        if group not in self.groups:
            raise InvalidInput(f"group {group} is not in ZooKeeper")
        self.groups[group].paused = paused
        self.tell()

    def submit(self, request: Request) -> Request:
        """An operator's request."""
        stored = self.groups.get(request.group)
        if stored is None:
            raise InvalidInput(f"group {request.group} is not in ZooKeeper")
        if len(stored.requests) >= REQUESTS_MAX:
            raise EffectRefused("too many requests wait for an answer already")
        request = replace(request, id=f"r{next(self._numbers):010}")
        stored.requests[request.id] = request
        self.tell()
        return request

    def answer(self, guard: int, group: GroupName, answer: RequestAnswer) -> None:
        """Answer a request, once."""
        if guard not in self.candidates:
            raise LeadershipLost("this controller's node in the election is gone: another one may lead")
        stored = self.groups[group]
        if answer.request not in stored.requests:
            raise EffectRefused(f"request {answer.request} is not open")
        del stored.requests[answer.request]
        stored.answers[answer.request] = answer
        self.tell()

    def find_run(self, run: RunId) -> Run | None:
        """A run, current or finished."""
        for stored in self.groups.values():
            for one in (stored.run, *stored.history):
                if one is not None and one.id == run:
                    return one
        return None
