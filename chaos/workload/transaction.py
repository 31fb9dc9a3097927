"""One operation's statements: marked with its id, and answered with where the WAL was."""

# ruff: noqa: S608 - the text that is put together is all in this folder; values are bound by the driver

from __future__ import annotations

from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Mapping

    from psycopg.rows import TupleRow

    from chaos.workload.record import Seen

    Connection = psycopg.AsyncConnection[TupleRow]
    Arguments = Mapping[str, object]

# `pg_walfile_name` tells the timeline at no cost; on a standby it is an error, and the timeline stays unknown.
WROTE_AT = "false, pg_walfile_name(pg_current_wal_insert_lsn()), pg_current_wal_insert_lsn()::text"
READ_AT = """pg_is_in_recovery(),
    CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_insert_lsn()) END,
    (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_insert_lsn() END)::text"""
LOG = "INSERT INTO lis_operation_log (op_id, kind, operator) VALUES (%(op)s, %(kind)s, %(operator)s)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the member's WAL was: for a write after its rows and before its commit record."""

    in_recovery: bool
    wal_file: str | None
    """None on a standby."""
    lsn: str | None
    """None on a standby that never replayed anything."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What the database answered to one operation."""

    wrote: bool
    place: Place | None
    seen: Seen | None = None


def done(*written: str) -> str:
    """The end of a statement that writes: it counts what was written first, so that the position lies after it."""
    counts = " + ".join(f"(SELECT count(*) FROM {name})" for name in written)
    return f"SELECT {WROTE_AT}, done.rows FROM (SELECT {counts} AS rows OFFSET 0) AS done"


@asynccontextmanager
async def transaction(connection: Connection, begin: str = "BEGIN") -> AsyncIterator[None]:
    """A transaction that is committed at the end; after an error the caller rolls back, or drops the connection."""
    await connection.execute(begin)
    yield
    cursor = await connection.execute("COMMIT")
    if cursor.statusmessage != "COMMIT":
        raise psycopg.OperationalError(f"COMMIT was answered with {cursor.statusmessage}")


async def log(connection: Connection, mark: Arguments) -> list[TupleRow]:
    """Leave the operation id; answer with the position after everything that the transaction wrote."""
    return await rows_of(connection, f"{LOG} RETURNING {WROTE_AT}", mark)


async def rows_of(connection: Connection, query: str, arguments: Arguments) -> list[TupleRow]:
    """All rows of one statement."""
    cursor = await connection.execute(query, arguments)
    return await cursor.fetchall()


def wrote(rows: list[TupleRow]) -> Reply:
    """The reply of a write that was committed."""
    return Reply(wrote=True, place=place_of(rows))


def place_of(rows: list[TupleRow]) -> Place:
    """The first three columns of the first row: every statement above returns them."""
    in_recovery, wal_file, lsn = rows[0][:3]
    return Place(in_recovery=in_recovery, wal_file=wal_file, lsn=lsn)
