"""How a group is to be treated, and the bound of everything that grows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from enum import StrEnum


class OnNoStandby(StrEnum):
    """What happens to commits when the last standby is lost."""

    BLOCK = "block"
    """They wait: nothing is acknowledged that only one member has."""
    DEGRADE = "degrade"
    """For a limited time they are acknowledged alone, with an alarm and a line in the audit log."""


class OnCrash(StrEnum):
    """What happens when the primary's postmaster dies and its host lives."""

    FAILOVER = "failover"
    RESTART = "restart"
    """A restart in place is tried first when recovery is predicted to be short."""


class Switchback(StrEnum):
    """When a group goes home after it was served elsewhere."""

    NEVER = "never"
    MANUAL = "manual"
    IMMEDIATE = "immediate"
    """As soon as the home member has been in sync for `switchback_after_s`."""
    WINDOW = "window"
    """As IMMEDIATE, but only inside `switchback_window`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """Times in seconds, sizes in bytes. The relations between them are asserted, so that a wrong policy never runs."""

    # Seeing
    probe_interval_s: float = 0.5
    """Between the ends and beginnings of two probes of one member."""
    probe_timeout_s: float = 0.8
    """After which a probe counts as unanswered."""
    suspicion_s: float = 1.5
    """A primary that has been silent for this long, to all that matter, is dead."""
    stuck_s: float = 5.0
    """A primary whose markers have not committed for this long, with standbys connected, has a stuck write path."""
    marker_interval_s: float = 0.8
    """Between two marker commits on a primary."""
    standby_lost_s: float = 5.0
    """A standby that has not been streaming for this long leaves the sync set."""

    # Acting
    host_timeout_s: float = 5.0
    """For a command to a host that should be quick: seal, fence, follow, set_sync."""
    failovers_per_hour: int = 3
    """Automatic failovers of one group; then a person is asked."""
    retry_after_s: float = 1.0
    """Before an operation that failed is tried again; doubled each time, up to `retry_after_max_s`."""
    retry_after_max_s: float = 60.0
    """The longest wait before another try."""

    # Choosing
    sync_count: int = 1
    """How many standbys must have a commit before it is acknowledged."""
    on_no_standby: OnNoStandby = OnNoStandby.BLOCK
    """Without any standby: commits wait (`block`), or are acknowledged alone for a limited time (`degrade`)."""
    degrade_after_s: float = 30.0
    """How long commits wait before `on_no_standby: degrade` lets them go on alone."""
    degrade_limit_s: float = 3600.0
    """How long they may go on alone; then they wait."""
    on_crash: OnCrash = OnCrash.FAILOVER
    """When the postmaster dies and its host lives: `failover`, or try a `restart` in place first."""
    restart_recovery_max_s: float = 5.0
    """Longest predicted crash recovery for which a restart in place is preferred."""
    switchback: Switchback = Switchback.MANUAL
    """When a group goes home: `never`, by hand (`manual`), `immediate`, or inside a `window` of the day."""
    switchback_after_s: float = 60.0
    """For how long the home member must have been in sync before."""
    switchback_window: str = "02:00-04:00"
    """Local time of day, `HH:MM-HH:MM`; may cross midnight."""
    guard_s: float = 5.0
    """An isolated center's primary without a streaming standby is fenced by its own controller after this long."""
    lag_bytes_max: int = 16 * 1024 * 1024
    """A standby further behind than this is not ready for a switchover."""

    # Bounds
    history_runs_max: int = 100
    """Ended runs of a group that are kept."""
    journal_bytes_max: int = 256 * 1024
    """Of one run's journal."""
    requests_max: int = 64
    """Operators' requests of a group that may wait for an answer."""

    def __post_init__(self) -> None:
        for relation in broken_relations({field.name: getattr(self, field.name) for field in fields(self)}):
            raise AssertionError(f"{' and '.join(relation.fields)}: {relation.demand}, or {relation.otherwise}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Relation:
    """What must hold between constants of a policy."""

    fields: tuple[str, ...]
    """The constants, by name; all are numbers."""
    holds: Callable[..., bool]
    """Asked with the values of `fields`, in their order."""
    demand: str
    """What must hold, in words where the constants are called as in the configuration file."""
    otherwise: str
    """What goes wrong when it does not."""


RELATIONS = (
    Relation(
        fields=("probe_interval_s", "probe_timeout_s", "suspicion_s"),
        holds=lambda interval_s, timeout_s, suspicion_s: interval_s + timeout_s < suspicion_s,
        demand="probe_interval + probe_timeout must be less than suspicion",
        otherwise="one slow probe looks like death",
    ),
    Relation(
        fields=("suspicion_s", "stuck_s"),
        holds=lambda suspicion_s, stuck_s: suspicion_s <= stuck_s,
        demand="suspicion must not be longer than stuck",
        otherwise="a slow commit is taken for a death sooner than silence is",
    ),
    Relation(
        fields=("marker_interval_s", "suspicion_s"),
        holds=lambda interval_s, suspicion_s: interval_s < suspicion_s,
        demand="marker_interval must be less than suspicion",
        otherwise="the standbys of an idle primary hear from it too seldom to vouch for it",
    ),
    Relation(
        fields=("retry_after_s", "retry_after_max_s"),
        holds=lambda first_s, greatest_s: first_s <= greatest_s,
        demand="retry_after must not be longer than retry_after_max",
        otherwise="the second try would come sooner than the first",
    ),
    Relation(
        fields=("sync_count",),
        holds=lambda count: count >= 1,
        demand="sync_count must be at least 1",
        otherwise="commits would be acknowledged that only one member has",
    ),
    Relation(
        fields=("failovers_per_hour",),
        holds=lambda count: count >= 1,
        demand="failovers_per_hour must be at least 1",
        otherwise="no failover would ever be automatic (drctl pause does that, visibly)",
    ),
)


def broken_relations(values: Mapping[str, object]) -> tuple[Relation, ...]:
    """The relations that do not hold between `values`, a policy's fields by name."""
    return tuple(relation for relation in RELATIONS if not relation.holds(*(values[name] for name in relation.fields)))
