"""What this controller has seen: which looks are due, and the view that a decision is made from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from drctl.controller.effect import Effect, EffectEnded, Inspect, Probe, Publish, WatchMarker
from drctl.decision.diagnosis import hears
from drctl.model.evidence import MarkerAcked
from drctl.model.identity import CenterName, GroupName, MemberName
from drctl.model.report import HostReport, MemberReport, ObserverReport, Reachability, Sighting
from drctl.model.rule import GroupRecord
from drctl.model.topology import Group, Member, Topology
from drctl.model.view import GroupView, MarkerState
from drctl.ports import GroupState

INSPECT_INTERVAL_S = 5.0
"""Between two looks of the leader at a host that is well."""
INSPECT_INTERVAL_FOLLOWER_S = 15.0
"""Of the others, who only keep their connections warm."""
INSPECT_TIMEOUT_S = 2.0
INSPECT_AGAIN_S = 0.3
"""Between two looks at a host whose database does not answer."""
PUBLISH_TIMEOUT_S = 2.0


class Observation:
    """Reports on members, hosts and markers, and what is due to be looked at."""

    def __init__(self, topology: Topology, center: CenterName, version: str) -> None:
        self._topology = topology
        self._center = center
        self._version = version
        self._members: Mapping[MemberName, Member] = {member.name: member for member in topology.members}
        self._groups: Mapping[MemberName, Group] = {
            member.name: group for group in topology.groups for member in group.members
        }
        self.reports: dict[MemberName, MemberReport] = {}
        self.hosts: dict[MemberName, HostReport] = {}
        self.markers: dict[GroupName, MarkerState] = {group.name: MarkerState() for group in topology.groups}
        self._probe_at_s: dict[MemberName, float] = dict.fromkeys(self._members, 0.0)
        self._inspect_at_s: dict[MemberName, float] = dict.fromkeys(self._members, 0.0)
        self._mark_at_s: dict[GroupName, float] = dict.fromkeys(self.markers, 0.0)
        self._probing: set[MemberName] = set()
        self._inspecting: set[MemberName] = set()
        self._marking: set[GroupName] = set()
        self._void_before_s: dict[MemberName, float] = {}
        self._published: ObserverReport | None = None
        self._publishing = False

    # What is due

    def probes_due(self, now_s: float) -> list[Effect]:
        """Probes of the members whose turn it is; one in flight a member."""
        due: list[Effect] = []
        for name, member in self._members.items():
            if name in self._probing or now_s < self._probe_at_s[name]:
                continue
            self._probing.add(name)
            due.append(Probe(member=member, deadline_s=self._groups[name].policy.probe_timeout_s))
        return due

    def inspections_due(self, now_s: float, *, leading: bool) -> list[Effect]:
        """Looks at hosts: now and then, and soon where a database does not answer."""
        due: list[Effect] = []
        for name, member in self._members.items():
            if name in self._inspecting:
                continue
            report, host = self.reports.get(name), self.hosts.get(name)
            doubtful = (
                leading
                and report is not None
                and report.reachability in {Reachability.REFUSED, Reachability.SILENT}
                and (host is None or now_s - host.at_s >= INSPECT_AGAIN_S)
            )
            if now_s < self._inspect_at_s[name] and not doubtful:
                continue
            self._inspecting.add(name)
            due.append(Inspect(member=member, deadline_s=INSPECT_TIMEOUT_S))
        return due

    def marker_due(self, view: GroupView) -> WatchMarker | None:
        """The marker commit that is due on a group's primary; only the leader asks."""
        name = view.group.name
        if view.record is None or name in self._marking or view.now_s < self._mark_at_s[name]:
            return None
        report = view.report(view.record.primary)
        if report is None or not report.answers or report.facts is None or report.facts.in_recovery:
            return None
        state = self.markers[name]
        if state.member != view.record.primary:
            state = MarkerState(member=view.record.primary)
            self.markers[name] = state
        if state.pending_since_s is None:
            self.markers[name] = replace(state, pending_since_s=view.now_s)
        self._marking.add(name)
        return WatchMarker(
            member=view.group.member(view.record.primary),
            sequence=state.sequence + 1,
            epoch=view.record.epoch,
            deadline_s=view.group.policy.suspicion_s,
        )

    def publication_due(self, now_s: float) -> Publish | None:
        """What the other controllers should be told; None when they know it."""
        if self._publishing:
            return None
        report = ObserverReport(
            center=self._center,
            version=self._version,
            sightings=tuple(
                (name, self._sighting(name, now_s)) for name in sorted(self._members) if name in self.reports
            ),
        )
        if report == self._published:
            return None
        self._publishing = True
        return Publish(report=report, deadline_s=PUBLISH_TIMEOUT_S)

    def _sighting(self, name: MemberName, now_s: float) -> Sighting:
        group = self._groups[name]
        view = GroupView(
            group=group,
            center=self._center,
            now_s=now_s,
            now_utc="",
            connected=True,
            leading=False,
            record=None,
            run=None,
            reports=self.reports,
            hosts={},
            observers={},
        )
        heard = any(hears(view, name, other.name) for other in group.members if other.name != name)
        return Sighting(reachability=self.reports[name].reachability, hears_primary=heard)

    # What came of it

    def absorb(self, ended: EffectEnded, now_s: float) -> MemberReport | None:
        """Take the outcome of a look; the report that it replaces, for a probe."""
        match ended.effect:
            case Probe(member=member):
                return self._probed(member, ended, now_s)
            case Inspect(member=member):
                self._inspecting.discard(member.name)
                if isinstance(ended.result, HostReport):
                    self.hosts[member.name] = ended.result
            case WatchMarker(member=member) as effect:
                self._marked(effect, ended, now_s)
            case Publish(report=report):
                self._publishing = False
                self._published = report if ended.error is None else None
            case _:
                raise AssertionError(f"{ended.effect.name} is not a look")
        return None

    def _probed(self, member: Member, ended: EffectEnded, now_s: float) -> MemberReport | None:
        name, policy = member.name, self._groups[member.name].policy
        self._probing.discard(name)
        before = self.reports.get(name)
        assert isinstance(ended.result, MemberReport), "a probe never fails: its report says how the member answered"
        report = replace(ended.result, asked_at_s=now_s - ended.elapsed_s)
        if not report.answers and before is not None:
            report = replace(report, facts=report.facts or before.facts, answered_at_s=before.answered_at_s)
        self.reports[name] = report
        outdated = report.asked_at_s < self._void_before_s.get(name, 0.0)
        self._probe_at_s[name] = now_s if outdated else now_s + policy.probe_interval_s
        return before

    def _marked(self, effect: WatchMarker, ended: EffectEnded, now_s: float) -> None:
        group = self._groups[effect.member.name]
        self._marking.discard(group.name)
        self._mark_at_s[group.name] = now_s + group.policy.marker_interval_s
        state = self.markers[group.name]
        if state.member != effect.member.name:
            return
        if isinstance(ended.result, MarkerAcked):
            self.markers[group.name] = MarkerState(
                member=state.member,
                acked_at_s=now_s,
                sequence=ended.result.sequence,
                elapsed_s=ended.result.elapsed_s,
            )
        else:
            self.markers[group.name] = replace(state, detail=ended.error.message if ended.error else "")

    def inspected_late(self, ended: EffectEnded, now_s: float, *, leading: bool) -> None:
        """Plan the next look at a host after one ended."""
        assert isinstance(ended.effect, Inspect), "asked after an inspection"
        interval_s = INSPECT_INTERVAL_S if leading else INSPECT_INTERVAL_FOLLOWER_S
        self._inspect_at_s[ended.effect.member.name] = now_s + interval_s

    def connection_lost(self, member: MemberName) -> None:
        """An idle connection to a member broke: look at once."""
        self._probe_at_s[member] = 0.0

    def outdate(self, member: MemberName, now_s: float) -> None:
        """Something was done to a member: what was asked of it before is no longer true. Look at once."""
        self._void_before_s[member] = now_s
        self._probe_at_s[member] = 0.0

    def republish(self) -> None:
        """Tell the others again: the session is a new one."""
        self._published = None

    # The view

    def view(
        self,
        group: Group,
        state: GroupState,
        observers: Mapping[CenterName, ObserverReport],
        *,
        now_s: float,
        now_utc: str,
        connected: bool,
        leading: bool,
    ) -> GroupView:
        """All that is known of `group` now."""
        names = {member.name for member in group.members}
        return GroupView(
            group=group,
            center=self._center,
            now_s=now_s,
            now_utc=now_utc,
            connected=connected,
            leading=leading,
            record=state.record,
            run=state.run,
            reports={
                name: report
                for name, report in self.reports.items()
                if name in names and report.asked_at_s >= self._void_before_s.get(name, 0.0)
            },
            hosts={name: report for name, report in self.hosts.items() if name in names},
            observers=observers,
            marker=self._fair_marker(group.name, state.record, asking=connected and leading),
            requests=state.requests,
        )

    def _fair_marker(self, name: GroupName, record: GroupRecord | None, *, asking: bool) -> MarkerState:
        """How markers get on. One waits only while it could commit: while this controller asks for it, the primary
        answers, and enough standbys stream. What comes back after a while must not be taken for stuck all that while."""
        state = self.markers[name]
        could_commit = asking and record is not None and self._could_commit(record)
        if state.pending_since_s is not None and not could_commit:
            state = self.markers[name] = replace(state, pending_since_s=None)
        return state

    def _could_commit(self, record: GroupRecord) -> bool:
        report = self.reports.get(record.primary)
        if report is None or not report.answers or report.facts is None:
            return False
        streaming = {standby.name for standby in report.facts.standbys if standby.state == "streaming"}
        return len(streaming & record.rule.sync.members) >= record.rule.sync.count
