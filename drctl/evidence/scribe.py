"""The thread that writes the audit chain: to the spool at once, into the chain when ZooKeeper answers, to disk after that.

An event is taken without waiting. It is on this center's disk before it is tried anywhere else, and leaves the spool when
it is in the chain; after a write whose outcome is unknown the chain is read, and what is in it already is not appended
again. So an event is in the chain once, whichever controller dies, and whoever leads.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Sequence
from itertools import count

from drctl.audit.entry import GENESIS, Entry, Head, Occurrence, link, parse
from drctl.audit.translate import occurrence
from drctl.audit.verify import Piece, verify
from drctl.evidence.chain_files import ChainFiles
from drctl.evidence.spool import Spool
from drctl.model.errors import DrctlError, InvalidInput, StaleEpoch
from drctl.model.event import Alarm, Decided, Event, LeadershipChanged, Severity
from drctl.model.identity import CenterName
from drctl.ports import ChainStore, Clock, StoredHead

LOOK_EVERY_S = 1.0
"""How often the chain is looked at for what others wrote."""
ACKNOWLEDGE_EVERY_S = 2.0
STORE_TIMEOUT_S = 2.0
BATCH_BYTES_MAX = 24 * 1024
"""Of one transaction; less than a piece."""
PENDING_MAX = 50_000
"""Events that wait while ZooKeeper is away; then routine ones are not taken any more, and their number is told."""
ROUNDS_MAX = 20


class Scribe:
    """EventSink that writes the chain. `start` begins the thread; `close` ends it."""

    def __init__(
        self,
        *,
        center: CenterName,
        incarnation: str,
        store: ChainStore,
        connected: Callable[[], bool],
        files: ChainFiles | None,
        spool: Spool,
        clock: Clock,
        tell: Callable[[Event], None],
    ) -> None:
        """`files` is None where no directory can be had: the chain is then in ZooKeeper alone. `tell` is given alarms."""
        self._center = center
        self._ids = (f"{center}-{incarnation}-{number}" for number in count(1))
        self._store = store
        self._connected = connected
        self._files = files
        self._spool = spool
        self._clock = clock
        self._tell = tell
        self._queue: queue.SimpleQueue[Occurrence | None] = queue.SimpleQueue()
        self._pending: dict[str, Occurrence] = {}
        self._lost = 0
        self._leading = False
        self._head: Head = files.head if files is not None else GENESIS
        self._stored: StoredHead | None = None
        self._acknowledged: Head | None = None
        self._acknowledged_at_s = 0.0
        self._closing = False
        self._compared = False
        self._told: set[str] = set()
        self._thread = threading.Thread(target=self._work, name="audit", daemon=True)

    def emit(self, event: Event) -> None:
        """Take an event; never blocks and never raises."""
        if isinstance(event, LeadershipChanged):
            self._leading = event.leading
        if isinstance(event, Decided) and not self._leading:
            return  # what a controller would do, if it led
        self._queue.put(occurrence(event, id=next(self._ids), at_utc=self._clock.utc(), center=self._center))

    def start(self) -> None:
        """Begin to write."""
        self._thread.start()

    def close(self, *, deadline_s: float) -> None:
        """Write what waits, for at most `deadline_s`; what is left is in the spool."""
        self._queue.put(None)
        self._thread.join(deadline_s)
        if not self._thread.is_alive() and self._files is not None:
            self._files.close()

    @property
    def head(self) -> Head:
        """Where the chain ended when it was looked at last."""
        return self._head

    def _work(self) -> None:
        self._look_at_own()
        while not self._closing:
            self._take()
            if self._connected():
                self._write()

    def _look_at_own(self) -> None:
        """What an earlier start left: events on their way, and files that may have been touched since."""
        if self._files is not None and self._files.complaint:
            self._alarm("the audit chain on disk is not what was written", self._files.complaint)
            self._begin_anew()
        try:
            left = self._spool.left()
            known = set[str]()
            if left.occurrences and self._files is not None:
                known = {entry.what.id for entry in self._files.after(left.after)}
        except (OSError, InvalidInput) as error:
            self._alarm("what an earlier start left of the audit chain cannot be read", str(error))
            return
        self._pending = {what.id: what for what in left.occurrences if what.id not in known}

    def _take(self) -> None:
        """Put everything that was emitted on the disk; wait for it a little when there is nothing."""
        fresh: list[Occurrence] = []
        wait_s = LOOK_EVERY_S
        while len(fresh) < PENDING_MAX:
            try:
                taken = self._queue.get(timeout=wait_s)
            except queue.Empty:
                break
            if taken is None:
                self._closing = True
            elif len(self._pending) + len(fresh) < PENDING_MAX:
                fresh.append(taken)
            else:
                self._lost += 1
            wait_s = 0.0
        try:
            self._spool.add(fresh, after=self._head.sequence)
        except OSError as error:
            self._alarm(
                "the disk does not take the audit chain's events: until ZooKeeper does they are in memory", str(error)
            )
        self._pending |= {what.id: what for what in fresh}

    def _write(self) -> None:
        try:
            self._catch_up()
            for _ in range(ROUNDS_MAX):
                if not self._pending:
                    self._spool.clear()
                    break
                try:
                    self._append()
                except StaleEpoch:
                    self._catch_up()
            self._acknowledge()
        except DrctlError:
            # ZooKeeper does not answer, or it is not known what became of a write: it is looked at again before the next.
            self._stored = None
        except OSError as error:
            self._stored = None
            self._alarm("the audit chain cannot be written to disk", str(error))

    def _catch_up(self) -> None:
        """Take over what others wrote since. Raises DrctlError, OSError."""
        self._compare_with_own_word()
        stored = self._store.head(deadline_s=STORE_TIMEOUT_S)
        if stored.head is None:
            # A new cluster, or an ensemble whose data was lost: the chain goes on from what is here.
            self._stored = stored
            return
        if stored.head != self._head:
            self._follow(stored.head)
        self._stored = stored

    def _compare_with_own_word(self) -> None:
        """Once: whether the files still hold what this center told the others that they hold."""
        if self._compared or self._files is None:
            return
        word = self._store.acknowledged(deadline_s=STORE_TIMEOUT_S).get(self._center)
        self._compared = True
        if word is None or word == self._head:
            return
        if word.sequence > self._head.sequence:
            detail = (
                f"they end at event {self._head.sequence}, this center had told the others of event {word.sequence}"
            )
            self._alarm("the files of the audit chain were cut", detail)
        elif (entry := next(self._files.after(word.sequence - 1), None)) is None or entry.head != word:
            self._alarm("the files of the audit chain were edited", f"event {word.sequence} is another one")
            self._begin_anew()

    def _follow(self, to: Head) -> None:
        if self._files is None and self._head == GENESIS:
            self._head = to  # no copy is kept, and nothing of this start can be in the chain yet
            return
        entries = self._read(to)
        if not _links(self._head, entries, to):
            fork = to.sequence <= self._head.sequence or (
                bool(entries) and entries[0].sequence == self._head.sequence + 1
            )
            if fork and self._head != GENESIS:
                self._part_from(to)
                return
            first = entries[0].sequence if entries else to.sequence + 1
            if self._head != GENESIS and self._files is not None:
                self._alarm(
                    f"events {self._head.sequence + 1} to {first - 1} of the audit chain are not on this center's disk: "
                    "it was away for longer than ZooKeeper keeps them",
                    "another center's directory has them",
                )
        self._keep(entries, to)

    def _read(self, to: Head) -> list[Entry]:
        """What is in ZooKeeper after our head and up to `to`; nothing when it is not what was written."""
        lines = self._store.lines(after=self._head.sequence, deadline_s=STORE_TIMEOUT_S)
        verdict = verify([Piece(name="ZooKeeper", data=b"".join(line + b"\n" for line in lines))])
        if not verdict.sound:
            self._alarm("the audit chain in ZooKeeper is not what was written", str(verdict.breaks[0]))
            return []
        # More may have been appended between the two looks; that comes the next time.
        return [entry for entry in map(parse, lines) if entry.sequence <= to.sequence]

    def _keep(self, entries: Sequence[Entry], to: Head) -> None:
        for entry in entries:
            self._pending.pop(entry.what.id, None)
        if self._files is not None:
            self._files.append(entries)
        self._head = entries[-1].head if entries else to

    def _part_from(self, to: Head) -> None:
        """The shared chain is another one than this center's copy: keep the copy, and add what only it knows."""
        own = [] if self._files is None else list(self._files.after(0))
        where = self._begin_anew()
        lines = self._store.lines(after=0, deadline_s=STORE_TIMEOUT_S)
        shared = [parse(line) for line in lines]
        known = {entry.what.id for entry in shared}
        digests = {entry.digest for entry in shared} | {entry.previous for entry in shared} | {to.digest}
        common = max((at for at, entry in enumerate(own) if entry.digest in digests), default=-1)
        again = [entry.what for entry in own[common + 1 :] if entry.what.id not in known]
        self._spool.add(again, after=0)
        self._pending = {what.id: what for what in again} | self._pending
        self._alarm(
            f"the audit chain in ZooKeeper ends at event {to.sequence} and is not the one on this center's disk",
            f"the copy is kept in {where}; {len(again)} events that only it has are appended again",
        )
        self._keep([entry for entry in shared if entry.sequence <= to.sequence], to)

    def _begin_anew(self) -> str:
        self._head = GENESIS
        if self._files is None:
            return "no place"
        try:
            return str(self._files.set_aside(at_utc=self._clock.utc()))
        except OSError as error:
            return f"no place ({error})"

    def _append(self) -> None:
        """Append some of what waits. Raises StaleEpoch when another controller was faster."""
        if self._stored is None:
            self._catch_up()
        assert self._stored is not None, "the head was just read"
        if self._lost:
            lost = Alarm(
                group=None,
                severity=Severity.ALARM,
                code="audit_chain",
                message=f"{self._lost} events could not be kept while ZooKeeper was away",
            )
            what = occurrence(lost, id=next(self._ids), at_utc=self._clock.utc(), center=self._center)
            self._pending[what.id] = what
            self._lost = 0
        entries: list[Entry] = []
        head, size = self._head, 0
        for what in self._pending.values():
            entry = link(head, what)
            size += len(entry.line) + 1
            if entries and size > BATCH_BYTES_MAX:
                break
            entries.append(entry)
            head = entry.head
        try:
            self._stored = self._store.append(self._stored, entries, deadline_s=STORE_TIMEOUT_S)
        except DrctlError:
            self._stored = None
            raise
        self._keep(entries, head)

    def _acknowledge(self) -> None:
        now_s = self._clock.now_s()
        if self._files is None or self._head in {self._acknowledged, GENESIS}:
            return
        if now_s - self._acknowledged_at_s < ACKNOWLEDGE_EVERY_S and not self._closing:
            return
        self._acknowledged_at_s = now_s
        self._store.acknowledge(self._center, self._head, deadline_s=STORE_TIMEOUT_S)
        self._acknowledged = self._head

    def _alarm(self, what: str, detail: str) -> None:
        """Tell once for each kind of trouble, outside and in the chain itself."""
        if what in self._told:
            return
        self._told.add(what)
        alarm = Alarm(
            group=None,
            severity=Severity.ALARM,
            code="audit_chain",
            message=f"{what}: {detail}",
            remedy="drctl audit verify",
        )
        self._tell(alarm)
        self.emit(alarm)


def _links(head: Head, entries: Sequence[Entry], to: Head) -> bool:
    """Whether entries lead from one head to the other without a gap."""
    for entry in entries:
        if entry.previous != head.digest or entry.sequence != head.sequence + 1:
            return False
        head = entry.head
    return head == to
