"""Metrics for Prometheus: what is, read from the published snapshot; what happened, counted from events."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime

from prometheus_client import CollectorRegistry, Counter, Histogram, ProcessCollector, generate_latest
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from drctl.model.event import Alarm, Event, NotificationEnded, RunEnded, RunStarted, StepChanged
from drctl.model.identity import GroupName, RunId
from drctl.model.playbook import RunKind
from drctl.model.run import Outcome, StepStatus
from drctl.model.snapshot import ClusterSnapshot, GroupSnapshot, Role
from drctl.telemetry.publication import Published

CONTENT_TYPE = "text/plain; version=0.0.4; charset=utf-8"

_MARKER_BUCKETS_S = (0.002, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
_STEP_BUCKETS_S = (0.01, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0, 300.0)
_MOVES = (RunKind.FAILOVER, RunKind.SWITCHOVER, RunKind.SWITCHBACK, RunKind.EVACUATE)
_RUNS_KEPT_MAX = 256
_ENDED = {StepStatus.DONE, StepStatus.FAILED}


class Metrics:
    """EventSink that counts, and the text of `/metrics`."""

    def __init__(self, published: Published) -> None:
        self._registry = CollectorRegistry()
        self._kinds: dict[RunId, RunKind] = {}
        self._marked: dict[GroupName, int] = {}
        self._failovers = Counter(
            "drctl_failovers",
            "Operations that move a primary, by kind and by how they ended",
            ["kind", "result"],
            registry=self._registry,
        )
        for kind in _MOVES:
            for outcome in Outcome:
                # A counter that is not there until it first counts hides its own first increase from `rate()`.
                self._failovers.labels(kind.value, outcome.value)
        self._steps = Histogram(
            "drctl_run_step_seconds",
            "Duration of the steps of runs",
            ["kind", "step", "status"],
            buckets=_STEP_BUCKETS_S,
            registry=self._registry,
        )
        self._markers = Histogram(
            "drctl_marker_commit_seconds",
            "Duration of marker commits, from the request to the acknowledgement by the sync set",
            ["group"],
            buckets=_MARKER_BUCKETS_S,
            registry=self._registry,
        )
        self._alarms = Counter("drctl_alarms", "Alarms raised, by code", ["code", "severity"], registry=self._registry)
        self._notifications = Counter(
            "drctl_notifications",
            "Messages to people, by channel and by whether they were handed over",
            ["channel", "result"],
            registry=self._registry,
        )
        self._registry.register(_SnapshotCollector(published))
        ProcessCollector(registry=self._registry)

    def emit(self, event: Event) -> None:
        """Take an event; never blocks and never raises."""
        match event:
            case RunStarted():
                self._remember(event.run, event.kind)
            case StepChanged() if event.status in _ENDED:
                kind = self._kinds.get(event.run)
                self._steps.labels(kind.value if kind else "unknown", event.step, event.status.value).observe(
                    event.elapsed_s
                )
            case RunEnded():
                if event.kind in _MOVES:
                    self._failovers.labels(event.kind.value, event.outcome.value).inc()
                self._kinds.pop(event.run, None)
            case NotificationEnded():
                result = "delivered" if event.delivered else "given_up"
                self._notifications.labels(event.channel, result).inc()
            case Alarm():
                self._alarms.labels(event.code, event.severity.value).inc()
            case _:
                pass

    def see(self, snapshot: ClusterSnapshot) -> None:
        """Count what no event tells: the markers acknowledged since the last snapshot. Called by the loop."""
        for group in snapshot.groups:
            if group.run is not None:
                # A run that was taken over began elsewhere.
                self._remember(group.run.id, group.run.kind)
            if group.marker is not None and group.marker.sequence != self._marked.get(group.name, 0):
                self._marked[group.name] = group.marker.sequence
                self._markers.labels(group.name).observe(group.marker.elapsed_s)

    def text(self) -> bytes:
        """The body of `/metrics`."""
        return generate_latest(self._registry)

    def _remember(self, run: RunId, kind: RunKind) -> None:
        if run not in self._kinds and len(self._kinds) >= _RUNS_KEPT_MAX:
            del self._kinds[next(iter(self._kinds))]
        self._kinds[run] = kind


class _SnapshotCollector(Collector):
    """Gauges of what the controller told last."""

    def __init__(self, published: Published) -> None:
        self._published = published

    def collect(self) -> Iterable[GaugeMetricFamily]:
        """The families, for one scrape."""
        latest = self._published.latest
        if latest is None:
            return
        snapshot = latest.snapshot
        yield _single("drctl_controller_leader", "1 when this controller leads", snapshot.leader == snapshot.center)
        yield _single(
            "drctl_coordinator_connected", "1 when the coordinator answers this controller", snapshot.connected
        )
        age = GaugeMetricFamily("drctl_snapshot_age_seconds", "Since this controller's loop last told what it knows")
        age.add_metric([], self._published.age_s() or 0.0)
        yield age
        build = GaugeMetricFamily("drctl_build_info", "Always 1", labels=["version", "center"])
        build.add_metric([snapshot.version, snapshot.center], 1)
        yield build
        yield from _of_members(snapshot)
        yield from _of_groups(snapshot)


def _single(name: str, text: str, value: float) -> GaugeMetricFamily:
    family = GaugeMetricFamily(name, text)
    family.add_metric([], float(value))
    return family


def _of_members(snapshot: ClusterSnapshot) -> Iterator[GaugeMetricFamily]:
    labels = ["group", "member", "center"]
    up = GaugeMetricFamily("drctl_member_up", "1 when the member's database answers", labels=labels)
    role = GaugeMetricFamily("drctl_member_role", "1 for the role that the member has", labels=[*labels, "role"])
    lag = GaugeMetricFamily(
        "drctl_replication_lag_bytes",
        "Behind the primary's last known position, by what is received and by what is replayed",
        labels=[*labels, "position"],
    )
    for group in snapshot.groups:
        for member in group.members:
            values = [group.name, member.name, member.center]
            up.add_metric(values, float(member.answers))
            for known in Role:
                role.add_metric([*values, _label(known)], float(member.role is known))
            for position, behind in (("receive", member.receive_lag_bytes), ("replay", member.replay_lag_bytes)):
                if behind is not None:
                    lag.add_metric([*values, position], behind)
    yield from (up, role, lag)


def _label(role: Role) -> str:
    return role.value.lower().replace(" ", "_")


def _of_groups(snapshot: ClusterSnapshot) -> Iterator[GaugeMetricFamily]:
    labels = ["group"]
    size = GaugeMetricFamily("drctl_sync_set_size", "Members of the sync set by the record", labels=labels)
    streaming = GaugeMetricFamily("drctl_sync_set_streaming", "Members of the sync set that stream", labels=labels)
    wanted = GaugeMetricFamily("drctl_sync_count", "Standbys that an acknowledgement waits for", labels=labels)
    guaranteed = GaugeMetricFamily(
        "drctl_rpo_guaranteed", "1 while every acknowledged commit is on enough members", labels=labels
    )
    exposed = GaugeMetricFamily(
        "drctl_rpo_exposed_seconds",
        "For how long commits may have been acknowledged by the primary alone",
        labels=labels,
    )
    writable = GaugeMetricFamily("drctl_group_writable", "1 when a member takes writes", labels=labels)
    paused = GaugeMetricFamily("drctl_group_paused", "1 while automatic operations are paused", labels=labels)
    running = GaugeMetricFamily("drctl_group_run_active", "1 while a run is under way", labels=labels)
    for group in snapshot.groups:
        size.add_metric([group.name], len(group.sync_members))
        streaming.add_metric([group.name], sum(member.synchronous for member in group.members))
        wanted.add_metric([group.name], group.sync_count)
        guaranteed.add_metric([group.name], float(group.rpo_guaranteed))
        exposed.add_metric([group.name], _exposed_s(group, snapshot.at_utc))
        writable.add_metric([group.name], float(any(member.writable for member in group.members)))
        paused.add_metric([group.name], float(group.paused))
        running.add_metric([group.name], float(group.run is not None))
    yield from (size, streaming, wanted, guaranteed, exposed, writable, paused, running)


def _exposed_s(group: GroupSnapshot, now_utc: str) -> float:
    if group.rpo_guaranteed or not group.exposed_since_utc:
        return 0.0
    since = datetime.fromisoformat(group.exposed_since_utc)
    return max(0.0, (datetime.fromisoformat(now_utc) - since).total_seconds())
