"""The one thread that keeps memory fresh: it reads again what a watch has touched, and everything now and then."""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING

from drctl.model.errors import DrctlError, InvalidInput
from drctl.model.identity import GroupName

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

    from drctl.zookeeper.election import Election
    from drctl.zookeeper.groups import Groups
    from drctl.zookeeper.journal import Journal
    from drctl.zookeeper.observers import Observers
    from drctl.zookeeper.paths import Paths
    from drctl.zookeeper.session import Era, Session

REREAD_EVERY_S = 5.0
"""Everything is read again this often, in case a watch was missed."""
READ_TIMEOUT_S = 1.0
RETRY_S = 0.1
"""Before a reading that failed is tried again."""
TEND_EVERY_S = 1.0
HOME_EVERY_S = 10.0
"""Between two looks whether the own center's server serves again."""


class Refresh:
    """What must be read again, and the thread that does it."""

    def __init__(
        self,
        *,
        session: Session,
        paths: Paths,
        election: Election,
        observers: Observers,
        groups: Groups,
        journal: Journal,
        known: Iterable[GroupName],
        now_s: Callable[[], float],
    ) -> None:
        self._session = session
        self._paths = paths
        self._election = election
        self._observers = observers
        self._groups = groups
        self._journal = journal
        self._known = frozenset(known)
        self._now_s = now_s
        self._callbacks: list[Callable[[], None]] = []
        self._wake = threading.Condition()
        self._election_touched = True
        self._observers_touched = True
        self._groups_touched: set[GroupName] = set(self._known)
        self._grown: set[GroupName] = set()
        self._moved = False
        self._closing = False
        self._read_in: Era | None = None
        self._read_all_at_s = 0.0
        self._looked_home_at_s = now_s()
        self._fresh = threading.Event()
        self._thread = threading.Thread(target=self._work, name="zookeeper-refresh", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """End, soon."""
        with self._wake:
            self._closing = True
            self._wake.notify_all()

    def join(self) -> None:
        """Wait until it has ended, within the time of one reading."""
        if self._thread.is_alive():
            self._thread.join(2 * READ_TIMEOUT_S)

    def wait_fresh(self, timeout_s: float) -> None:
        """Return when everything has been read once, or the time is over."""
        self._fresh.wait(max(0.0, timeout_s))

    @property
    def alive(self) -> bool:
        """Whether the thread runs."""
        return self._thread.is_alive()

    def on_change(self, callback: Callable[[], None]) -> None:
        """Call `callback` from any thread when something changed."""
        self._callbacks.append(callback)

    def moved(self) -> None:
        """The connection came or went."""
        with self._wake:
            self._moved = True
            self._wake.notify_all()
        self._tell()

    def touched(self, path: str) -> None:
        """A watched node has changed."""
        with self._wake:
            if path.startswith(self._paths.election):
                self._election_touched = True
            elif path.startswith(self._paths.observers):
                self._observers_touched = True
            else:
                below = path.removeprefix(self._paths.groups).strip("/").partition("/")[0]
                self._groups_touched |= {GroupName(below)} & self._known if below else self._known
            self._wake.notify_all()

    def reconsider(self) -> None:
        """Take part in the election as it is wished now."""
        self.touched(self._paths.election)

    def doubt(self, group: GroupName) -> None:
        """What is known of a group may be old."""
        self.touched(self._paths.group(group))

    def grown(self, group: GroupName) -> None:
        """A group's history or answers have become more."""
        with self._wake:
            self._grown.add(group)
            self._wake.notify_all()

    def _work(self) -> None:
        while self._wait():
            self._session.tend()
            if not self._session.connected():
                continue
            self._go_home()
            try:
                changed = self._read()
            except DrctlError:
                self._read_in = None
                self._pause()
                continue
            if changed:
                self._tell()

    def _wait(self) -> bool:
        """Whether to go on, when there is something to do."""
        with self._wake:
            left_s = TEND_EVERY_S
            if self._session.connected():
                left_s = min(left_s, self._read_all_at_s + REREAD_EVERY_S - self._now_s())
            if not (self._closing or self._moved or self._anything()):
                self._wake.wait(max(0.0, left_s))
            self._moved = False
            return not self._closing

    def _anything(self) -> bool:
        if not self._session.connected():
            return False
        return bool(
            self._read_in != self._session.era
            or self._election_touched
            or self._observers_touched
            or self._groups_touched
            or self._grown
        )

    def _go_home(self) -> None:
        # A leader stays where it is: even a short way home would interrupt it.
        if self._now_s() >= self._looked_home_at_s + HOME_EVERY_S and not self._election.leading():
            self._looked_home_at_s = self._now_s()
            self._session.go_home()

    def _pause(self) -> None:
        with self._wake:
            if not self._closing:
                self._wake.wait(RETRY_S)

    def _read(self) -> bool:
        era = self._session.era
        anew = self._read_in != era
        if anew:
            self._session.sync("/").take(READ_TIMEOUT_S)
            self._journal.lay_skeleton(deadline_s=READ_TIMEOUT_S)
        everything = anew or self._now_s() >= self._read_all_at_s + REREAD_EVERY_S
        with self._wake:
            election, self._election_touched = self._election_touched or everything, False
            observers, self._observers_touched = self._observers_touched or everything, False
            groups, self._groups_touched = (set(self._known) if everything else self._groups_touched), set()
            grown, self._grown = self._grown, set()
        if everything:
            self._read_all_at_s = self._now_s()
            # A group appears below the parent: this leaves the watch on it.
            self._session.children(self._paths.groups).take(READ_TIMEOUT_S)
        # Whoever leads is known first: everything else can wait for it.
        changed = self._read_election() if election else False
        changed |= bool(self._groups.refresh(groups, deadline_s=READ_TIMEOUT_S)) if groups else False
        changed |= self._read_observers() if observers else False
        for group in grown:
            self._journal.prune(group, deadline_s=READ_TIMEOUT_S)
        self._read_in = era
        self._fresh.set()
        return changed or anew

    def _read_election(self) -> bool:
        before = (self._election.leader(), self._election.leading())
        self._election.step(deadline_s=READ_TIMEOUT_S)
        after = (self._election.leader(), self._election.leading())
        if after != before:
            # Told before the rest is read: a new leader has no time to lose.
            self._tell()
        return False

    def _read_observers(self) -> bool:
        try:
            return self._observers.refresh(deadline_s=READ_TIMEOUT_S)
        except InvalidInput:
            # One report that cannot be read hides no other, and is read again when it changes.
            return True

    def _tell(self) -> None:
        for callback in self._callbacks:
            callback()
