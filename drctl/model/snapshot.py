"""What a controller tells the outside: one frozen picture, which every answer and every table is made of."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.event import Alarm
from drctl.model.explanation import Explanation
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, RunId
from drctl.model.playbook import RunKind
from drctl.model.position import Lsn, Timeline
from drctl.model.run import Outcome, StepStatus

ENDED = frozenset({StepStatus.DONE, StepStatus.FAILED, StepStatus.SKIPPED})
"""Steps that nothing more is to come from."""


class Role(StrEnum):
    """What a member is for its group."""

    PRIMARY = "Primary"
    SYNC_STANDBY = "Sync Standby"
    """It has every acknowledged commit: the rule asks for all members of the sync set."""
    QUORUM_STANDBY = "Quorum Standby"
    """It, or another of the sync set, has every acknowledged commit."""
    REPLICA = "Replica"
    """It may be primary, and no acknowledgement waits for it."""
    SATELLITE = "Satellite"


class MemberState(StrEnum):
    """How a member is, in a word."""

    RUNNING = "running"
    STREAMING = "streaming"
    CATCHING_UP = "catching up"
    CONNECTING = "connecting"
    DISCONNECTED = "disconnected"
    """A standby that runs and receives nothing."""
    SEALED = "sealed"
    """A standby that was told to receive nothing."""
    STRAY = "stray primary"
    """It accepts writes, and the record says that another member is the primary. Nobody is routed to it."""
    DEMOTED = "demoted"
    """The recorded primary, running as a standby."""
    STARTING = "starting"
    STOPPED = "stopped"
    """Its host answers, and says that it is down."""
    FENCED = "fenced"
    """Its host keeps it down."""
    REJOINING = "rejoining"
    REFUSED = "refused"
    SILENT = "silent"
    FAULTY = "faulty"
    UNKNOWN = "unknown"
    """It has not been probed yet."""


class Rpo(StrEnum):
    """What a member's promotion could lose."""

    ZERO = "0"
    """Of the primary: every acknowledged commit is on enough members. Of a standby: it counts for that."""
    EXPOSED = "exposed"
    """Commits may be acknowledged that no other member has."""
    ASYNC = "async"
    """No acknowledgement waits for this member."""
    NONE = "-"
    """It contributes nothing at the moment."""


class Protection(StrEnum):
    """How safe a group's commits are, and whether there can be any."""

    PROTECTED = "protected"
    """Every acknowledged commit is on enough members, and another standby may be lost without a stall."""
    NO_SPARE = "no spare"
    """As PROTECTED, but with the loss of one more standby commits wait."""
    BLOCKED = "blocked"
    """Commits wait: too few standbys stream. Nothing that was acknowledged can be lost."""
    EXPOSED = "exposed"
    """Commits may be acknowledged that only the primary has."""
    DOWN = "down"
    """No member takes writes."""
    NOT_INITIALISED = "not initialised"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberSnapshot:
    """A row of `drctl list`."""

    name: MemberName
    center: CenterName
    host: str
    port: int
    role: Role
    state: MemberState
    detail: str = ""
    """Why, where the state does not say it all."""
    timeline: Timeline | None = None
    """None, as every position, while it does not answer."""
    receive_lsn: Lsn | None = None
    receive_lag_bytes: int | None = None
    """Behind the primary's last known position; None when that is not known."""
    replay_lsn: Lsn | None = None
    replay_lag_bytes: int | None = None
    rpo: Rpo = Rpo.NONE
    writable: bool = False
    """Whether clients that write are to be sent here: at most one member a group."""
    readable: bool = False
    """Whether clients that read may be sent here: a standby that streams."""
    synchronous: bool = False
    """Whether it is a standby of the sync set that streams."""
    answers: bool = False
    clock_offset_s: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class StepSnapshot:
    """A step of a run."""

    id: str
    title: str
    status: StepStatus
    elapsed_s: float | None = None
    """None before it began."""
    worst_s: float
    """The longest that it can take."""
    started_utc: str = ""
    note: str = ""
    facts: tuple[str, ...] = ()
    """What it proved, a sentence each."""
    point_of_no_return: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSnapshot:
    """A run, as people see it."""

    id: RunId
    group: GroupName
    kind: RunKind
    epoch: Epoch
    center: CenterName
    """Whose controller drives it."""
    reason: str
    requested_by: str
    old_primary: MemberName
    heir: MemberName | None = None
    """The chosen one, else the wanted one; None while none is known."""
    started_utc: str
    ended_utc: str = ""
    elapsed_s: float
    rto_s: float
    """The promise that it is measured against."""
    budget_s: float
    outcome: Outcome | None = None
    """None while it runs."""
    note: str = ""
    adoptions: int = 0
    """How often another controller took it over."""
    lost_possible: bool = False
    """A person accepted that acknowledged commits may be missing."""
    irrevocable: bool = False
    """Whether the point of no return was reached."""
    steps: tuple[StepSnapshot, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerSnapshot:
    """The last acknowledged marker commit."""

    sequence: int
    elapsed_s: float
    pending_s: float | None = None
    """For how long one has been waiting; None when the last try was acknowledged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupSnapshot:
    """A group: what `drctl list` says of it."""

    name: GroupName
    home: CenterName
    primary: MemberName | None
    """The recorded one; None before `drctl init`."""
    epoch: Epoch | None
    rules: tuple[str, ...]
    """The record's rules as sentences; two while something changes."""
    sync_members: tuple[MemberName, ...]
    sync_count: int
    paused: bool
    protection: Protection
    protection_text: str
    rpo_guaranteed: bool
    exposed_since_utc: str = ""
    """Empty while `rpo_guaranteed`, and when it is not known since when it is not."""
    explanation: Explanation
    marker: MarkerSnapshot | None = None
    """None before the first."""
    members: tuple[MemberSnapshot, ...]
    run: RunSnapshot | None = None
    """The run that is under way."""
    history: tuple[RunSnapshot, ...] = ()
    """Finished runs, the newest first."""
    alarms: tuple[Alarm, ...] = ()

    def member(self, name: MemberName) -> MemberSnapshot | None:
        """The member called `name`; None when there is none."""
        return next((member for member in self.members if member.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class CenterSnapshot:
    """A center, and whether its controller is there."""

    name: CenterName
    label: str
    controller: bool
    """Whether its controller has a living session with the coordinator, as of the observer's last contact with it."""
    http: str = ""
    """Where its controller answers, HOST:PORT; empty when an older version tells."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSnapshot:
    """The deployment as one controller knows it."""

    cluster: str
    center: CenterName
    """The observer's own."""
    version: str
    at_utc: str
    leader: CenterName | None
    """None when nobody leads, or it is not known."""
    connected: bool
    """Whether the coordinator answers this controller; what was read from it is old otherwise."""
    config_digest: str = ""
    centers: tuple[CenterSnapshot, ...]
    groups: tuple[GroupSnapshot, ...]

    def group(self, name: GroupName) -> GroupSnapshot | None:
        """The group called `name`; None when there is none."""
        return next((group for group in self.groups if group.name == name), None)

    def run(self, run: RunId) -> RunSnapshot | None:
        """A run, under way or of the kept history; None when it is not known here."""
        for group in self.groups:
            for known in (group.run, *group.history):
                if known is not None and known.id == run:
                    return known
        return None
