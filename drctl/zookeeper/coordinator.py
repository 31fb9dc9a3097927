"""The Coordinator port over ZooKeeper: who is made of what."""

from __future__ import annotations

from contextlib import contextmanager
from enum import Enum
from typing import TYPE_CHECKING

from drctl.model.errors import DrctlError, LeadershipLost, Unreachable
from drctl.zookeeper.audit import AuditNodes
from drctl.zookeeper.election import Election
from drctl.zookeeper.groups import Groups
from drctl.zookeeper.journal import Journal
from drctl.zookeeper.observers import Observers
from drctl.zookeeper.paths import Paths
from drctl.zookeeper.records import Candidate
from drctl.zookeeper.refresh import Refresh
from drctl.zookeeper.requests import Requests
from drctl.zookeeper.session import Session

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from drctl.model.identity import CenterName, GroupName, RunId
    from drctl.model.policy import Policy
    from drctl.model.report import ObserverReport
    from drctl.model.request import Request, RequestAnswer
    from drctl.model.rule import GroupRecord
    from drctl.model.run import Run
    from drctl.model.topology import Address
    from drctl.ports import Clock, GroupState


class Presence(Enum):
    """Who uses the coordinator."""

    RESIDENT = "resident"
    """A controller: watches, and may stand for election."""
    VISITOR = "visitor"
    """A command: reads once, asks, and leaves; `refresh` reads again."""


class ZooKeeperCoordinator:
    """Coordinator over ZooKeeper. Every method may be called from any thread."""

    def __init__(
        self,
        *,
        hosts: tuple[Address, ...],
        root: str,
        cluster: str,
        center: CenterName,
        incarnation: str,
        session_timeout_s: float,
        groups: Mapping[GroupName, Policy],
        clock: Clock,
        presence: Presence = Presence.RESIDENT,
        centers: tuple[CenterName, ...] = (),
    ) -> None:
        """`hosts` in the order of preference, the own center's first. Numbers, not names: a dead name server stalls.

        `centers` are those that keep a copy of the audit chain.
        """
        self._resident = presence is Presence.RESIDENT
        self._groups_known = frozenset(groups)
        self._timeout_s = session_timeout_s
        self._now_s = clock.now_s
        self._paths = Paths(root=root, cluster=cluster)
        self._session = Session(
            hosts=hosts,
            session_timeout_s=session_timeout_s,
            now_s=clock.now_s,
            moved=self._on_moved,
            touched=self._on_touched if self._resident else None,
        )
        candidate = Candidate(center=center, incarnation=incarnation) if self._resident else None
        self._election = Election(session=self._session, paths=self._paths, candidate=candidate, now_s=clock.now_s)
        self._observers = Observers(session=self._session, paths=self._paths, center=center, now_s=clock.now_s)
        self._groups = Groups(self._session, self._paths, clock.now_s)
        self._journal = Journal(
            session=self._session, paths=self._paths, election=self._election, policies=groups, now_s=clock.now_s
        )
        self._requests = Requests(
            session=self._session, paths=self._paths, election=self._election, policies=groups, now_s=clock.now_s
        )
        self._chain = AuditNodes(session=self._session, paths=self._paths, centers=centers, now_s=clock.now_s)
        self._refresh = Refresh(
            session=self._session,
            paths=self._paths,
            election=self._election,
            observers=self._observers,
            groups=self._groups,
            journal=self._journal,
            known=groups,
            now_s=clock.now_s,
        )

    # The session

    def start(self, *, deadline_s: float) -> None:
        """Connect and read. A controller goes on in the background; a visitor gets Unreachable instead."""
        end_s = self._now_s() + deadline_s
        connected = self._session.start(deadline_s=deadline_s)
        if self._resident:
            self._refresh.start()
            self._refresh.wait_fresh(end_s - self._now_s())
        elif connected:
            self.refresh(deadline_s=end_s - self._now_s())
        else:
            raise Unreachable(
                "no ZooKeeper server answers",
                remedy="is a majority of them up? On each center: echo srvr | nc 127.0.0.1 2181",
            )

    def close(self) -> None:
        """End the session, so that the next leader need not wait for it to expire."""
        self._refresh.stop()
        self._session.close()
        self._refresh.join()

    def connected(self) -> bool:
        """Whether the session is connected and what is in memory is kept fresh."""
        return self._session.connected() and (self._refresh.alive or not self._resident)

    @property
    def negotiated_timeout_s(self) -> float | None:
        """The session timeout that the servers granted; None before the first connection."""
        return self._session.granted_timeout_s

    def timeout_complaint(self) -> str:
        """What is wrong with the granted session timeout; empty when nothing is."""
        granted_s = self.negotiated_timeout_s
        if granted_s is None or granted_s == self._timeout_s:
            return ""
        return (
            f"ZooKeeper grants sessions of {granted_s:g} s where {self._timeout_s:g} s were asked for, so a lost "
            "controller is noticed at another time; set minSessionTimeout in zoo.cfg as docs/reference/zoo.cfg does"
        )

    @property
    def chain(self) -> AuditNodes:
        """The audit chain."""
        return self._chain

    def changed(self, callback: Callable[[], None]) -> None:
        """Call `callback` from any thread when something changed. It must not wait for anything."""
        self._refresh.on_change(callback)

    # The election

    def campaign(self, *, wish: bool) -> None:
        """Stand for election, or step down. Returns at once."""
        self._election.campaign(wish=wish)
        self._refresh.reconsider()

    def leading(self) -> bool:
        """Whether this controller holds the leader's node and is connected."""
        return self._election.leading() and self.connected()

    def leader(self) -> CenterName | None:
        """Whose controller leads; None when nobody does or it is not known."""
        candidate = self._election.leader()
        return candidate.center if candidate is not None else None

    def leader_incarnation(self) -> str | None:
        """Which start of that controller; None when nobody leads or it is not known."""
        candidate = self._election.leader()
        return candidate.incarnation if candidate is not None else None

    # Observers

    def observers(self) -> Mapping[CenterName, ObserverReport]:
        """The reports of every controller with a living session, from memory."""
        return self._observers.reports()

    def publish(self, report: ObserverReport, *, deadline_s: float) -> None:
        """Tell the others what this controller sees, now and after every new session."""
        self._observers.publish(report, deadline_s=deadline_s)

    # Groups

    def group(self, group: GroupName) -> GroupState:
        """The last known state, from memory."""
        return self._groups.state(group)

    def refresh(self, *, deadline_s: float) -> None:
        """Read everything again, at this moment's state. Raises Unreachable, InvalidInput."""
        end_s = self._now_s() + deadline_s
        # Asked on the same connection, the reads after it wait for it at the server.
        synced = self._session.sync(self._paths.top)
        self._election.step(deadline_s=end_s - self._now_s())
        self._observers.refresh(deadline_s=end_s - self._now_s())
        self._groups.refresh(self._groups_known, deadline_s=end_s - self._now_s())
        synced.take(end_s - self._now_s())

    def create_record(self, record: GroupRecord, *, deadline_s: float) -> GroupRecord:
        """Store a group's first record. Raises EffectRefused when there is one."""
        stored = self._journal.create_record(record, deadline_s=deadline_s)
        return self._groups.wrote(stored, None)

    def begin_run(
        self, record: GroupRecord, run: Run, *, ended: Run | None, deadline_s: float
    ) -> tuple[GroupRecord, Run]:
        """Replace the record, store the journal, and move the journal of the superseded run to the history."""
        with self._doubt(record.group):
            record, run = self._journal.begin_run(record, run, ended=ended, deadline_s=deadline_s)
        record = self._groups.wrote(record, run)
        if ended is not None:
            self._refresh.grown(record.group)
        return record, run

    def save_run(self, run: Run, *, deadline_s: float) -> Run:
        """Replace the journal."""
        with self._doubt(run.group):
            run = self._journal.save_run(run, deadline_s=deadline_s)
        self._groups.saved(run)
        return run

    def change_record(self, record: GroupRecord, run: Run, *, deadline_s: float) -> tuple[GroupRecord, Run]:
        """Replace record and journal."""
        with self._doubt(record.group):
            record, run = self._journal.change_record(record, run, deadline_s=deadline_s)
        record = self._groups.wrote(record, run)
        return record, run

    def finish_run(self, record: GroupRecord, run: Run, *, deadline_s: float) -> GroupRecord:
        """Replace the record, and move the journal to the history."""
        with self._doubt(record.group):
            record = self._journal.finish_run(record, run, deadline_s=deadline_s)
        record = self._groups.wrote(record, None)
        self._refresh.grown(record.group)
        return record

    def set_paused(self, group: GroupName, *, paused: bool, deadline_s: float) -> None:
        """Pause or resume automatic operations of a group; the record's version stays, so no run is disturbed."""
        with self._doubt(group):
            self._journal.set_paused(group, paused=paused, deadline_s=deadline_s)
        self._groups.set_paused(group, paused=paused)

    def history(self, group: GroupName, *, limit: int, deadline_s: float) -> tuple[Run, ...]:
        """Finished runs, the newest first."""
        return self._journal.history(group, limit=limit, deadline_s=deadline_s)

    def run(self, run: RunId, *, deadline_s: float) -> Run | None:
        """A run, current or finished; None when it is not known."""
        return self._journal.run(run, deadline_s=deadline_s)

    # Requests

    def submit(self, request: Request, *, deadline_s: float) -> Request:
        """Store an operator's request, and return it with its id."""
        return self._requests.submit(request, deadline_s=deadline_s)

    def answer(self, answer: RequestAnswer, group: GroupName, *, deadline_s: float) -> None:
        """Answer a request; it is no longer open then."""
        with self._doubt(group):
            self._requests.answer(answer, group, deadline_s=deadline_s)
        self._groups.answered(group, answer.request)
        self._refresh.grown(group)

    def answered(self, request: Request, *, deadline_s: float) -> RequestAnswer | None:
        """The answer to a request; None while it is open."""
        return self._requests.answered(request, deadline_s=deadline_s)

    def _on_moved(self) -> None:
        self._refresh.moved()

    def _on_touched(self, path: str) -> None:
        self._refresh.touched(path)

    @contextmanager
    def _doubt(self, group: GroupName) -> Iterator[None]:
        """After a write that did not end well, look at once at how the group and the election stand."""
        try:
            yield
        except LeadershipLost:
            self._refresh.reconsider()
            raise
        except DrctlError:
            self._refresh.doubt(group)
            raise
