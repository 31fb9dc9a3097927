"""Effects as data: what the controller wants done outside, and what came of it. Their names are the crash points."""

from __future__ import annotations

from dataclasses import dataclass, field
from itertools import count

from drctl.model.command import HostCommand, Query, TellPools, WebRequest
from drctl.model.errors import DrctlError
from drctl.model.evidence import Evidence, MarkerAcked
from drctl.model.identity import Epoch, GroupName, RunId
from drctl.model.report import HostReport, MemberReport, ObserverReport
from drctl.model.request import RequestAnswer
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.model.topology import Member

_serial = count(1)


def _next_serial() -> int:
    return next(_serial)


@dataclass(frozen=True, slots=True, kw_only=True)
class Probe:
    """Ask a member's database how it is."""

    member: Member
    deadline_s: float
    name: str = "probe"


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspect:
    """Ask a member's host how it is."""

    member: Member
    deadline_s: float
    name: str = "inspect"


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchMarker:
    """Commit a marker on a primary, to see whether its write path works."""

    member: Member
    sequence: int
    epoch: Epoch
    deadline_s: float
    name: str = "watch_marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class Publish:
    """Tell the other controllers what this one sees."""

    report: ObserverReport
    deadline_s: float
    name: str = "publish"


@dataclass(frozen=True, slots=True, kw_only=True)
class Campaign:
    """Stand for election, or step down."""

    wish: bool
    name: str = "campaign"


@dataclass(frozen=True, slots=True, kw_only=True)
class BeginRun:
    """Raise the epoch and open a journal: begin a run, or take one over."""

    record: GroupRecord
    run: Run
    ended: Run | None
    deadline_s: float
    serial: int = field(default_factory=_next_serial)
    name: str = "record.begin"


@dataclass(frozen=True, slots=True, kw_only=True)
class SaveRun:
    """Write the journal: what is intended next, and what the last effects proved."""

    run: Run
    deadline_s: float
    serial: int = field(default_factory=_next_serial)
    name: str = "journal.save"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeRecord:
    """Write record and journal together."""

    record: GroupRecord
    run: Run
    step: str
    deadline_s: float
    serial: int = field(default_factory=_next_serial)
    name: str = "record.change"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRun:
    """Close the journal and put it into the history."""

    record: GroupRecord
    run: Run
    deadline_s: float
    serial: int = field(default_factory=_next_serial)
    name: str = "record.finish"


@dataclass(frozen=True, slots=True, kw_only=True)
class HostCall:
    """A step's command to a host. Its name is the command's."""

    group: GroupName
    run: RunId
    step: str
    attempt: int
    epoch: Epoch
    member: Member
    command: HostCommand
    deadline_s: float

    @property
    def name(self) -> str:
        """The command's name: `seal`, `promote`, ..."""
        return self.command.name


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerCall:
    """A step's marker commit."""

    group: GroupName
    run: RunId
    step: str
    attempt: int
    epoch: Epoch
    member: Member
    sequence: int
    deadline_s: float
    name: str = "marker"


@dataclass(frozen=True, slots=True, kw_only=True)
class QueryCall:
    """A step's query of a member's database."""

    group: GroupName
    run: RunId
    step: str
    attempt: int
    epoch: Epoch
    member: Member
    query: Query
    deadline_s: float
    name: str = "sql"


@dataclass(frozen=True, slots=True, kw_only=True)
class WebCall:
    """A step's request to a server outside."""

    group: GroupName
    run: RunId
    step: str
    attempt: int
    epoch: Epoch
    request: WebRequest
    deadline_s: float
    member: None = None
    name: str = "http"


@dataclass(frozen=True, slots=True, kw_only=True)
class PoolCall:
    """A step's word to the PgBouncers of its group."""

    group: GroupName
    run: RunId
    step: str
    attempt: int
    epoch: Epoch
    command: TellPools
    deadline_s: float
    member: None = None

    @property
    def name(self) -> str:
        """`pools.pause`, `pools.resume`."""
        return f"pools.{self.command.word}"


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerRequest:
    """Tell an operator what became of a request."""

    group: GroupName
    answer: RequestAnswer
    deadline_s: float
    name: str = "request.answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SetPaused:
    """Pause or resume automatic operations, and answer the request that asked for it."""

    group: GroupName
    paused: bool
    answer: RequestAnswer
    deadline_s: float
    name: str = "record.pause"


@dataclass(frozen=True, slots=True, kw_only=True)
class GuardFence:
    """Fence the local primary of an isolated center, or one that was replaced, outside of any run."""

    group: GroupName
    member: Member
    epoch: Epoch
    why: str
    """A sentence about the member, for the alarm."""
    deadline_s: float
    name: str = "guard"


StoreEffect = BeginRun | SaveRun | ChangeRecord | FinishRun
OwnEffect = QueryCall | WebCall
"""Of steps that a hospital added."""
StepEffect = HostCall | MarkerCall | PoolCall | OwnEffect
Effect = (
    Probe
    | Inspect
    | WatchMarker
    | Publish
    | Campaign
    | StoreEffect
    | StepEffect
    | AnswerRequest
    | SetPaused
    | GuardFence
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Stored:
    """A write to the coordinator went through."""

    record: GroupRecord | None
    run: Run | None


Result = MemberReport | HostReport | MarkerAcked | Evidence | Stored | None


@dataclass(frozen=True, slots=True, kw_only=True)
class EffectEnded:
    """What came of an effect: a result, or an error that says what is known of it."""

    effect: Effect
    result: Result = None
    error: DrctlError | None = None
    elapsed_s: float = 0.0
