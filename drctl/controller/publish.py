"""What this controller tells the outside: pictures of its views, a few times a second, and the runs that have ended."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from statistics import median

from drctl.controller.tick import Controller, Coordination
from drctl.decision.explain import explain
from drctl.decision.memory import routable
from drctl.model.event import Alarm, Event
from drctl.model.identity import CenterName, Epoch, GroupName
from drctl.model.member_picture import serving
from drctl.model.picture import cluster_snapshot, group_snapshot
from drctl.model.playbook import RunKind
from drctl.model.run import Outcome
from drctl.model.run_picture import picture_run
from drctl.model.snapshot import ClusterSnapshot, GroupSnapshot, RunSnapshot
from drctl.model.topology import Topology
from drctl.model.view import GroupView
from drctl.ports import Coordinator, EventSink

CALM_S = 0.5
"""Between two pictures while nothing is under way."""
BUSY_S = 0.1
"""And while a run is."""
ALARMS_MAX = 20
HISTORY_MAX = 20
FETCH_TIMEOUT_S = 5.0


class Publisher:
    """Makes a snapshot of the controller's views, from the deciding thread, without I/O; reads ended runs beside it."""

    def __init__(
        self,
        topology: Topology,
        coordinator: Coordinator,
        sink: EventSink,
        publish: Callable[[ClusterSnapshot], None],
        *,
        center: CenterName,
        version: str,
        config_digest: str,
    ) -> None:
        self._topology = topology
        self._coordinator = coordinator
        self._sink = sink
        self._publish = publish
        self._center = center
        self._version = version
        self._config_digest = config_digest
        self._alarms: dict[GroupName, deque[Alarm]] = {
            group.name: deque(maxlen=ALARMS_MAX) for group in topology.groups
        }
        self._history: dict[GroupName, tuple[RunSnapshot, ...]] = {}
        self._read_at: dict[GroupName, Epoch] = {}
        """At which epoch of each group its ended runs were read."""
        self._fetches: dict[GroupName, Future[tuple[RunSnapshot, ...]]] = {}
        self._fetcher = ThreadPoolExecutor(2, thread_name_prefix="history")
        self._published_at_s = 0.0

    def emit(self, event: Event) -> None:
        """Take an event: alarms are shown with their group until they are pushed out by newer ones."""
        if isinstance(event, Alarm) and event.group in self._alarms:
            self._alarms[event.group].append(event)
        self._sink.emit(event)

    def passed(self, controller: Controller, coordination: Coordination) -> None:
        """After a pass of the loop: publish when it is time to."""
        views = controller.views
        now_s = max((view.now_s for view in views.values()), default=0.0)
        busy = any(view.run is not None for view in views.values())
        news = [self._keep_history(name, view) for name, view in views.items()]
        if now_s - self._published_at_s < (BUSY_S if busy else CALM_S) and not any(news):
            return
        self._published_at_s = now_s
        self._publish(
            cluster_snapshot(
                self._topology,
                center=self._center,
                version=self._version,
                at_utc=next(iter(views.values())).now_utc,
                leader=coordination.leader,
                connected=coordination.connected,
                controllers=tuple(coordination.observers),
                groups=self._groups(controller),
                config_digest=self._config_digest,
            )
        )

    def close(self) -> None:
        """Read no more."""
        self._fetcher.shutdown(wait=False, cancel_futures=True)

    def _groups(self, controller: Controller) -> Sequence[GroupSnapshot]:
        pictures = []
        for name, view in controller.views.items():
            history = self._history.get(name, ())
            memory = controller.memory(name)
            explanation = explain(view, memory, took_s=typical_failover_s(history))
            recorded = view.record is not None and serving(view) == view.record.primary
            pictures.append(
                group_snapshot(
                    view,
                    explanation,
                    history=history,
                    alarms=tuple(reversed(self._alarms[name])),
                    routable=routable(view, memory) if recorded else True,
                )
            )
        return pictures

    def _keep_history(self, group: GroupName, view: GroupView) -> bool:
        """Read the ended runs again when one has ended, or when the coordinator is back; whether there is news."""
        fetch = self._fetches.get(group)
        news = False
        if fetch is not None and fetch.done():
            del self._fetches[group]
            if news := fetch.exception() is None:
                self._history[group] = fetch.result()
            else:
                self._read_at.pop(group, None)
        if view.record is None or view.record.run is not None or group in self._fetches:
            return news
        if not view.connected:
            self._read_at.pop(group, None)
        # By the epoch: a run that began and ended between two looks has raised it too.
        elif self._read_at.get(group) != view.record.epoch:
            self._read_at[group] = view.record.epoch
            self._fetches[group] = self._fetcher.submit(self._fetch, group)
        return news

    def _fetch(self, group: GroupName) -> tuple[RunSnapshot, ...]:
        runs = self._coordinator.history(group, limit=HISTORY_MAX, deadline_s=FETCH_TIMEOUT_S)
        return tuple(picture_run(run, now_utc=run.ended_utc) for run in runs)


def typical_failover_s(history: Sequence[RunSnapshot]) -> float | None:
    """How long failovers of this group took, the median of those kept; None when there was none."""
    took_s = [run.elapsed_s for run in history if run.kind is RunKind.FAILOVER and run.outcome is Outcome.DONE]
    return median(took_s) if took_s else None
