"""One connection of a client: opened with deadlines, abandoned without a cancel request."""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

import psycopg
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from chaos.workload.judge import Notice
from chaos.workload.record import Served
from chaos.workload.statements import perform
from drctl.model.identity import MemberName
from drctl.model.position import Timeline, parse_lsn

if TYPE_CHECKING:
    from psycopg.rows import TupleRow

    from chaos.workload.operation import Operation, OpId
    from chaos.workload.transaction import Place, Reply


PREPARE_THRESHOLD = 5
"""psycopg's own: a statement that was sent so often is prepared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Endurance:
    """How long a client's socket bears silence; a DSN that says otherwise wins."""

    connect_timeout_s: int = 2
    """libpq takes no less than two seconds."""
    tcp_user_timeout_ms: int = 1000
    keepalives_idle_s: int = 1
    keepalives_interval_s: int = 1
    keepalives_count: int = 2


def with_endurance(dsn: str, endurance: Endurance, *, application_name: str) -> str:
    """`dsn` with what it does not say itself. Raises psycopg.ProgrammingError when it is no connection string."""
    said = conninfo_to_dict(dsn)
    wanted: dict[str, str | int] = {
        "connect_timeout": endurance.connect_timeout_s,
        "tcp_user_timeout": endurance.tcp_user_timeout_ms,
        "keepalives_idle": endurance.keepalives_idle_s,
        "keepalives_interval": endurance.keepalives_interval_s,
        "keepalives_count": endurance.keepalives_count,
        "application_name": application_name,
        "client_encoding": "UTF8",
    }
    return make_conninfo(dsn, **{name: value for name, value in wanted.items() if name not in said})


class Session:
    """A connection that knows its member and remembers the server's notices."""

    def __init__(self, connection: psycopg.AsyncConnection[TupleRow], member: MemberName, address: str) -> None:
        self._connection = connection
        self.member = member
        self.address = address
        self.notices: list[Notice] = []
        connection.add_notice_handler(lambda diagnostic: self.notices.append(Notice.of(diagnostic)))

    @classmethod
    async def open(cls, dsn: str, *, prepares: bool = True) -> Self:
        """Connect as libpq would, host by host; a pool between transactions bears no prepared statements.

        Raises psycopg.Error.
        """
        connection = await psycopg.AsyncConnection.connect(
            dsn, autocommit=True, prepare_threshold=PREPARE_THRESHOLD if prepares else None
        )
        try:
            cursor = await connection.execute(
                "SELECT current_setting('cluster_name'), host(inet_server_addr()), current_setting('port')"
            )
            [(member, host, port)] = await cursor.fetchall()
        except BaseException:
            _cut(connection)
            raise
        address = f"{host or connection.info.host}:{port}"
        return cls(connection, MemberName(member or address), address)

    async def perform(self, op: OpId, operation: Operation) -> Reply:
        """Do one operation; on return it is committed. Raises psycopg.Error."""
        self.notices.clear()
        return await perform(self._connection, op, operation)

    def served(self, place: Place | None) -> Served:
        """Who served, and where its WAL was."""
        timeline = None if place is None or place.wal_file is None else Timeline(int(place.wal_file[:8], 16))
        return Served(
            member=self.member,
            address=self.address,
            in_recovery=place is not None and place.in_recovery,
            timeline=timeline,
            lsn=None if place is None or place.lsn is None else parse_lsn(place.lsn),
        )

    async def recover(self) -> bool:
        """After an error: whether the connection is fit for another operation."""
        if self._connection.closed or self._connection.broken:
            return False
        try:
            await self._connection.rollback()
        except psycopg.Error:
            return False
        return True

    def abandon(self) -> None:
        """Make whoever waits on the connection see it closed, at once.

        Not a cancel request: that would end the server's wait for its standby, and make a false success of it.
        """
        _shut(self._connection)

    def discard(self) -> None:
        """Close the connection for good, without a word to the server that could take time."""
        _cut(self._connection)


def _shut(connection: psycopg.AsyncConnection[TupleRow]) -> None:
    if connection.closed:
        return
    try:
        with socket.socket(fileno=os.dup(connection.fileno())) as twin:
            twin.shutdown(socket.SHUT_RDWR)
    except (OSError, psycopg.OperationalError):
        pass  # The peer was faster.


def _cut(connection: psycopg.AsyncConnection[TupleRow]) -> None:
    _shut(connection)
    connection.pgconn.finish()
