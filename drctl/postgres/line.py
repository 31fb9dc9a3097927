"""What is kept of one member between two calls: one connection, used by one call at a time."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

from drctl.model.topology import Member
from drctl.postgres.connection import Connection
from drctl.postgres.facts import Identity
from drctl.postgres.overrides import Overrides


class Occupied(Exception):
    """Another call still uses it."""


@dataclass(slots=True)
class Line:
    """One connection to a member; whoever touches it holds `lock`."""

    member: Member
    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: Connection | None = None
    identity: Identity | None = None
    """Of the connection's server; None while there is none."""
    overrides: Overrides = field(default_factory=Overrides)
    overrides_at_s: float = 0.0
    """When they were looked at last."""
    pending: bool = False
    """Whether a statement was sent that has not been answered: it is waited for, never sent anew."""

    @contextmanager
    def held(self, timeout_s: float) -> Iterator[None]:
        """Keep others away. Raises Occupied when they do not go in time."""
        if not self.lock.acquire(timeout=max(0.0, timeout_s)):
            raise Occupied
        try:
            yield
        finally:
            self.lock.release()

    def drop(self) -> None:
        """Close the connection."""
        if self.connection is not None:
            self.connection.close()
        self.connection, self.identity, self.pending = None, None, False


CAREFUL_PARAMETERS = {
    "gssencmode": "disable",  # a dead ticket server would be waited for
    "target_session_attrs": "any",
    "client_encoding": "UTF8",
    "keepalives": "1",
    "keepalives_idle": "2",
    "keepalives_interval": "1",
    "keepalives_count": "2",
    "tcp_user_timeout": "2000",
}
"""Of every session, so that no environment variable decides, and the kernel tells of a dead link."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """As whom to connect, and where."""

    user: str
    password: str | None
    dbname: str
    sslmode: str

    def parameters(
        self, member: Member, address: str, *, application: str, options: Mapping[str, str]
    ) -> dict[str, str]:
        """libpq's parameters for a session on `member`. Every one that its environment could change is given."""
        return {
            **CAREFUL_PARAMETERS,
            "host": member.host,
            "hostaddr": address,
            "port": str(member.port),
            "user": self.user,
            "password": self.password or "",
            "dbname": self.dbname,
            "sslmode": self.sslmode,
            "application_name": application,
            "options": " ".join(f"-c {name}={value}" for name, value in options.items()),
        }
