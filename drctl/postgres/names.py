"""Names of hosts as addresses, without ever waiting longer than allowed: libpq waits for the name server as it likes."""

from __future__ import annotations

import ipaddress
import socket
import threading
import time
from dataclasses import dataclass, field

REFRESH_S = 60.0
"""After which a name is asked for again, beside; what was known is used meanwhile."""


@dataclass(slots=True)
class _Known:
    address: str = ""
    at_s: float = 0.0
    error: str = ""
    asking: bool = False
    answered: threading.Event = field(default_factory=threading.Event)

    def take(self) -> str:
        if not self.address:
            raise OSError(self.error)
        return self.address


class Names:
    """Addresses by name. From any thread."""

    def __init__(self) -> None:
        self._known: dict[str, _Known] = {}
        self._lock = threading.Lock()

    def address(self, host: str, *, end_s: float) -> str:
        """The address of `host`, the last known one where the name server is silent. Raises OSError, TimeoutError."""
        try:
            return str(ipaddress.ip_address(host))
        except ValueError:
            pass
        with self._lock:
            known = self._known.setdefault(host, _Known())
            due = not known.asking and (not known.address or time.monotonic() - known.at_s > REFRESH_S)
            if due:
                known.asking = True
                known.answered.clear()
                threading.Thread(target=self._ask, args=(host, known), name="names", daemon=True).start()
        if not known.address and not known.answered.wait(max(0.0, end_s - time.monotonic())):
            raise TimeoutError(f"no name server answers for {host}")
        return known.take()

    def _ask(self, host: str, known: _Known) -> None:
        try:
            found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
            known.address, known.at_s = str(found[0][4][0]), time.monotonic()
        except OSError as error:
            known.error = f"{host}: {error.strerror or error}"
        finally:
            known.asking = False
            known.answered.set()
