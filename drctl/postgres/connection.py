"""One connection to a member, every wait of which has a deadline of ours.

Built on libpq's asynchronous calls: a frozen postmaster accepts the connection in the kernel and never says a word, and a
frozen backend keeps it open, so nothing may be left to the server or to TCP.
"""

from __future__ import annotations

import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

from drctl.postgres.dialect import POSTGRESQL, Dialect

POLLIN = select.POLLIN | select.POLLHUP | select.POLLERR
POLLOUT = select.POLLOUT | select.POLLHUP | select.POLLERR
DUPLICATE_PREPARED_STATEMENT = "42P05"
_BROKEN = {pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE}

Rows = list[tuple[str | None, ...]]


class NoAnswer(Exception):
    """Nothing came before the deadline, or the link broke."""

    def __init__(self, message: str, *, sent: bool = False, broken: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.sent = sent
        """Whether the statement may have reached the server."""
        self.broken = broken
        """Whether the link is gone; else the answer may still come."""


class CannotConnect(Exception):
    """No session, for a reason that is known before the deadline."""

    def __init__(self, message: str) -> None:
        super().__init__(message)
        self.message = message


class ServerError(Exception):
    """The server answered with an error; the session goes on."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What a server says beside its answer."""

    severity: str
    """`WARNING`, `NOTICE`, ...: never translated."""
    message: str
    """In the server's language."""


class Connection:
    """A session. Not for several threads at once."""

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self._prepared: set[str] = set()
        self.dialect: Dialect = POSTGRESQL
        """How the server wants to be spoken to."""
        self.notices: list[Notice] = []
        """Of the last statement."""
        pgconn.notice_handler = self._notice

    @classmethod
    def open(cls, parameters: Mapping[str, str], *, end_s: float) -> Connection:
        """Connect. Raises NoAnswer at the deadline, CannotConnect."""
        pgconn = pq.PGconn.connect_start(conninfo(parameters))
        try:
            # Waited for before the first look: else libpq takes the link for made, and hides why it was not.
            state: int = pq.PollingStatus.WRITING
            while state != pq.PollingStatus.OK:
                if pgconn.status == pq.ConnStatus.BAD or state == pq.PollingStatus.FAILED:
                    raise CannotConnect(_one_line(pgconn.get_error_message()))
                reading = state == pq.PollingStatus.READING
                _wait(pgconn.socket, POLLIN if reading else POLLOUT, end_s, "while connecting")
                state = pgconn.connect_poll()
        except BaseException:
            pgconn.finish()
            raise
        pgconn.nonblocking = 1
        return cls(pgconn)

    @property
    def socket(self) -> int:
        """Its file descriptor, to be watched and not read."""
        return self._pgconn.socket

    @property
    def usable(self) -> bool:
        """Whether the last word on it was not that it is broken."""
        return self._pgconn.status == pq.ConnStatus.OK

    @property
    def broken(self) -> bool:
        """Whether the other side has ended it, or the kernel has given it up. Reads nothing."""
        poll = select.poll()
        poll.register(self.socket, select.POLLRDHUP)
        return bool(poll.poll(0))

    def close(self) -> None:
        """Drop it, whatever is under way. Sends no cancel request, and waits for nothing."""
        self._pgconn.finish()

    def query(self, sql: str, params: Sequence[str | None] = (), *, end_s: float) -> Rows:
        """Send one statement and take its rows. Raises NoAnswer, ServerError."""
        self.send(sql, params, end_s=end_s)
        return self.receive(end_s=end_s)

    def prepared(self, name: str, sql: str, params: Sequence[str | None] = (), *, end_s: float) -> Rows:
        """As `query`, planned once a session: for what is asked again and again. Raises NoAnswer, ServerError."""
        if name not in self._prepared:
            statement = self.dialect.spoken(sql).encode()
            self._start(lambda: self._pgconn.send_prepare(name.encode(), statement), end_s)
            try:
                self.receive(end_s=end_s)
            except ServerError as error:
                # It was planned before, and the answer came too late to be seen.
                if error.sqlstate != DUPLICATE_PREPARED_STATEMENT:
                    raise
            self._prepared.add(name)
        self._start(lambda: self._pgconn.send_query_prepared(name.encode(), _encoded(params)), end_s)
        return self.receive(end_s=end_s)

    def send(self, sql: str, params: Sequence[str | None] = (), *, end_s: float) -> None:
        """Send one statement. Raises NoAnswer."""
        statement = self.dialect.spoken(sql).encode()
        self._start(lambda: self._pgconn.send_query_params(statement, _encoded(params)), end_s)

    def command(self, text: str, *, end_s: float) -> Rows:
        """Send one command of an admin console, which knows the simple protocol only. Raises NoAnswer, ServerError."""
        self._start(lambda: self._pgconn.send_query(text.encode()), end_s)
        return self.receive(end_s=end_s)

    def encrypted(self, password: str, *, user: str) -> str:
        """The password as PostgreSQL keeps it (SCRAM-SHA-256), so that it need not be sent. Asks the server nothing."""
        return self._pgconn.encrypt_password(password.encode(), user.encode(), b"scram-sha-256").decode()

    def _start(self, send: Callable[[], None], end_s: float) -> None:
        self.notices.clear()
        try:
            send()
            while self._pgconn.flush():
                _wait(self.socket, POLLIN | POLLOUT, end_s, "while sending", sent=True)
                # The server may have to be read from before it reads on.
                self._pgconn.consume_input()
        except psycopg.Error as error:
            raise NoAnswer(_one_line(str(error)), sent=True, broken=True) from error

    def receive(self, *, end_s: float) -> Rows:
        """Take the rows of what was sent; may be called again after the deadline. Raises NoAnswer, ServerError."""
        rows: Rows = []
        failure: ServerError | None = None
        while True:
            result = self._result(end_s)
            if result is None:
                break
            if result.status in _BROKEN:
                sqlstate = result.error_field(pq.DiagnosticField.SQLSTATE) or b""
                # Where a server ends a session it says why, and the end of the link comes after it.
                failure = failure or ServerError(_one_line(result.get_error_message()), sqlstate.decode())
                continue
            rows += [
                tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
                for row in range(result.ntuples)
            ]
        if failure is not None:
            if not self.usable:
                raise NoAnswer(failure.message, sent=True, broken=True)
            raise failure
        return rows

    def _result(self, end_s: float) -> PGresult | None:
        try:
            while self._pgconn.is_busy():
                _wait(self.socket, POLLIN, end_s, "for the answer", sent=True)
                self._pgconn.consume_input()
            return self._pgconn.get_result()
        except psycopg.Error as error:
            raise NoAnswer(_one_line(str(error)), sent=True, broken=True) from error

    def _notice(self, result: PGresult) -> None:
        severity = result.error_field(pq.DiagnosticField.SEVERITY_NONLOCALIZED) or b""
        self.notices.append(Notice(severity=severity.decode(), message=_one_line(result.get_error_message())))


def conninfo(parameters: Mapping[str, str]) -> bytes:
    """The parameters as libpq reads them; empty ones are left out."""
    return " ".join(
        f"{key}='{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'"
        for key, value in parameters.items()
        if value
    ).encode()


def _encoded(params: Sequence[str | None]) -> list[bytes | None]:
    return [None if param is None else param.encode() for param in params]


def _text(value: bytes | None) -> str | None:
    # A database in SQL_ASCII may hand out anything.
    return None if value is None else bytes(value).decode(errors="replace")


def _one_line(message: str) -> str:
    return " ".join(message.split())


def _wait(descriptor: int, events: int, end_s: float, what: str, *, sent: bool = False) -> None:
    left_s = end_s - time.monotonic()
    if left_s > 0:
        poll = select.poll()
        poll.register(descriptor, events)
        if poll.poll(max(1.0, left_s * 1000)):
            return
    raise NoAnswer(f"no answer in time {what}", sent=sent)
