"""kazoo's sockets and waits, with deadlines that suit a session of two seconds.

Left alone, kazoo 2.11 waits a whole session timeout for one host that does not answer a SYN, and takes every request
that it sends for a sign of life of the server, so that a busy client never notices a frozen one. Both cost the session.
"""

from __future__ import annotations

import errno
import socket
import struct
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from kazoo.handlers.threading import SequentialThreadingHandler

if TYPE_CHECKING:
    from collections.abc import Callable

SILENCE_MIN_S = 0.6
HOMING_S = 1.0
"""How long nothing but the preferred server is connected to, on the way back to it."""
# Of the server's answer to a connection: length, protocol version, granted timeout. All of them big-endian.
_GREETING = struct.Struct("!iii")


class Wire(socket.socket):
    """A connection to one server that knows when it heard from it last, and what session timeout it was granted."""

    def __init__(self, family: int, now_s: Callable[[], float]) -> None:
        super().__init__(family, socket.SOCK_STREAM)
        self._now_s = now_s
        self._greeting = b""
        self.heard_at_s = now_s()
        self.granted_timeout_s: float | None = None
        self.peer: tuple[str, int] | None = None
        """Whom it is connected to; None before it is."""

    def recv(self, size: int, flags: int = 0, /) -> bytes:
        """As a socket's. Raises OSError when the session may have ended since a server was heard.

        What a process reads when it wakes was said while it slept: it is no sign of a session that lives now.
        """
        data = super().recv(size, flags)
        now_s = self._now_s()
        if self.granted_timeout_s is not None and now_s - self.heard_at_s >= self.granted_timeout_s:
            raise OSError(errno.ETIMEDOUT, "nothing was read for as long as a session lives")
        self.heard_at_s = now_s
        if self.granted_timeout_s is None:
            self._greeting += data
            if len(self._greeting) >= _GREETING.size:
                self.granted_timeout_s = _GREETING.unpack_from(self._greeting)[2] / 1000.0
        return data


class Handler(SequentialThreadingHandler):  # type: ignore[misc]
    """kazoo's threads and sockets, in a hurry."""

    def __init__(self, *, session_timeout_s: float, now_s: Callable[[], float]) -> None:
        super().__init__()
        self._now_s = now_s
        # Half the session is left to find another server. kazoo is silent by itself for up to 0.4 s in a short session,
        # and a server needs a moment to answer.
        self._silence_max_s = max(session_timeout_s / 2, SILENCE_MIN_S)
        self._connect_timeout_s = session_timeout_s / 5
        self._skip_s = session_timeout_s / 2
        self._skipped_until_s: dict[tuple[str, int], float] = {}
        self._home: tuple[str, int] | None = None
        self._homing_until_s = 0.0
        self._plain_select: Callable[..., tuple[list[Any], ...]] = super().select
        self.wire: Wire | None = None
        """The newest connection; None before the first."""

    def create_connection(self, address: tuple[str, int], timeout: float, **tls: object) -> Wire:
        """Connect, and give up on a silent host soon. Raises OSError."""
        assert not tls.get("use_ssl"), "TLS to ZooKeeper is not built yet"
        if self._now_s() < self._homing_until_s and address != self._home:
            raise OSError(errno.EAGAIN, "on the way back to the preferred server")
        if self._now_s() < self._skipped_until_s.get(address, 0.0):
            # The dead center is in every client's list; it must not slow down the way around the living.
            raise OSError(errno.ETIMEDOUT, f"{address[0]} did not answer a moment ago")
        wire = Wire(socket.AF_INET6 if ":" in address[0] else socket.AF_INET, self._now_s)
        try:
            wire.settimeout(min(timeout, self._connect_timeout_s))
            wire.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            wire.connect(address)
        except OSError as error:
            wire.close()
            if isinstance(error, TimeoutError):
                self._skipped_until_s[address] = self._now_s() + self._skip_s
            raise
        self._skipped_until_s.pop(address, None)
        self._homing_until_s = 0.0
        wire.heard_at_s = self._now_s()
        wire.peer = address
        self.wire = wire
        return wire

    def go_home(self, home: tuple[str, int]) -> None:
        """Break the connection, and connect to `home` or, if that fails, to any other."""
        wire = self.wire
        if wire is None:
            return
        self._home = home
        self._homing_until_s = self._now_s() + HOMING_S
        with suppress(OSError):
            wire.shutdown(socket.SHUT_RDWR)

    def select(self, rlist: list[Any], wlist: list[Any], xlist: list[Any], timeout: float) -> tuple[list[Any], ...]:
        """As select, but a server that is silent for too long is a broken connection, however much is sent to it."""
        wire = next((one for one in rlist if isinstance(one, Wire)), None)
        if wire is None:
            return self._plain_select(rlist, wlist, xlist, timeout)
        left_s = wire.heard_at_s + self._silence_max_s - self._now_s()
        ready = self._plain_select(rlist, wlist, xlist, min(timeout, max(0.0, left_s)))
        if wire not in ready[0] and self._now_s() >= wire.heard_at_s + self._silence_max_s:
            raise self.timeout_exception(f"the server has been silent for {self._silence_max_s:g} s")
        return ready
