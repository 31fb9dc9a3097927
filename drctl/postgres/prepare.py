"""What `drctl init` creates in a group's database: a role that may look, a marker table, a role that may rewind."""

from __future__ import annotations

import psycopg
from psycopg import sql

from drctl.model.errors import EffectRefused, EffectUnknown
from drctl.model.takeover import AdminAccess
from drctl.model.topology import Member
from drctl.postgres.examine import admin_conninfo

REWIND_ROLE = "drctl_rewind"
REWIND_FUNCTIONS = (
    "pg_catalog.pg_ls_dir(text, boolean, boolean)",
    "pg_catalog.pg_stat_file(text, boolean)",
    "pg_catalog.pg_read_binary_file(text)",
    "pg_catalog.pg_read_binary_file(text, bigint, bigint, boolean)",
)
"""Source: PostgreSQL documentation, pg_rewind, "Notes"."""
CHANGES = (
    "create the role {role}: it may look (pg_monitor) and owns the schema drctl, no more",
    f"create the role {REWIND_ROLE}: it may call the four functions that pg_rewind needs, no more",
    "create the table drctl.marker",
)


def prepare(primary: Member, access: AdminAccess, *, role: str, password: str | None, dbname: str) -> None:
    """Create what is missing, in one transaction. Raises EffectRefused, EffectUnknown when the link broke at COMMIT.

    The statement is acknowledged like any other commit: where `synchronous_standby_names` is set already it waits.
    """
    conninfo = psycopg.conninfo.make_conninfo(admin_conninfo(primary, access), dbname=dbname)
    try:
        with psycopg.connect(conninfo) as connection:
            _role(connection, role, password)
            _role(connection, REWIND_ROLE, None)
            connection.execute(sql.SQL("GRANT pg_monitor TO {}").format(sql.Identifier(role)))
            connection.execute(
                sql.SQL("CREATE SCHEMA IF NOT EXISTS drctl AUTHORIZATION {}").format(sql.Identifier(role))
            )
            connection.execute(
                "CREATE TABLE IF NOT EXISTS drctl.marker (writer text PRIMARY KEY, sequence bigint NOT NULL,"
                " epoch bigint NOT NULL, written_at timestamptz NOT NULL)"
            )
            connection.execute(sql.SQL("ALTER TABLE drctl.marker OWNER TO {}").format(sql.Identifier(role)))
            for function in REWIND_FUNCTIONS:
                connection.execute(
                    sql.SQL("GRANT EXECUTE ON FUNCTION {} TO {}").format(
                        sql.SQL(function),
                        sql.Identifier(REWIND_ROLE),
                    )
                )
            connection.commit()
    except psycopg.OperationalError as error:
        raise EffectUnknown(
            f"the link to {primary.name} broke while roles and table were created: {error}",
            remedy="type the same command again: what exists is left as it is",
        ) from error
    except psycopg.Error as error:
        raise EffectRefused(
            f"{primary.name} refused to create drctl's roles and table: {error}",
            remedy=f"{access.user} must be a superuser; then type the same command again",
        ) from error


def _role(connection: psycopg.Connection[tuple[object, ...]], role: str, password: str | None) -> None:
    if connection.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is None:
        connection.execute(sql.SQL("CREATE ROLE {} LOGIN").format(sql.Identifier(role)))
    if password is not None:
        connection.execute(sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(password)))
