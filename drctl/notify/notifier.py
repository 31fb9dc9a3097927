"""Which of a controller's events go to people, and by whom: the leader tells, and each controller of its own lost coordinator."""

from __future__ import annotations

import queue
import threading
from collections.abc import Sequence

from drctl.model.event import Alarm, CoordinatorChanged, Event, LeadershipChanged, NotificationEnded
from drctl.model.identity import CenterName
from drctl.notify.courier import Courier
from drctl.notify.notice import Notice, coordinator_lost, notice_of
from drctl.ports import Clock

EVENTS_MAX = 1000
LOST_FOR_S = 10.0
"""How long a controller is without its coordinator before people are told: sessions move from server to server."""
AGAIN_S = 600.0
"""The same thing is not told again before."""
REMEMBERED_MAX = 500
OWN_ALARMS = frozenset({"guard", "configuration", "audit_chain"})
"""What a controller alone knows, leader or not."""
PASS_S = 0.5


class Notifier:
    """EventSink. Taking an event is one put on a queue: what comes after happens in other threads."""

    def __init__(self, couriers: Sequence[Courier], *, cluster: str, center: CenterName, clock: Clock) -> None:
        self._couriers = tuple(couriers)
        self._cluster = cluster
        self._center = center
        self._clock = clock
        self._events: queue.Queue[tuple[Event, str] | None] = queue.Queue(maxsize=EVENTS_MAX)
        self._leading = False
        self._connected = False
        self._lost_at_s: float | None = None
        self._told_at_s: dict[tuple[str, str, str, str], float] = {}
        self._thread = threading.Thread(target=self._run, name="notify", daemon=True)

    def start(self) -> None:
        """Begin to tell."""
        if self._couriers:
            self._thread.start()

    def emit(self, event: Event) -> None:
        """Take an event; never blocks and never raises."""
        if not self._couriers or isinstance(event, NotificationEnded):
            return
        try:
            self._events.put_nowait((event, self._clock.utc()))
        except queue.Full:
            return  # The log has it. Sixteen minutes of a storm wait here already.

    def close(self, *, deadline_s: float) -> None:
        """Hand over what waits, for at most `deadline_s` in all."""
        if not self._thread.is_alive():
            return
        try:
            self._events.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(deadline_s / 2)
        end_s = self._clock.now_s() + deadline_s / 2
        for courier in self._couriers:
            courier.close(deadline_s=max(0.0, end_s - self._clock.now_s()))

    def _run(self) -> None:
        while True:
            try:
                taken = self._events.get(timeout=PASS_S)
            except queue.Empty:
                self._look_for_loss()
                continue
            if taken is None:
                return
            self._look_for_loss()
            self._heed(*taken)

    def _heed(self, event: Event, at_utc: str) -> None:
        match event:
            case LeadershipChanged():
                self._leading = event.leading
            case CoordinatorChanged():
                lost = self._connected and not event.connected
                self._connected = event.connected
                self._lost_at_s = self._clock.now_s() if lost else None
            case _:
                notice = notice_of(event, cluster=self._cluster, center=self._center, at_utc=at_utc)
                own = isinstance(event, Alarm) and event.code in OWN_ALARMS
                if notice is not None and (self._leading or own):
                    self._tell(notice)

    def _look_for_loss(self) -> None:
        if self._lost_at_s is not None and self._clock.now_s() - self._lost_at_s >= LOST_FOR_S:
            self._lost_at_s = None
            self._tell(coordinator_lost(cluster=self._cluster, center=self._center, at_utc=self._clock.utc()))

    def _tell(self, notice: Notice) -> None:
        now_s = self._clock.now_s()
        told_at_s = self._told_at_s.get(notice.key)
        if told_at_s is not None and now_s - told_at_s < AGAIN_S:
            return
        self._told_at_s.pop(notice.key, None)
        self._told_at_s[notice.key] = now_s
        while len(self._told_at_s) > REMEMBERED_MAX:
            del self._told_at_s[next(iter(self._told_at_s))]
        for courier in self._couriers:
            courier.take(notice)
