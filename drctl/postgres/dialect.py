"""What one engine calls otherwise than another, and the oldest server that is supported.

Statements here are written for PostgreSQL, and run unchanged on 15 to 18. Where a release has more to say (a replication slot's
`failover` flag), a whole row is asked for as JSON and what it lacks is missing there, so no statement depends on a version.

KingbaseES derives from PostgreSQL 12 and calls functions and views `sys_...` where PostgreSQL calls them `pg_...`; which
server it is, `version()` says. It could not be had for tests: its dialect is written after its documentation, and untested.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

VERSION_MIN = 150000
"""A reloadable `primary_conninfo` came with 13; 15 is the oldest that is tested."""
VERSION_SQL = "SELECT version()"


@dataclass(frozen=True, slots=True, kw_only=True)
class Dialect:
    """How an engine calls what PostgreSQL calls by a name of its own."""

    engine: str
    names: frozenset[str] = frozenset()
    """Of functions and views, as PostgreSQL calls them, that have another prefix there."""
    prefix: str = "pg_"

    def spoken(self, sql: str) -> str:
        """A statement as this engine understands it."""
        return _renamed(self, sql) if self.names else sql


POSTGRESQL = Dialect(engine="PostgreSQL")
KINGBASE = Dialect(
    engine="KingbaseES",
    prefix="sys_",
    names=frozenset(
        {
            "pg_backend_pid", "pg_control_checkpoint", "pg_control_system", "pg_current_wal_flush_lsn",
            "pg_current_wal_insert_lsn", "pg_current_wal_lsn", "pg_database", "pg_db_role_setting", "pg_get_userbyid",
            "pg_is_in_recovery", "pg_last_wal_receive_lsn", "pg_last_wal_replay_lsn", "pg_logical_emit_message",
            "pg_postmaster_start_time", "pg_roles", "pg_stat_activity", "pg_stat_replication", "pg_stat_wal_receiver",
            "pg_terminate_backend", "pg_walfile_name",
        }
    ),
)  # fmt: skip
"""Of what probes and markers say; `drctl init` and `drctl doctor` are for PostgreSQL alone."""

_NAME = re.compile(r"\bpg_\w+")


def dialect_of(version: str) -> Dialect:
    """Of the engine that says `version` of itself."""
    return KINGBASE if version.startswith(KINGBASE.engine) else POSTGRESQL


@lru_cache(maxsize=64)
def _renamed(dialect: Dialect, sql: str) -> str:
    return _NAME.sub(
        lambda match: dialect.prefix + match[0].removeprefix("pg_") if match[0] in dialect.names else match[0], sql
    )
