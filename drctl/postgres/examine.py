"""Is a group fit to be protected? Looks at every member as an administrator, and changes nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import psycopg
from psycopg import sql

from drctl.model.identity import MemberName
from drctl.model.takeover import AdminAccess, Finding, FindingSeverity
from drctl.model.topology import Group, Member

CONNECT_TIMEOUT_S = 3
STATEMENT_TIMEOUT_MS = 5000
VERSION_MIN = 150000
WAL_SENDERS_SPARE = 2
"""Beyond one a standby: for a base backup, which takes two."""
LAG_BYTES_MAX = 64 * 1024 * 1024
SETTINGS = (
    "fsync", "full_page_writes", "wal_log_hints", "data_checksums", "wal_level", "max_wal_senders", "hot_standby",
    "synchronous_commit", "synchronous_standby_names", "wal_keep_size", "wal_retrieve_retry_interval", "port",
    "primary_conninfo", "listen_addresses", "max_connections", "wal_receiver_timeout",
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Standby:
    """A row of pg_stat_replication."""

    name: str
    address: str
    state: str
    lag_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Portrait:
    """What an administrator sees of one member."""

    member: MemberName
    in_recovery: bool
    version_num: int
    system_identifier: str
    settings: Mapping[str, str]
    standbys: tuple[Standby, ...]
    sender: str
    """Whom a standby receives from; empty for a primary, or when it receives nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What was found of a group."""

    primary: MemberName | None
    findings: tuple[Finding, ...]
    prepared: bool
    """Whether role, schema, marker table and rewind role exist."""
    already_set: str
    """The primary's `synchronous_standby_names`."""


def admin_conninfo(member: Member, access: AdminAccess) -> str:
    """How to reach `member` as the administrator; `access.dsn` gives what its address does not say."""
    return psycopg.conninfo.make_conninfo(
        access.dsn,
        host=member.host,
        port=member.port,
        connect_timeout=CONNECT_TIMEOUT_S,
        **({} if access.dsn else {"user": access.user, "dbname": "postgres"}),
        options=f"-c statement_timeout={STATEMENT_TIMEOUT_MS}",
    )


def examine(group: Group, access: AdminAccess, *, role: str, dbname: str) -> Examination:
    """Look at every member of `group`. Never raises for what it finds: that is what the findings say."""
    findings: list[Finding] = []
    portraits: dict[MemberName, Portrait] = {}
    prepared = False
    for member in group.members:
        try:
            with psycopg.connect(admin_conninfo(member, access), autocommit=True) as connection:
                portraits[member.name] = _portrait(connection, member)
        except psycopg.Error as error:
            findings.append(
                _error(
                    member.name,
                    f"cannot be asked as {access.user}: {_first_line(error)}",
                    "every member must answer before anything is changed",
                    f"psql 'host={member.host} port={member.port} user={access.user} dbname=postgres' -c 'select 1'",
                )
            )
    primaries = [name for name, portrait in portraits.items() if not portrait.in_recovery]
    primary = primaries[0] if len(primaries) == 1 else None
    if len(primaries) != 1 and len(portraits) == len(group.members):
        findings.append(_not_one_primary(group, primaries))
    for portrait in portraits.values():
        findings += _settings(portrait)
    if primary is not None:
        findings += _replication(group, portraits, primary)
        prepared = _prepared(group.member(primary), access, role, dbname)
    return Examination(
        primary=primary,
        findings=tuple(findings),
        prepared=prepared,
        already_set=portraits[primary].settings.get("synchronous_standby_names", "") if primary else "",
    )


def _portrait(connection: psycopg.Connection[tuple[object, ...]], member: Member) -> Portrait:
    row = connection.execute(
        "SELECT pg_is_in_recovery(), current_setting('server_version_num')::int,"
        " (SELECT system_identifier::text FROM pg_control_system())"
    ).fetchone()
    assert row is not None, "a statement without FROM gives a row"
    settings = connection.execute(
        "SELECT name, setting FROM pg_settings WHERE name = ANY(%s)", [list(SETTINGS)]
    ).fetchall()
    standbys = connection.execute(
        "SELECT application_name, coalesce(host(client_addr), ''), state,"
        " coalesce(pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn() ELSE pg_current_wal_lsn() END,"
        " flush_lsn), 0)::bigint FROM pg_stat_replication"
    ).fetchall()
    sender = connection.execute("SELECT sender_host || ':' || sender_port FROM pg_stat_wal_receiver").fetchone()
    return Portrait(
        member=member.name,
        in_recovery=bool(row[0]),
        version_num=int(str(row[1])),
        system_identifier=str(row[2]),
        settings={str(name): str(value) for name, value in settings},
        standbys=tuple(
            Standby(name=str(name), address=str(address), state=str(state), lag_bytes=int(str(lag)))
            for name, address, state, lag in standbys
        ),
        sender=str(sender[0]) if sender and sender[0] else "",
    )


def _not_one_primary(group: Group, primaries: Sequence[MemberName]) -> Finding:
    if primaries:
        return _error(
            group.name,
            f"has {len(primaries)} primaries: {', '.join(primaries)}",
            "which of them has the hospital's data cannot be told from outside",
            "stop the one that is wrong and make it a standby with pg_rewind or pg_basebackup",
        )
    return _error(
        group.name,
        "has no primary: every member is in recovery",
        "drctl takes over replication that runs",
        "promote the right member first: pg_ctl promote, or SELECT pg_promote(), on one of "
        + ", ".join(member.name for member in group.members),
    )


def _settings(portrait: Portrait) -> Iterator[Finding]:
    name, settings = portrait.member, portrait.settings
    if portrait.version_num < VERSION_MIN:
        yield _error(
            name,
            f"runs PostgreSQL {portrait.version_num // 10000}",
            "a seal needs pg_get_wal_replay_pause_state and a reloadable primary_conninfo: "
            "PostgreSQL 15 is the oldest that is tested",
            "upgrade it with pg_upgrade",
        )
    for setting in ("fsync", "full_page_writes"):
        if settings.get(setting) != "on":
            yield _error(
                name,
                f"{setting} is off",
                "what it acknowledges may not survive a loss of power",
                f"ALTER SYSTEM SET {setting} = on; then restart it",
            )
    if settings.get("wal_log_hints") != "on" and settings.get("data_checksums") != "on":
        yield _error(
            name,
            "has neither wal_log_hints nor data checksums",
            "pg_rewind cannot bring it back after a failover",
            "ALTER SYSTEM SET wal_log_hints = on; then restart it (or pg_checksums --enable on the stopped member)",
        )
    if settings.get("wal_level") not in {"replica", "logical"}:
        yield _error(name, f"wal_level is {settings.get('wal_level')}", "it cannot be a primary",
                     "ALTER SYSTEM SET wal_level = replica; then restart it")  # fmt: skip
    if settings.get("hot_standby") != "on":
        yield _error(name, "hot_standby is off", "as a standby it could not be asked how far it is",
                     "ALTER SYSTEM SET hot_standby = on; then restart it")  # fmt: skip
    if settings.get("synchronous_commit") in {"off", "local", "remote_write"}:
        yield _error(
            name,
            f"synchronous_commit is {settings['synchronous_commit']}",
            "commits would be acknowledged before a standby has them on disk",
            "ALTER SYSTEM RESET synchronous_commit; SELECT pg_reload_conf();",
        )
    if int(settings.get("wal_keep_size", "0")) < 64:
        yield _warning(
            name,
            f"wal_keep_size is {settings.get('wal_keep_size', '0')} MB",
            "a member that was away for a moment would need a base backup",
            "ALTER SYSTEM SET wal_keep_size = '1GB'; SELECT pg_reload_conf();",
        )
    if int(settings.get("wal_retrieve_retry_interval", "5000")) > 1000:
        yield _warning(
            name,
            f"wal_retrieve_retry_interval is {settings['wal_retrieve_retry_interval']} ms",
            "a standby waits that long before it connects again",
            "ALTER SYSTEM SET wal_retrieve_retry_interval = '200ms'; SELECT pg_reload_conf();",
        )


def _replication(group: Group, portraits: Mapping[MemberName, Portrait], primary: MemberName) -> Iterator[Finding]:
    head = portraits[primary]
    wanted = len(group.members) - 1 + WAL_SENDERS_SPARE
    if int(head.settings.get("max_wal_senders", "0")) < wanted:
        yield _error(primary, f"max_wal_senders is {head.settings.get('max_wal_senders')}",
                     f"{wanted} are needed for the standbys and a base backup",
                     f"ALTER SYSTEM SET max_wal_senders = {max(10, wanted)}; then restart every member")  # fmt: skip
    for member in group.members:
        if member.name == primary or member.name not in portraits:
            continue
        portrait = portraits[member.name]
        if portrait.system_identifier != head.system_identifier:
            yield _error(member.name, "is of another database system than the primary",
                         "it was made by initdb, not by copying the primary",
                         f"make it anew: pg_basebackup -h {group.member(primary).host} -R")  # fmt: skip
            continue
        if portrait.version_num // 10000 != head.version_num // 10000:
            yield _error(member.name, f"runs PostgreSQL {portrait.version_num // 10000}, the primary {head.version_num // 10000}",
                         "streaming replication needs the same major version", "upgrade it")  # fmt: skip
        yield from _standby(group, portrait, head, member)
    known = {member.name for member in group.members}
    for standby in head.standbys:
        if standby.name not in known and standby.state == "streaming":
            yield _warning(primary, f"feeds {standby.name!r} at {standby.address}, which is no member of {group.name}",
                           "drctl leaves it alone", f"add it to cluster.yaml if it should be a member of {group.name}")  # fmt: skip


def _standby(group: Group, portrait: Portrait, head: Portrait, member: Member) -> Iterator[Finding]:
    claims = [standby for standby in head.standbys if standby.name == member.name]
    here = [standby for standby in head.standbys if standby.address == member.host]
    upstream = group.member(head.member)
    if len(claims) > 1:
        yield _error(
            member.name,
            f"{len(claims)} standbys call themselves {member.name}: {', '.join(claim.address for claim in claims)}",
            "an acknowledgement of the wrong one would count",
            f"give each its own application_name in primary_conninfo; {member.name} is at {member.host}",
        )
    elif not portrait.in_recovery:
        return  # told as one primary too many
    elif not claims:
        other = f" (a standby at {member.host} calls itself {here[0].name!r})" if here else ""
        yield _error(
            member.name,
            f"is no standby of {head.member}{other}",
            "its acknowledgements could not be counted under its name",
            f"on {member.host}: ALTER SYSTEM SET primary_conninfo = 'host={upstream.host} port={upstream.port} user=... "
            f"application_name={member.name}'; SELECT pg_reload_conf();",
        )
    elif claims[0].address and claims[0].address != member.host:
        yield _error(
            member.name,
            f"streams from {claims[0].address}, and cluster.yaml says that it is at {member.host}",
            "another machine may use its name",
            f"correct groups.{group.name}.members.{member.name}.host, or the other machine's application_name",
        )
    elif claims[0].state != "streaming":
        yield _error(member.name, f"is in state {claims[0].state}, not streaming", "it has not caught up",
                     "wait until it streams, then again")  # fmt: skip
    elif claims[0].lag_bytes > LAG_BYTES_MAX:
        yield _error(member.name, f"is {claims[0].lag_bytes} bytes behind", "commits would wait for it",
                     "wait until it has caught up, then again")  # fmt: skip
    else:
        yield Finding(severity=FindingSeverity.OK, subject=member.name, what=f"streams from {head.member}")


def _prepared(primary: Member, access: AdminAccess, role: str, dbname: str) -> bool:
    conninfo = psycopg.conninfo.make_conninfo(admin_conninfo(primary, access), dbname=dbname)
    try:
        with psycopg.connect(conninfo, autocommit=True) as connection:
            row = connection.execute(
                sql.SQL(
                    "SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = %s),"
                    " to_regclass('drctl.marker') IS NOT NULL, EXISTS (SELECT FROM pg_roles WHERE rolname = 'drctl_rewind')"
                ),
                [role],
            ).fetchone()
    except psycopg.Error:
        return False
    return row is not None and all(bool(part) for part in row)


def _first_line(error: psycopg.Error) -> str:
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__


def _error(subject: str, what: str, why: str, remedy: str) -> Finding:
    return Finding(severity=FindingSeverity.ERROR, subject=subject, what=what, why=why, remedy=remedy)


def _warning(subject: str, what: str, why: str, remedy: str) -> Finding:
    return Finding(severity=FindingSeverity.WARNING, subject=subject, what=what, why=why, remedy=remedy)
