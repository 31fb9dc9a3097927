"""What one controller knows of one group at one moment: all that a decision may look at."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from drctl.model.identity import CenterName, MemberName
from drctl.model.report import HostReport, MemberReport, ObserverReport
from drctl.model.request import Request
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.model.topology import Group


@dataclass(frozen=True, slots=True, kw_only=True)
class MarkerState:
    """How the periodic marker commits on the primary fare. Seconds are this controller's monotonic clock."""

    member: MemberName | None = None
    """The primary they were tried on; None before the first."""
    acked_at_s: float | None = None
    """When the last one was acknowledged on that member; None when none was."""
    pending_since_s: float | None = None
    """Since when one has been waiting or failing; None when the last try was acknowledged."""
    sequence: int = 0
    """Of the last acknowledged marker."""
    elapsed_s: float = 0.0
    """How long the last acknowledged one took."""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupView:
    """A group as one controller sees it."""

    group: Group
    center: CenterName
    """The observer's own."""
    now_s: float
    now_utc: str
    connected: bool
    """Whether the coordinator answers; what is read from it is old otherwise."""
    leading: bool
    record: GroupRecord | None
    """None before `drctl init`."""
    run: Run | None
    """The run that the record names."""
    reports: Mapping[MemberName, MemberReport]
    hosts: Mapping[MemberName, HostReport]
    observers: Mapping[CenterName, ObserverReport]
    """Of every controller with a living session, this one included."""
    marker: MarkerState = field(default_factory=MarkerState)
    requests: tuple[Request, ...] = ()

    def report(self, member: MemberName) -> MemberReport | None:
        """The last report on `member`; None before the first probe ended."""
        return self.reports.get(member)

    def host(self, member: MemberName) -> HostReport | None:
        """What the member's host said last; None when it was never asked."""
        return self.hosts.get(member)
