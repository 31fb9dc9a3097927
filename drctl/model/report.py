"""What a probe saw of a member, and what an observer told the others."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.identity import CenterName, Epoch, MemberName
from drctl.model.position import Lsn, Timeline


class Reachability(StrEnum):
    """How a member's database answered the last probe."""

    ANSWERS = "answers"
    STARTING = "starting"
    """It refuses sessions for now: starting up, recovering, or shutting down (SQLSTATE 57P03)."""
    REFUSED = "refused"
    """The host's kernel answers that nothing listens there."""
    SILENT = "silent"
    """No answer within the probe's deadline, or no route."""
    FAULTY = "faulty"
    """It answers, with an error that no probe should get: wrong password, no slot for a connection, missing schema."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReceiverFacts:
    """A standby's WAL receiver (`pg_stat_wal_receiver`)."""

    status: str
    sender_host: str
    sender_port: int
    received_timeline: Timeline
    last_message_age_s: float
    """Since the last message from the primary, by the standby's own clock."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StandbyFacts:
    """A standby as its primary sees it (`pg_stat_replication`)."""

    name: str
    """The `application_name` that it connected with."""
    address: str
    state: str
    sync_state: str
    flushed_lsn: Lsn | None
    """None while it has not confirmed anything on this connection."""
    replayed_lsn: Lsn | None


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncOverride:
    """A place where `synchronous_commit` is weaker than the group promises."""

    scope: str
    """`role`, `database`, `session` or `server`."""
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberFacts:
    """One consistent answer of a database."""

    in_recovery: bool
    version_num: int
    system_identifier: str
    timeline: Timeline
    """A primary's own; on a standby the receiver's, else the control file's, which may be stale. Never used to choose an heir."""
    written_lsn: Lsn
    """A primary's flushed position; on a standby the greater of received and replayed."""
    replayed_lsn: Lsn
    """Equal to `written_lsn` on a primary."""
    sync_names: str
    """`synchronous_standby_names` as the server shows it."""
    started_at_s: float
    """`pg_postmaster_start_time`, seconds since 1970 by the member's clock."""
    receiver: ReceiverFacts | None = None
    """None when nothing is received."""
    upstream: str = ""
    """`host:port` that a standby is told to follow, from `primary_conninfo` where it may be read; empty when sealed or unknown."""
    standbys: tuple[StandbyFacts, ...] = ()
    overrides: tuple[SyncOverride, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class MemberReport:
    """What one observer knows of one member. Times are the observer's monotonic seconds."""

    member: MemberName
    at_s: float
    """When the last probe ended."""
    asked_at_s: float = 0.0
    """When it began: what the member says may be that old."""
    reachability: Reachability
    detail: str = ""
    """Why, in the words of the database or of the network; empty when it answers."""
    facts: MemberFacts | None = None
    """Of the last answer, which `answered_at_s` dates; None when there never was one."""
    answered_at_s: float | None = None
    """When the last answer came; None when there never was one."""

    @property
    def answers(self) -> bool:
        """Whether the last probe was answered."""
        return self.reachability is Reachability.ANSWERS


class Postmaster(StrEnum):
    """What a host says of its member's processes."""

    RUNNING = "running"
    STARTING = "starting"
    DOWN = "down"
    ORPHANS = "orphans"
    """The postmaster is gone and some of its backends are not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostReport:
    """What drctl-host says of a member, or that it does not answer."""

    member: MemberName
    at_s: float
    answers: bool
    detail: str = ""
    remedy: str = ""
    """What to type about a host that does not answer; empty when it does."""
    postmaster: Postmaster | None = None
    fenced: bool = False
    epoch: Epoch | None = None
    """The highest that it has seen; None when it does not say."""
    control_state: str = ""
    """`pg_controldata`'s "Database cluster state"."""
    standby_signal: bool = False
    redo_lsn: Lsn | None = None
    """Where crash recovery would begin; None when the host does not say."""
    system_identifier: str = ""
    disk_free_bytes: int | None = None
    clock_offset_s: float | None = None
    """The host's wall clock minus this controller's, give or take half the round trip."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What an observer tells the others of one member; only what changes rarely, so that it is rarely written."""

    reachability: Reachability
    hears_primary: bool
    """Of a standby: whether its receiver has heard from the primary within the suspicion time. False for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ObserverReport:
    """What one center's controller sees, as it told the coordinator; its ephemeral node vanishes with its session."""

    center: CenterName
    version: str
    sightings: tuple[tuple[MemberName, Sighting], ...]

    def sighting(self, member: MemberName) -> Sighting | None:
        """What it says of `member`; None when it says nothing."""
        return dict(self.sightings).get(member)
