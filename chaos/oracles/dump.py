"""Read one member: every operation id, register and list, a digest of every table, and its timeline's history."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from chaos.oracles.member import MemberDump, TableDigest, TimelineSwitch
from chaos.workload.operation import OpId
from chaos.workload.schema import STOCK_OP, TABLES
from drctl.model.identity import MemberName
from drctl.model.position import Timeline, parse_lsn

if TYPE_CHECKING:
    from collections.abc import Mapping

    from psycopg.rows import TupleRow

_POLL_S = 0.05
_ROWS_SHOWN_MAX = 10
_STANDARD = "-c timezone=UTC -c datestyle=ISO -c intervalstyle=iso_8601 -c extra_float_digits=1 -c bytea_output=hex"
"""A row must read the same on every member, however each is configured."""


class NotQuiet(Exception):
    """The members did not come to the same position in time."""


def read_members(members: Mapping[MemberName, str], *, deadline_s: float) -> tuple[MemberDump, ...]:
    """Wait until all members have replayed what the primary has, then read each. DSNs by member, of one host each.

    Raises NotQuiet when they do not get there, psycopg.Error when one cannot be read: then nothing was proved.
    """
    until_s = time.monotonic() + deadline_s
    await_quiet(members, deadline_s=deadline_s)
    with ThreadPoolExecutor(max_workers=len(members)) as threads:
        reads = [
            threads.submit(read_member, member, dsn, deadline_s=max(1.0, until_s - time.monotonic()))
            for member, dsn in members.items()
        ]
        return tuple(read.result() for read in reads)


def await_quiet(members: Mapping[MemberName, str], *, deadline_s: float) -> None:
    """Return when one member is primary and every other has replayed all of its WAL. Raises NotQuiet."""
    until_s = time.monotonic() + deadline_s
    why = "not one was asked"
    while True:
        positions: dict[MemberName, tuple[bool, int]] = {}
        try:
            for member, dsn in members.items():
                positions[member] = _position(dsn, until_s - time.monotonic())
        except psycopg.Error as error:
            why = f"{member} does not answer: {str(error).strip()}"
        else:
            primaries = [member for member, (in_recovery, _) in positions.items() if not in_recovery]
            # Asked one after the other: a primary that still writes is ahead of what it said, and that is no quiet.
            behind = [
                member for member, (_, lsn) in positions.items() if lsn != max(at for _, at in positions.values())
            ]
            if len(primaries) == 1 and not behind:
                return
            why = f"primaries: {', '.join(primaries) or 'none'}; behind: {', '.join(behind) or 'none'}"
        if time.monotonic() > until_s:
            raise NotQuiet(f"the members did not come to one position within {deadline_s:g} s ({why})")
        time.sleep(_POLL_S)


def read_member(member: MemberName, dsn: str, *, deadline_s: float) -> MemberDump:
    """Everything that the oracles ask of one member, in one snapshot. Raises psycopg.Error."""
    with _connect(dsn, deadline_s) as connection:
        connection.execute("BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY")
        [in_recovery] = _row(connection, "SELECT pg_is_in_recovery()")
        operations = connection.execute(
            """SELECT op_id, count(*) FROM (
                SELECT op_id FROM lis_operation_log UNION ALL SELECT op_id FROM chaos_set) AS done
            WHERE op_id <> %s GROUP BY op_id""",
            (STOCK_OP,),
        ).fetchall()
        registers = connection.execute("SELECT key, value FROM chaos_register").fetchall()
        lists = connection.execute("SELECT key, elements FROM chaos_list").fetchall()
        tables = {table: _digest(connection, table) for table in TABLES}
        connection.execute("COMMIT")
    timeline, ancestors = _line(dsn, deadline_s)
    return MemberDump(
        member=member,
        in_recovery=bool(in_recovery),
        timeline=timeline,
        ancestors=ancestors,
        operations={OpId(op): count for op, count in operations},
        registers=dict(registers),
        lists={key: tuple(elements) for key, elements in lists},
        tables=tables,
    )


def rows_that_differ(members: Mapping[MemberName, str], table: str, *, deadline_s: float) -> tuple[str, ...]:
    """Rows of `table` that one member has and another has not, in words; a few of them."""
    rows_of: dict[MemberName, set[str]] = {}
    for member, dsn in members.items():
        with _connect(dsn, deadline_s) as connection:
            # The name is one of ours, and the row is written as PostgreSQL writes it.
            rows_of[member] = {text for (text,) in connection.execute(f"SELECT r::text FROM {table} AS r")}  # noqa: S608
    everyone = set.intersection(*rows_of.values()) if rows_of else set()
    return tuple(
        f"only on {member}: {row}"
        for member, rows in rows_of.items()
        for row in sorted(rows - everyone)[:_ROWS_SHOWN_MAX]
    )


def _position(dsn: str, deadline_s: float) -> tuple[bool, int]:
    with _connect(dsn, max(1.0, deadline_s)) as connection:
        in_recovery, lsn = _row(
            connection,
            """SELECT pg_is_in_recovery(),
                (CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END)::text""",
        )
        return bool(in_recovery), 0 if lsn is None else parse_lsn(lsn)


def _digest(connection: psycopg.Connection[TupleRow], table: str) -> TableDigest:
    # The sum of the rows' hashes does not depend on their order, and a row that is there twice counts twice.
    rows, digest = _row(
        connection,
        f"SELECT count(*), coalesce(sum(hashtextextended(r::text, 0)::numeric), 0)::text FROM {table} AS r",  # noqa: S608
    )
    return TableDigest(rows=rows, digest=digest)


def _line(dsn: str, deadline_s: float) -> tuple[Timeline | None, tuple[TimelineSwitch, ...] | None]:
    """The member's timeline and its ancestors, by the replication protocol: it needs no right to read files."""
    try:
        with psycopg.connect(
            make_conninfo(dsn, replication="database", connect_timeout=_connect_timeout_s(deadline_s)),
            autocommit=True,
            cursor_factory=psycopg.RawCursor,
        ) as connection:
            _, timeline, *_ = _row(connection, "IDENTIFY_SYSTEM")
            if timeline == 1:
                return Timeline(1), ()
            _, content = _row(connection, f"TIMELINE_HISTORY {int(timeline)}")
            text = content.decode() if isinstance(content, bytes) else str(content)
            return Timeline(timeline), parse_history(text)
    except psycopg.Error:
        return None, None


def parse_history(text: str) -> tuple[TimelineSwitch, ...]:
    """A timeline history file: one ancestor a line, oldest first. Source: PostgreSQL's access/transam/timeline.c."""
    switches = []
    for line in text.splitlines():
        fields = line.split()
        if len(fields) >= 2 and not fields[0].startswith("#"):
            switches.append(TimelineSwitch(timeline=Timeline(int(fields[0])), until=parse_lsn(fields[1])))
    return tuple(switches)


def _connect(dsn: str, deadline_s: float) -> psycopg.Connection[TupleRow]:
    options = f"{_STANDARD} -c statement_timeout={int(deadline_s * 1000)}"
    return psycopg.connect(
        make_conninfo(
            dsn,
            connect_timeout=_connect_timeout_s(deadline_s),
            tcp_user_timeout=int(deadline_s * 1000),
            options=options,
            client_encoding="UTF8",
        ),
        autocommit=True,
    )


def _connect_timeout_s(deadline_s: float) -> int:
    return max(2, min(10, int(deadline_s)))


def _row(connection: psycopg.Connection[TupleRow], query: str) -> TupleRow:
    row = connection.execute(query).fetchone()
    assert row is not None
    return row
