"""One channel's thread: it sends what waits, again where that helps, and not more often than people can read."""

from __future__ import annotations

import queue
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from drctl.model.errors import DrctlError, EffectRefused, Unreachable
from drctl.model.event import NotificationEnded
from drctl.notify.channel import SEND_TIMEOUT_S, Channel
from drctl.notify.notice import RANKS, Notice

WAITING_MAX = 200
"""Messages that wait for a channel; more are counted, and the count is told."""
BACKOFF_S = (1.0, 3.0, 10.0, 30.0, 60.0)
"""Before each further try; after the last a message is given up."""
MINUTE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """What a courier needs besides its channel."""

    now_s: Callable[[], float]
    tell: Callable[[NotificationEnded], None]
    summary: Callable[[int], Notice]
    """The notice that says how many were kept back."""
    backoff_s: tuple[float, ...] = BACKOFF_S


class Courier:
    """Sends through one channel. Taking a notice never blocks; everything slow happens in its own thread."""

    def __init__(self, channel: Channel, delivery: Delivery) -> None:
        self.channel = channel
        self._delivery = delivery
        self._waiting: queue.Queue[Notice | None] = queue.Queue(maxsize=WAITING_MAX)
        self._kept_back = 0
        self._sent_at_s: deque[float] = deque()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name=f"notify-{channel.terms.name}", daemon=True)
        self._thread.start()

    def take(self, notice: Notice) -> None:
        """Send it soon. From any one thread; never blocks."""
        if RANKS.index(notice.severity) < RANKS.index(self.channel.terms.severity):
            return
        try:
            self._waiting.put_nowait(notice)
        except queue.Full:
            self._kept_back += 1

    def close(self, *, deadline_s: float) -> None:
        """Send what waits for at most `deadline_s`, once each."""
        self._stop.set()
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._thread.join(deadline_s)

    def _run(self) -> None:
        while True:
            try:
                notice = self._waiting.get(timeout=1.0)
            except queue.Empty:
                self._tell_the_rest()
                continue
            if notice is None:
                return
            if self._may_send():
                self._deliver(notice)
            else:
                self._kept_back += 1

    def _may_send(self) -> bool:
        now_s = self._delivery.now_s()
        while self._sent_at_s and now_s - self._sent_at_s[0] >= MINUTE_S:
            self._sent_at_s.popleft()
        # One is left for the summary.
        return len(self._sent_at_s) < max(1, self.channel.terms.per_minute - 1)

    def _tell_the_rest(self) -> None:
        if self._kept_back and self._may_send():
            count, self._kept_back = self._kept_back, 0
            self._deliver(self._delivery.summary(count))

    def _deliver(self, notice: Notice) -> None:
        self._sent_at_s.append(self._delivery.now_s())
        error = ""
        tries = 0
        for pause_s in (*self._delivery.backoff_s, None):
            tries += 1
            error = self._send(notice)
            if not error or pause_s is None or self._hopeless or self._stop.wait(pause_s):
                break
        self._delivery.tell(
            NotificationEnded(
                channel=self.channel.terms.name,
                delivered=not error,
                tries=tries,
                title=notice.title(self.channel.terms.language),
                error=error,
            )
        )

    def _send(self, notice: Notice) -> str:
        """Why it was not handed over; empty when it was."""
        self._hopeless = False
        try:
            self.channel.send(notice, deadline_s=SEND_TIMEOUT_S)
        except DrctlError as error:
            # A server that cannot be reached may be there in a moment; one that says no will say it again.
            self._hopeless = isinstance(error, EffectRefused) and not isinstance(error, Unreachable)
            return error.message
        return ""
