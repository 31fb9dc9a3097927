"""One connection to a member, every wait of which has a deadline of ours.

Built on libpq's asynchronous calls: a frozen postmaster accepts the connection in the kernel and never says a word, and a
frozen backend keeps it open, so nothing may be left to the server or to TCP.
"""

from __future__ import annotations

import select
import time
from collections.abc import Sequence

import psycopg
from psycopg import pq
from psycopg.pq.abc import PGconn, PGresult

POLLIN = select.POLLIN | select.POLLHUP | select.POLLERR


class NoAnswer(Exception):
    """Nothing came before the deadline, or the network says that nobody is there. `refused` tells which."""

    def __init__(self, message: str, *, refused: bool = False, sent: bool = False) -> None:
        super().__init__(message)
        self.message = message
        self.refused = refused
        self.sent = sent
        """Whether the statement may have reached the server."""


class ServerError(Exception):
    """The server answered with an error."""

    def __init__(self, message: str, sqlstate: str) -> None:
        super().__init__(message)
        self.message = message
        self.sqlstate = sqlstate


class Connection:
    """A session. Not for several threads at once."""

    def __init__(self, pgconn: PGconn) -> None:
        self._pgconn = pgconn
        self.notices: list[str] = []
        pgconn.notice_handler = self._notice

    @classmethod
    def open(cls, conninfo: str, *, end_s: float) -> Connection:
        """Connect. Raises NoAnswer, ServerError."""
        pgconn = pq.PGconn.connect_start(conninfo.encode())
        try:
            while True:
                if pgconn.status == pq.ConnStatus.BAD:
                    raise _connect_error(pgconn)
                state = pgconn.connect_poll()
                if state == pq.PollingStatus.OK:
                    break
                if state == pq.PollingStatus.FAILED:
                    raise _connect_error(pgconn)
                events = POLLIN if state == pq.PollingStatus.READING else select.POLLOUT
                _wait(pgconn.socket, events, end_s, "while connecting")
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

    def close(self) -> None:
        """Drop it, whatever is under way. Sends no cancel request."""
        self._pgconn.finish()

    def query(self, sql: str, params: Sequence[str] = (), *, end_s: float) -> list[tuple[str | None, ...]]:
        """Send one statement and take its rows. Raises NoAnswer, ServerError."""
        self.send(sql, params, end_s=end_s)
        return self.receive(end_s=end_s)

    def send(self, sql: str, params: Sequence[str] = (), *, end_s: float) -> None:
        """Send one statement. Raises NoAnswer."""
        self.notices.clear()
        try:
            self._pgconn.send_query_params(sql.encode(), [param.encode() for param in params])
            while self._pgconn.flush():
                _wait(self.socket, select.POLLOUT, end_s, "while sending", sent=True)
        except psycopg.Error as error:
            raise NoAnswer(str(error).strip(), sent=True) from error

    def receive(self, *, end_s: float) -> list[tuple[str | None, ...]]:
        """Take the rows of what was sent; may be called again after NoAnswer. Raises NoAnswer, ServerError."""
        rows: list[tuple[str | None, ...]] = []
        failure: ServerError | None = None
        while True:
            try:
                while self._pgconn.is_busy():
                    _wait(self.socket, POLLIN, end_s, "for the answer", sent=True)
                    self._pgconn.consume_input()
                result = self._pgconn.get_result()
            except psycopg.Error as error:
                raise NoAnswer(str(error).strip(), sent=True) from error
            if result is None:
                break
            if result.status in {pq.ExecStatus.FATAL_ERROR, pq.ExecStatus.BAD_RESPONSE}:
                failure = ServerError(
                    result.get_error_message().strip(),
                    (result.error_field(pq.DiagnosticField.SQLSTATE) or b"").decode(),
                )
                continue
            rows += [
                tuple(_text(result.get_value(row, column)) for column in range(result.nfields))
                for row in range(result.ntuples)
            ]
        if failure is not None:
            if not self.usable:
                raise NoAnswer(failure.message, sent=True)
            raise failure
        return rows

    def _notice(self, result: PGresult) -> None:
        self.notices.append(result.get_error_message().strip())


def _text(value: bytes | None) -> str | None:
    return None if value is None else bytes(value).decode()


def _wait(descriptor: int, events: int, end_s: float, what: str, *, sent: bool = False) -> None:
    poll = select.poll()
    poll.register(descriptor, events)
    left_s = end_s - time.monotonic()
    if left_s <= 0 or not poll.poll(left_s * 1000):
        raise NoAnswer(f"no answer in time {what}", sent=sent)


def _connect_error(pgconn: PGconn) -> Exception:
    message = pgconn.get_error_message().strip()
    if "Connection refused" in message:
        return NoAnswer(message, refused=True)
    if "FATAL" in message:
        # libpq gives no SQLSTATE for a failed connection; its words are the server's, in English as we ask for it.
        starting = any(
            word in message for word in ("starting up", "shutting down", "recovery mode", "not yet accepting")
        )
        return ServerError(message, "57P03" if starting else "")
    return NoAnswer(message)
