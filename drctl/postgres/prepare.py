"""What `drctl init` creates in a group's database: a role that may look, a marker table, a role that may rewind."""

from __future__ import annotations

import time
from collections.abc import Mapping

import psycopg
from psycopg import sql

from drctl.model.errors import EffectRefused, EffectUnknown, InvalidInput, Unreachable
from drctl.model.takeover import AdminAccess
from drctl.model.topology import Member
from drctl.postgres.connection import CannotConnect, Connection, NoAnswer, ServerError
from drctl.postgres.line import CAREFUL_PARAMETERS
from drctl.postgres.names import Names

REWIND_ROLE = "drctl_rewind"
REWIND_DATABASE = "postgres"
"""Where drctl-host lets pg_rewind connect; the rights on functions are of one database."""
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
MARKER_TABLE = """
CREATE TABLE IF NOT EXISTS drctl.marker
  (writer text PRIMARY KEY, sequence bigint NOT NULL, epoch bigint NOT NULL, written_at timestamptz NOT NULL)
"""
PREPARE_TIMEOUT_S = 15.0
ADMIN_OPTIONS = "-c lock_timeout=5000 -c client_min_messages=warning"
PREPARED_SQL = """
SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = $1 AND rolcanlogin AND pg_has_role(oid, 'pg_monitor', 'USAGE'))
  AND EXISTS (SELECT FROM pg_roles WHERE rolname = 'drctl_rewind' AND rolcanlogin)
  AND EXISTS (SELECT FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace JOIN pg_roles r ON r.oid = c.relowner
    WHERE n.nspname = 'drctl' AND c.relname = 'marker' AND r.rolname = $1)
"""


def admin_parameters(
    member: Member, access: AdminAccess, names: Names, *, dbname: str = "", end_s: float
) -> Mapping[str, str]:
    """How to reach `member` as the administrator: its own address, and else what `access.dsn` says.

    Raises OSError when the host's name is not known, psycopg.Error when the string cannot be read.
    """
    said = {
        name: str(value) for name, value in psycopg.conninfo.conninfo_to_dict(access.dsn).items() if value is not None
    }
    own = {"user": said.get("user", access.user), "dbname": dbname or said.get("dbname", "postgres")}
    place = {"host": member.host, "hostaddr": names.address(member.host, end_s=end_s), "port": str(member.port)}
    options = f"{said.get('options', '')} {ADMIN_OPTIONS}".strip()
    return {**CAREFUL_PARAMETERS, **said, **own, **place, "options": options, "application_name": "drctl-init"}


def prepare(primary: Member, access: AdminAccess, *, role: str, password: str | None, dbname: str) -> None:
    """Create what is missing, in one transaction (where `dbname` is not pg_rewind's: one in each of both databases).

    Raises InvalidInput, Unreachable or EffectRefused when nothing was changed, EffectUnknown when the link broke at COMMIT.
    The COMMIT is acknowledged like any other: where `synchronous_standby_names` is set already it waits for a standby.
    """
    end_s = time.monotonic() + PREPARE_TIMEOUT_S
    databases = {dbname: _role_statements(role) + _marker_statements(role)}
    databases[REWIND_DATABASE] = databases.get(REWIND_DATABASE, []) + _rewind_statements()
    for database, statements in databases.items():
        connection = _session(primary, access, database, end_s)
        try:
            if password is not None and database == dbname:
                # A password in the clear would stand in the server's log where it logs such statements.
                hashed = connection.encrypted(password, user=role)
                alter = sql.SQL("ALTER ROLE {} PASSWORD {}").format(sql.Identifier(role), sql.Literal(hashed))
                statements.append(alter.as_string())
            _transaction(primary, connection, statements, end_s)
        finally:
            connection.close()


def _session(primary: Member, access: AdminAccess, database: str, end_s: float) -> Connection:
    try:
        how = admin_parameters(primary, access, Names(), dbname=database, end_s=end_s)
        return Connection.open(how, end_s=end_s)
    except psycopg.Error as error:
        raise InvalidInput(f"--admin-dsn cannot be read: {error}", remedy="drctl init --help") from error
    except OSError as error:
        raise Unreachable(f"{primary.name}: {error}") from error
    except (CannotConnect, NoAnswer) as error:
        raise Unreachable(f"{primary.name} cannot be reached as {access.user}: {error.message}") from error


def _transaction(primary: Member, connection: Connection, statements: list[str], end_s: float) -> None:
    at = "BEGIN"
    try:
        for at in ("BEGIN", *statements, "COMMIT"):
            connection.query(at, end_s=end_s)
    except ServerError as error:
        raise EffectRefused(
            f"{primary.name} refused to create drctl's roles and table: {error.message}",
            remedy="the administrator must be a superuser; then type the same command again",
        ) from error
    except NoAnswer as error:
        if at != "COMMIT":
            raise Unreachable(f"{primary.name}: {error.message}; nothing was changed") from error
        raise EffectUnknown(
            f"{primary.name} was told to create roles and table, and did not confirm it: {error.message}",
            remedy="are the standbys there that its commits wait for? Then type the same command again: "
            "what exists is left as it is",
        ) from error


def _role_statements(role: str) -> list[str]:
    return [*_login(role), _with("GRANT pg_monitor TO {role}", role)]


def _marker_statements(role: str) -> list[str]:
    return [
        _with("CREATE SCHEMA IF NOT EXISTS drctl AUTHORIZATION {role}", role),
        _with("GRANT USAGE ON SCHEMA drctl TO {role}", role),
        MARKER_TABLE,
        _with("ALTER TABLE drctl.marker OWNER TO {role}", role),
    ]


def _rewind_statements() -> list[str]:
    grants = [_with(f"GRANT EXECUTE ON FUNCTION {function} TO {{role}}", REWIND_ROLE) for function in REWIND_FUNCTIONS]
    return [*_login(REWIND_ROLE), *grants]


def _login(role: str) -> list[str]:
    """A role that may log in. There is no CREATE ROLE IF NOT EXISTS."""
    create = sql.SQL(
        "DO $do$ BEGIN IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = {name}) THEN CREATE ROLE {role}; END IF; END $do$"
    )
    return [
        create.format(name=sql.Literal(role), role=sql.Identifier(role)).as_string(),
        _with("ALTER ROLE {role} LOGIN", role),
    ]


def _with(statement: str, role: str) -> str:
    return sql.SQL(statement).format(role=sql.Identifier(role)).as_string()
