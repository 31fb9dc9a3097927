"""Read one member: every operation id, register and list, a digest of every table, and its timeline's history."""

from __future__ import annotations

import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import TYPE_CHECKING

import psycopg
from psycopg.conninfo import make_conninfo

from chaos.oracles.member import MemberDump, TableDigest, TimelineSwitch
from chaos.workload.operation import OpId
from chaos.workload.schema import STOCK_OP, TABLES
from drctl.model.identity import MemberName
from drctl.model.position import Lsn, Timeline, format_lsn, parse_lsn

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
    """Return when one member is primary and every other streams from its timeline and has replayed what it had.

    Asks as a member of pg_monitor, at least: others are not told whether a standby streams. Raises NotQuiet.
    """
    until_s = time.monotonic() + deadline_s
    while True:
        why = _unquiet(members, until_s)
        if why is None:
            return
        if time.monotonic() > until_s:
            raise NotQuiet(f"the members did not come to rest within {deadline_s:g} s: {why}")
        time.sleep(_POLL_S)


def _unquiet(members: Mapping[MemberName, str], until_s: float) -> str | None:
    """Why the members are not at rest; None when they are."""
    places: dict[MemberName, _Place] = {}
    for member, dsn in members.items():
        try:
            places[member] = _place(dsn, until_s - time.monotonic())
        except psycopg.Error as error:
            return f"{member} does not answer: {str(error).strip()}"
    primaries = [member for member, place in places.items() if not place.in_recovery]
    if len(primaries) != 1:
        return f"primaries: {', '.join(primaries) or 'none'}"
    primary = places[primaries[0]]
    for member, place in places.items():
        if place.timeline != primary.timeline:
            return f"{member} does not stream timeline {primary.timeline} of {primaries[0]}"
        # A standby that was asked before the primary may be behind what it then said: the next round settles it.
        if place.lsn < primary.lsn:
            return f"behind: {member} at {format_lsn(place.lsn)}, {primaries[0]} at {format_lsn(primary.lsn)}"
    return None


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Place:
    in_recovery: bool
    timeline: int | None
    """Of the WAL that is written, or received. None on a standby that receives none."""
    lsn: Lsn


def _place(dsn: str, deadline_s: float) -> _Place:
    with _connect(dsn, max(1.0, deadline_s)) as connection:
        [in_recovery] = _row(connection, "SELECT pg_is_in_recovery()")
        if in_recovery:
            timeline, lsn = _row(
                connection,
                "SELECT (SELECT received_tli FROM pg_stat_wal_receiver), pg_last_wal_replay_lsn()::text",
            )
        else:
            wal_file, lsn = _row(connection, "SELECT pg_walfile_name(lsn), lsn::text FROM pg_current_wal_lsn() AS lsn")
            timeline = int(wal_file[:8], 16)
        return _Place(in_recovery=in_recovery, timeline=timeline, lsn=parse_lsn(lsn or "0/0"))


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
