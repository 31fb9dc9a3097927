"""Tells at once when an idle connection breaks. Sleeps in the kernel until one does."""

from __future__ import annotations

import os
import select
import threading
from collections.abc import Callable

from drctl.model.identity import MemberName
from drctl.postgres.connection import Connection
from drctl.postgres.line import Line

GONE = select.EPOLLRDHUP | select.EPOLLHUP | select.EPOLLERR
"""Not that something can be read: an answer to a probe is none of our business."""
AGAIN_S = 0.005
"""Between two looks at a connection that broke while a call used it: mostly the call notices by itself."""


class Watcher:
    """Watches the connections of lines. A line tells of each new connection by `arm`."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)
        self._epoll.register(self._wake, select.EPOLLIN)
        self._armed: dict[int, tuple[Line, Connection]] = {}
        self._closing = False
        self._thread: threading.Thread | None = None

    def start(self, lost: Callable[[MemberName], None]) -> None:
        """Call `lost`, from a thread of our own, when a connection broke that nobody was using."""
        assert self._thread is None, "one watcher, one listener"
        self._thread = threading.Thread(target=self._watch, args=(lost,), name="watch", daemon=True)
        self._thread.start()

    def arm(self, line: Line, connection: Connection) -> None:
        """Watch a new connection. The caller holds the line. A closed one is forgotten by the kernel."""
        descriptor = connection.socket
        self._armed[descriptor] = (line, connection)
        try:
            self._epoll.register(descriptor, GONE | select.EPOLLONESHOT)
        except FileExistsError:
            self._epoll.modify(descriptor, GONE | select.EPOLLONESHOT)

    def close(self, *, deadline_s: float) -> None:
        """Watch no more. A second time it does nothing: the numbers of what was closed may be another's by now."""
        if self._closing:
            return
        self._closing = True
        os.eventfd_write(self._wake, 1)
        if self._thread is not None:
            self._thread.join(deadline_s)
            if self._thread.is_alive():
                return
        self._epoll.close()
        os.close(self._wake)

    def _watch(self, lost: Callable[[MemberName], None]) -> None:
        broken: list[tuple[Line, Connection]] = []
        while not self._closing:
            for descriptor, _ in self._epoll.poll(AGAIN_S if broken else None):
                if descriptor in self._armed:
                    broken.append(self._armed.pop(descriptor))
            broken = [pair for pair in broken if not self._told(*pair, lost)]

    @staticmethod
    def _told(line: Line, connection: Connection, lost: Callable[[MemberName], None]) -> bool:
        """Whether nothing is left to be done about it: told, or noticed by the call that used it."""
        if not line.lock.acquire(blocking=False):
            return False
        try:
            ours = line.connection is connection and connection.broken
            if ours:
                line.drop()
        finally:
            line.lock.release()
        if ours:
            lost(line.member.name)
        return True
