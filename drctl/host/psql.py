"""A session with a server through one `psql` child: no driver to install, and it is killed at its deadline."""

from __future__ import annotations

import itertools
import os
import select
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from drctl.host.config import Member
from drctl.host.deadline import Deadline
from drctl.host.programs import environment

_FIELD, _RECORD, _NULL = "\x1f", "\x1e", "\x1d"
_START, _STOP = b"\x02", b"\x03"
_REPLY_BYTES_MAX = 4 << 20
_ERRORS_BYTES_MAX = 4096
_OPTIONS = (
    "-c search_path=pg_catalog -c standard_conforming_strings=on -c DateStyle=ISO -c TimeZone=UTC"
    " -c client_min_messages=error -c lock_timeout=0 -c idle_session_timeout=0 -c statement_timeout={}"
)


class NoSession(Exception):
    """No session could be had, so nothing was done."""


class SessionLost(Exception):
    """The session broke or did not answer in time: its last statement may have had its effect."""


class StatementFailed(Exception):
    """The server refused a statement: it had no effect."""

    def __init__(self, sqlstate: str, message: str) -> None:
        super().__init__(f"{message} (SQLSTATE {sqlstate})")
        self.sqlstate = sqlstate


class Session:
    """One connection. Every statement is sent alone, so that each is a transaction and a look at the configuration of its own."""

    def __init__(
        self,
        psql: Path,
        target: Mapping[str, str],
        deadline: Deadline,
        *,
        conninfo: str | None = None,
        probe: str = "SELECT 1",
    ) -> None:
        """`target` are libpq's environment variables (PGHOST, PGPORT, ...), which `conninfo` outranks. Raises NoSession.

        `probe` is what the server must answer first; a replication connection knows no SELECT.
        """
        self._numbers = itertools.count(1)
        self._stderr = b""
        variables = {
            "PGDATABASE": "postgres",
            "PGAPPNAME": "drctl-host",
            "PGCLIENTENCODING": "UTF8",
            "PGCONNECT_TIMEOUT": str(max(2, int(deadline.remaining_s) + 1)),
            "PGOPTIONS": _OPTIONS.format(max(1000, int(deadline.remaining_s * 1000))),
            **target,
        }
        argv = [
            os.fspath(psql),
            "-XqAtw",
            "-F",
            _FIELD,
            "-R",
            _RECORD,
            "-P",
            f"null={_NULL}",
            *(["-d", conninfo] if conninfo else []),
        ]
        try:
            self._child = subprocess.Popen(
                argv,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=environment(variables),
                cwd="/",
            )
        except OSError as error:
            raise NoSession(f"{psql}: {error.strerror}") from error
        try:
            self.rows(probe, deadline)
        except (SessionLost, StatementFailed) as error:
            self.close()
            raise NoSession(str(error)) from error

    def __enter__(self) -> Session:  # noqa: PYI034 - typing.Self is younger than the oldest Python here
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the child at once; the server notices that its client is gone."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout, self._child.stderr):
            if pipe is not None:
                try:
                    pipe.close()
                except BrokenPipeError:
                    continue

    def rows(self, sql: str, deadline: Deadline) -> list[tuple[str | None, ...]]:
        """Run one statement and return what it says, as text. Raises SessionLost or StatementFailed."""
        number = next(self._numbers)
        mark = _START + str(number).encode() + b" "
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(f"{sql}\n;\n\\echo '\x02{number}' :SQLSTATE :LAST_ERROR_MESSAGE '\x03'\n".encode())
            self._child.stdin.flush()
        except OSError as error:
            raise SessionLost(self._complaint()) from error
        reply = self._read_until(mark, deadline)
        body, _, verdict = reply.partition(mark)
        sqlstate, _, message = verdict.decode("utf-8", "replace").strip(" \n\x03").partition(" ")
        if sqlstate != "00000":
            raise StatementFailed(sqlstate, message.strip())
        text = body.decode("utf-8", "replace")
        if not text:
            return []
        return [
            tuple(None if field == _NULL else field for field in record.split(_FIELD))
            for record in text[:-1].split(_RECORD)
        ]

    def row(self, sql: str, deadline: Deadline) -> tuple[str | None, ...]:
        """The one row that a statement returns."""
        rows = self.rows(sql, deadline)
        if len(rows) != 1:
            raise StatementFailed("21000", f"one row was expected and {len(rows)} came: {sql[:80]}")
        return rows[0]

    def value(self, sql: str, deadline: Deadline) -> str | None:
        """The one value that a statement returns; None when it is null."""
        return self.row(sql, deadline)[0]

    def is_true(self, sql: str, deadline: Deadline) -> bool:
        """Whether a condition holds."""
        return self.value(f"SELECT {sql}", deadline) == "t"

    def _read_until(self, mark: bytes, deadline: Deadline) -> bytes:
        assert self._child.stdout is not None
        assert self._child.stderr is not None
        output, errors = self._child.stdout.fileno(), self._child.stderr.fileno()
        poll = select.poll()
        for descriptor in (output, errors):
            poll.register(descriptor, select.POLLIN)
        reply = bytearray()
        while True:
            ready = poll.poll(max(0, int(deadline.remaining_s * 1000)))
            if not ready:
                raise SessionLost("it did not answer in time")
            for descriptor, _ in ready:
                chunk = os.read(descriptor, 65536)
                if not chunk:
                    poll.unregister(descriptor)
                    if descriptor == output:
                        raise SessionLost(self._complaint())
                elif descriptor == errors:
                    self._stderr = (self._stderr + chunk)[-_ERRORS_BYTES_MAX:]
                else:
                    reply += chunk
            if reply.endswith(_STOP + b"\n") and mark in reply:
                return bytes(reply)
            if len(reply) > _REPLY_BYTES_MAX:
                raise SessionLost(f"it sent more than {_REPLY_BYTES_MAX} bytes")

    def _complaint(self) -> str:
        """What psql said before it went."""
        assert self._child.stderr is not None
        try:
            self._child.wait(timeout=0.2)
            os.set_blocking(self._child.stderr.fileno(), False)
            self._stderr += os.read(self._child.stderr.fileno(), _ERRORS_BYTES_MAX)
        except (subprocess.TimeoutExpired, BlockingIOError):
            return "the session broke"
        lines = [line.strip() for line in self._stderr.decode("utf-8", "replace").splitlines() if line.strip()]
        return " / ".join(lines[-3:]) or "the session broke"


def open_session(member: Member, deadline: Deadline) -> Session:
    """A session with the member itself, over its unix socket, as the superuser. Raises NoSession."""
    target = {"PGHOST": member.socket_dir, "PGPORT": str(member.port), "PGUSER": member.superuser}
    return Session(member.bindir / "psql", target, deadline)


def literal(text: str) -> str:
    """A string as SQL writes it (standard_conforming_strings is on)."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A name as SQL and `synchronous_standby_names` write it: `lis-zhaohui` needs its quotes."""
    return '"' + name.replace('"', '""') + '"'
