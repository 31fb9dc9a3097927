"""The outside world, as the controller needs it. Adapters translate: none of their libraries' exceptions leaves them.

Every call has a deadline and raises one of `drctl.model.errors`: EffectRefused (Unreachable, StaleEpoch) when the effect
certainly did not happen, EffectUnknown when it may have, LeadershipLost when this controller must stop.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from drctl.audit.entry import Entry, Head
from drctl.model.command import HostCommand, Query, TellPools, WebRequest
from drctl.model.event import Event
from drctl.model.evidence import Evidence, HttpAnswered, MarkerAcked, PoolsTold, Queried
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, RunId
from drctl.model.marker import AckedMarker
from drctl.model.report import HostReport, MemberReport, ObserverReport
from drctl.model.request import Request, RequestAnswer
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.model.topology import Member


class Clock(Protocol):
    """Time, asked for and never assumed."""

    def now_s(self) -> float:
        """Monotonic seconds: for durations."""

    def utc(self) -> str:
        """Wall time for people, ISO 8601 in UTC with milliseconds."""


class Database(Protocol):
    """The members' databases, with a role that may look and write markers, nothing more."""

    def probe(self, member: Member, *, deadline_s: float) -> MemberReport:
        """What `member` says now. Never raises for what the member does: the report says how it answered."""

    def write_marker(self, member: Member, *, sequence: int, epoch: Epoch, deadline_s: float) -> MarkerAcked:
        """Commit a marker and wait for its synchronous acknowledgement.

        Raises EffectUnknown when the wait was cancelled or the link dropped after COMMIT was sent.
        """

    def query(self, member: Member, query: Query, *, deadline_s: float) -> Queried:
        """Ask `member` one thing, in a transaction that can only read.

        Raises EffectRefused when the server refuses the statement, Unreachable when no answer came in time.
        """

    def watch(self, lost: Callable[[MemberName], None]) -> None:
        """Call `lost` at once, from any thread, when the idle connection to a member breaks."""

    def close(self) -> None:
        """Drop every connection."""


class Host(Protocol):
    """drctl-host on the members' hosts."""

    def call(self, member: Member, *, epoch: Epoch, command: HostCommand, deadline_s: float) -> Evidence:
        """Do one thing to a member. Raises StaleEpoch when the host has seen a higher epoch."""

    def inspect(self, member: Member, *, deadline_s: float) -> HostReport:
        """What the host says of its member. Never raises for what the host does: the report says that it is silent."""

    def close(self) -> None:
        """Drop every connection."""


class Outside(Protocol):
    """Servers that drctl knows nothing about: a hospital's own, which its playbooks tell or ask something."""

    def request(self, request: WebRequest, *, key: str, deadline_s: float) -> HttpAnswered:
        """Send a request; `key` lets the server see that it came before. Any status is an answer."""


class Pools(Protocol):
    """The PgBouncers that clients go through."""

    def tell(self, command: TellPools, *, deadline_s: float) -> PoolsTold:
        """Tell all of them at the same time; one that does not answer is no error, and holds up nobody else.

        A pool resumes once its route leads to a primary, or shortly before the deadline whatever it leads to.
        """


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupState:
    """What the coordinator holds of one group."""

    record: GroupRecord | None
    run: Run | None
    """The run that the record names; None at rest."""
    requests: tuple[Request, ...] = ()
    """Not answered yet, oldest first."""
    unreadable: str = ""
    """Where and why something that is stored cannot be read; record and run are None then. Empty when all can be."""


class Coordinator(Protocol):
    """ZooKeeper, as drctl uses it. Writes of a leader are conditional on its still being the leader."""

    def connected(self) -> bool:
        """Whether the session is connected at this moment; SUSPENDED is not."""

    def leader(self) -> CenterName | None:
        """Whose controller leads; None when nobody does or it is not known."""

    def leading(self) -> bool:
        """Whether this controller holds the leader's node and is connected."""

    def campaign(self, *, wish: bool) -> None:
        """Stand for election, or step down. Returns at once; `changed` tells of the outcome."""

    def changed(self, callback: Callable[[], None]) -> None:
        """Call `callback` from any thread when the connection, the leader, a group or an observer changed."""

    def group(self, group: GroupName) -> GroupState:
        """The last known state of a group, from memory, kept fresh by watches. Does no I/O."""

    def observers(self) -> Mapping[CenterName, ObserverReport]:
        """The reports of every controller with a living session, from memory."""

    def publish(self, report: ObserverReport, *, deadline_s: float) -> None:
        """Tell the others what this controller sees; bound to the session."""

    def create_record(self, record: GroupRecord, *, deadline_s: float) -> GroupRecord:
        """Store a group's first record. Raises EffectRefused when there is one."""

    def begin_run(
        self, record: GroupRecord, run: Run, *, ended: Run | None, deadline_s: float
    ) -> tuple[GroupRecord, Run]:
        """Replace the record that had `record.version`, store the journal of `run`, and move the journal of the run that
        it supersedes, `ended`, to the history: all in one transaction. Raises StaleEpoch when the record has changed.
        """

    def save_run(self, run: Run, *, deadline_s: float) -> Run:
        """Replace the journal that had `run.journal_version`. Raises StaleEpoch when another controller owns it."""

    def change_record(self, record: GroupRecord, run: Run, *, deadline_s: float) -> tuple[GroupRecord, Run]:
        """Replace record and journal in one transaction."""

    def finish_run(self, record: GroupRecord, run: Run, *, deadline_s: float) -> GroupRecord:
        """Replace the record and move the journal to the history, in one transaction."""

    def set_paused(self, group: GroupName, *, paused: bool, deadline_s: float) -> None:
        """Pause or resume automatic operations of a group."""

    def history(self, group: GroupName, *, limit: int, deadline_s: float) -> tuple[Run, ...]:
        """Finished runs, the newest first."""

    def run(self, run: RunId, *, deadline_s: float) -> Run | None:
        """A run, current or finished; None when it is not known."""

    def submit(self, request: Request, *, deadline_s: float) -> Request:
        """Store an operator's request, and return it with its id."""

    def answer(self, answer: RequestAnswer, group: GroupName, *, deadline_s: float) -> None:
        """Answer a request; it is no longer open then."""

    def answered(self, request: Request, *, deadline_s: float) -> RequestAnswer | None:
        """The answer to a request; None while it is open."""

    def start(self, *, deadline_s: float) -> None:
        """Connect; goes on in the background when it takes longer than `deadline_s`."""

    def close(self) -> None:
        """End the session, so that the next leader need not wait for it to expire."""


class Ledger(Protocol):
    """Which markers were acknowledged; it survives the databases that they were written to."""

    def keep(self, group: GroupName, marker: AckedMarker) -> None:
        """Remember a marker; never blocks and never raises."""

    def newest(self, group: GroupName, member: MemberName) -> AckedMarker | None:
        """The newest that `member` acknowledged, from memory; None when none is known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredHead:
    """The head of the audit chain as the coordinator holds it."""

    head: Head | None
    """None before the first event."""
    version: int
    piece: int
    """The first event of the newest piece."""


class ChainStore(Protocol):
    """The audit chain that all centers share."""

    def head(self, *, deadline_s: float) -> StoredHead:
        """Where the chain ends now, at this moment's state."""

    def lines(self, *, after: int, deadline_s: float) -> tuple[bytes, ...]:
        """The events after that number that are kept here, oldest first; the first ones may have been removed."""

    def append(self, stored: StoredHead, entries: Sequence[Entry], *, deadline_s: float) -> StoredHead:
        """Append entries that follow `stored`. Raises StaleEpoch when another was faster: nothing was appended then."""

    def acknowledge(self, center: CenterName, head: Head, *, deadline_s: float) -> None:
        """Remember that `center` has the chain on its disk up to `head`."""

    def acknowledged(self, *, deadline_s: float) -> Mapping[CenterName, Head]:
        """What each center has on its disk, as it said itself."""


class EventSink(Protocol):
    """Where facts go."""

    def emit(self, event: Event) -> None:
        """Take an event; never blocks and never raises."""
