"""What `/events` tells its listeners, as server-sent events: the picture when it has changed, a beat when it has not.

Source: HTML Living Standard, "Server-sent events".
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace

from drctl.model.snapshot import ClusterSnapshot
from drctl.ports import Clock
from drctl.telemetry.publication import Publication, Published

BEAT_S = 1.0
"""At least that often something is sent: a listener that hears nothing for twice as long has lost its controller."""
RETRY_MS = 1000


class Events:
    """Where listeners come from."""

    def __init__(self, published: Published, clock: Clock, *, routes: Sequence[str]) -> None:
        """`routes` is what this controller answers: a page that came from a controller of another version must know."""
        self._published = published
        self._clock = clock
        self._hello = b"retry: %d\n%s" % (RETRY_MS, frame("hello", _line({"routes": list(routes)})))

    def listen(self) -> Listener:
        """A new listener, which has been told nothing."""
        return Listener(self._published, self._clock, self._hello)


class Listener:
    """One connection's share: asked a few times a second for what is due. Belongs to one thread."""

    def __init__(self, published: Published, clock: Clock, hello: bytes) -> None:
        self._published = published
        self._clock = clock
        self._unsent = hello
        self._seen: Publication | None = None
        self._told: ClusterSnapshot | None = None
        self._sent_at_s = clock.now_s()

    def due(self) -> bytes:
        """What is to be sent now; empty when there is nothing."""
        now_s = self._clock.now_s()
        due, self._unsent = self._unsent, b""
        latest = self._published.latest
        if latest is not None and latest is not self._seen:
            self._seen = latest
            if not _same(latest.snapshot, self._told):
                self._told = latest.snapshot
                due += frame("cluster", latest.cluster_line())
        if not due and now_s - self._sent_at_s >= BEAT_S:
            at_utc = latest.snapshot.at_utc if latest is not None else ""
            due = frame("beat", _line({"at_utc": at_utc, "age_s": self._published.age_s()}))
        if due:
            self._sent_at_s = now_s
        return due


def frame(event: str, data: bytes) -> bytes:
    """One event. `data` is one line: a line break would begin another field."""
    assert b"\n" not in data, "JSON without indentation has no line breaks"
    return b"event: %s\ndata: %s\n\n" % (event.encode(), data)


def _same(new: ClusterSnapshot, told: ClusterSnapshot | None) -> bool:
    return told is not None and replace(new, at_utc=told.at_utc) == told


def _line(value: object) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()
