"""What one member says of itself when it is looked at thoroughly: for `drctl init` and `drctl doctor`, not for probes."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import psycopg

from drctl.model.identity import MemberName
from drctl.model.topology import Member
from drctl.postgres.connection import CannotConnect, Connection, NoAnswer, ServerError
from drctl.postgres.facts import upstream_of

LOOK_TIMEOUT_S = 5.0
"""For one member, all in all; members are looked at side by side."""
LOOKS_AT_ONCE_MAX = 16
STATEMENTS_MAX = 20
SETTINGS = (
    "archive_command", "archive_library", "archive_mode", "cluster_name", "data_checksums", "fsync", "full_page_writes",
    "hot_standby", "hot_standby_feedback", "max_connections", "max_locks_per_transaction", "max_prepared_transactions",
    "max_slot_wal_keep_size", "max_standby_streaming_delay", "max_wal_senders", "max_worker_processes", "primary_conninfo",
    "primary_slot_name", "recovery_min_apply_delay", "recovery_target_timeline", "restart_after_crash", "statement_timeout",
    "sync_replication_slots", "synchronized_standby_slots", "synchronous_commit", "synchronous_standby_names",
    "wal_keep_size", "wal_level", "wal_log_hints", "wal_receiver_status_interval", "wal_receiver_timeout",
    "wal_retrieve_retry_interval", "wal_sender_timeout",
)  # fmt: skip
# A row as a whole, where releases differ in its columns.
PORTRAIT_SQL = """
SELECT json_build_object(
  'in_recovery', pg_is_in_recovery(),
  'version', current_setting('server_version_num')::int,
  'system', (SELECT system_identifier::text FROM pg_control_system()),
  'at', extract(epoch FROM clock_timestamp()),
  'settings', (SELECT json_object_agg(name, setting) FROM pg_settings WHERE name = ANY($1::text[])
      AND source NOT IN ('global', 'database', 'user', 'database user', 'client', 'session')),
  'pending', (SELECT coalesce(json_agg(name ORDER BY name), '[]') FROM pg_settings WHERE pending_restart),
  'standbys', (SELECT coalesce(json_agg(json_build_object('name', application_name, 'address', coalesce(host(client_addr), ''),
      'state', state, 'logical', EXISTS (SELECT FROM pg_replication_slots s WHERE s.active_pid = r.pid AND s.slot_type = 'logical'),
      'lag', greatest(0, pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_flush_lsn()
      END, flush_lsn))) ORDER BY application_name, pid), '[]') FROM pg_stat_replication r),
  'sender', (SELECT sender_host || ':' || sender_port FROM pg_stat_wal_receiver WHERE status = 'streaming'),
  'slots', (SELECT coalesce(json_agg(to_jsonb(s) ORDER BY slot_name), '[]') FROM pg_replication_slots s),
  'archiver', (SELECT json_build_object('failed', failed_count, 'what', last_failed_wal, 'failing',
      last_failed_time > coalesce(last_archived_time, '-infinity')) FROM pg_stat_archiver),
  'configured', (SELECT coalesce(json_agg(json_build_object('role', pg_get_userbyid(nullif(setrole, 0)), 'database', datname,
      'name', split_part(c, '=', 1), 'value', substr(c, strpos(c, '=') + 1)) ORDER BY setrole, setdatabase), '[]')
      FROM pg_db_role_setting CROSS JOIN unnest(setconfig) c LEFT JOIN pg_database d ON d.oid = setdatabase
      WHERE split_part(c, '=', 1) IN ('synchronous_commit', 'statement_timeout')),
  'sessions', (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'client backend'),
  'procedures', (SELECT count(*) FROM pg_proc WHERE prokind = 'p' AND pronamespace NOT IN (11, 'information_schema'::regnamespace)),
  'unlogged', (SELECT count(*) FROM pg_class WHERE relpersistence = 'u' AND relkind IN ('r', 'm')),
  'statements', (SELECT quote_ident(nspname) FROM pg_extension JOIN pg_namespace n ON n.oid = extnamespace
      WHERE extname = 'pg_stat_statements'))::text
"""
STATEMENTS_SQL = """
SELECT pg_get_userbyid(userid), query FROM {schema}.pg_stat_statements
WHERE query ILIKE '%synchronous_commit%' ORDER BY calls DESC LIMIT {limit}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sender:
    """A row of pg_stat_replication: somebody who is sent WAL."""

    name: str
    address: str
    state: str
    lag_bytes: int
    logical: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Slot:
    """A replication slot."""

    name: str
    logical: bool
    active: bool
    temporary: bool = False
    wal_status: str = ""
    failover: bool = False
    """PostgreSQL 17 and later: carried over to standbys."""
    synced: bool = False
    """A standby's copy of such a slot of its primary."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Configured:
    """A setting of a role, a database, or a role in a database."""

    role: str | None
    """None for every role."""
    database: str | None
    """None for every database."""
    name: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What was seen of one member."""

    member: MemberName
    in_recovery: bool
    version_num: int
    system_identifier: str
    settings: Mapping[str, str]
    """As pg_settings shows them, numbers in the setting's own unit. Missing: what a release does not know, what we may not see,
    and what our own role or database sets otherwise than the server."""
    senders: tuple[Sender, ...] = ()
    address: str = ""
    """The member's host in numbers."""
    receives_from: str = ""
    """`host:port` that a standby streams from; empty when it does not."""
    calls_itself: str = ""
    """The `application_name` that its WAL receiver connects with; empty when it follows nobody or that is not known."""
    slots: tuple[Slot, ...] = ()
    archive_failures: int = 0
    """Since its statistics began, when the last attempt was one of them; else zero."""
    archive_failed: str = ""
    """The file that could not be archived."""
    configured: tuple[Configured, ...] = ()
    clock_ahead_s: float = 0.0
    """Its clock minus ours, give or take `clock_doubt_s`."""
    clock_doubt_s: float = 0.0
    pending_restart: tuple[str, ...] = ()
    """Settings that were changed and hold after a restart only."""
    sessions: int = 0
    procedures: int = 0
    """In the database that we are in."""
    unlogged: int = 0
    """Tables in the database that we are in."""
    statements: tuple[tuple[str, str], ...] = ()
    """Role and text of statements about synchronous_commit that pg_stat_statements remembers."""

    @property
    def major(self) -> int:
        """15, 16, ..."""
        return self.version_num // 10000

    def number(self, setting: str, unknown: int) -> int:
        """A setting in its own unit; `unknown` where it is not to be seen."""
        return int(self.settings.get(setting, unknown))


@dataclass(frozen=True, slots=True, kw_only=True)
class Unseen:
    """A member that could not be looked at."""

    member: MemberName
    why: str


def look_at(
    members: Sequence[Member], parameters: Callable[[Member, float], Mapping[str, str]]
) -> dict[MemberName, Portrait | Unseen]:
    """Look at all members side by side. `parameters` says how to reach one, before a moment. Never raises for what it finds."""
    with ThreadPoolExecutor(min(LOOKS_AT_ONCE_MAX, max(1, len(members)))) as pool:
        seen = pool.map(lambda member: _look(member, parameters), members)
        return {one.member: one for one in seen}


def _look(member: Member, parameters: Callable[[Member, float], Mapping[str, str]]) -> Portrait | Unseen:
    end_s = time.monotonic() + LOOK_TIMEOUT_S
    try:
        how = parameters(member, end_s)
        connection = Connection.open(how, end_s=end_s)
    except (CannotConnect, NoAnswer) as failure:
        return Unseen(member=member.name, why=failure.message)
    except (OSError, psycopg.Error) as failure:
        return Unseen(member=member.name, why=" ".join(str(failure).split()))
    try:
        return _drawn(connection, member, how.get("hostaddr", member.host), end_s)
    except (NoAnswer, ServerError) as failure:
        return Unseen(member=member.name, why=failure.message)
    finally:
        connection.close()


def _drawn(connection: Connection, member: Member, address: str, end_s: float) -> Portrait:
    connection.query("SELECT 1", end_s=end_s)  # the clock is compared on a session that is warm
    asked_s = time.time()
    text = connection.query(PORTRAIT_SQL, ["{" + ",".join(SETTINGS) + "}"], end_s=end_s)[0][0]
    took_s = time.time() - asked_s
    assert text is not None, "the statement always gives a row"
    said: dict[str, Any] = json.loads(text)
    return portrait_of(
        member.name,
        said,
        address=address,
        statements=_statements(connection, said["statements"], end_s),
        clock_ahead_s=float(said["at"]) - (asked_s + took_s / 2),
        clock_doubt_s=took_s / 2,
    )


def portrait_of(
    member: MemberName,
    said: Mapping[str, Any],
    *,
    address: str,
    statements: tuple[tuple[str, str], ...] = (),
    clock_ahead_s: float = 0.0,
    clock_doubt_s: float = 0.0,
) -> Portrait:
    """The row of PORTRAIT_SQL. Of `primary_conninfo`, which may hold a password, nothing is kept but a name and an address."""
    settings = {name: value or "" for name, value in said["settings"].items()}
    conninfo = settings.pop("primary_conninfo", "")
    return Portrait(
        member=member,
        in_recovery=said["in_recovery"],
        version_num=said["version"],
        system_identifier=said["system"],
        settings=settings,
        senders=tuple(
            Sender(
                name=one["name"], address=one["address"], state=one["state"] or "", lag_bytes=int(one["lag"] or 0),
                logical=one["logical"],
            )
            for one in said["standbys"]
        ),
        address=address,
        receives_from=said["sender"] or "",
        calls_itself=receiver_name(conninfo, settings.get("cluster_name", "")) if said["in_recovery"] else "",
        slots=tuple(_slot(row) for row in said["slots"]),
        archive_failures=said["archiver"]["failed"] if said["archiver"]["failing"] else 0,
        archive_failed=said["archiver"]["what"] or "",
        configured=tuple(Configured(**one) for one in said["configured"]),
        clock_ahead_s=clock_ahead_s,
        clock_doubt_s=clock_doubt_s,
        pending_restart=tuple(said["pending"]),
        sessions=said["sessions"],
        procedures=said["procedures"],
        unlogged=said["unlogged"],
        statements=statements,
    )  # fmt: skip


def receiver_name(conninfo: str, cluster_name: str) -> str:
    """What a WAL receiver calls itself: as it is told, else after its cluster. Source: PostgreSQL documentation, `cluster_name`."""
    if not upstream_of(conninfo):
        return ""
    return str(psycopg.conninfo.conninfo_to_dict(conninfo).get("application_name") or cluster_name or "walreceiver")


def _slot(row: Mapping[str, Any]) -> Slot:
    return Slot(
        name=row["slot_name"],
        logical=row["slot_type"] == "logical",
        active=row["active"],
        temporary=row["temporary"],
        wal_status=row["wal_status"] or "",
        failover=bool(row.get("failover")),
        synced=bool(row.get("synced")),
    )


def _statements(connection: Connection, schema: str | None, end_s: float) -> tuple[tuple[str, str], ...]:
    if schema is None:
        return ()
    try:
        rows = connection.query(STATEMENTS_SQL.format(schema=schema, limit=STATEMENTS_MAX), end_s=end_s)
    except ServerError:
        return ()  # it is installed here, and not loaded by the server
    return tuple((role or "", query or "") for role, query in rows)
