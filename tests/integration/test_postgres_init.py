"""`drctl init` and `drctl doctor` in SQL, against real servers: what is found, what is made, and what is left alone."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

import psycopg
import pytest

from drctl.model.errors import EffectRefused, EffectUnknown, InvalidInput, Unreachable
from drctl.model.identity import Epoch
from drctl.model.report import Reachability
from drctl.model.takeover import AdminAccess, Finding, FindingSeverity
from drctl.model.topology import Member
from drctl.postgres import PostgresDatabase
from drctl.postgres import prepare as prepare_module
from drctl.postgres.examine import Examination, check_up, examine
from drctl.postgres.line import Account
from drctl.postgres.prepare import REWIND_ROLE, prepare
from tests.integration.postgres_servers import Servers, bindir_of, running

SECRET = "ge'heim\\"  # noqa: S105 - of a server that lives for a test
ERROR = FindingSeverity.ERROR


@pytest.fixture(scope="module", params=[18, 15])
def running_servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with running(bindir_of(request.param)) as made:
        yield made


@pytest.fixture
def servers(running_servers: Servers) -> Iterator[Servers]:
    yield running_servers
    running_servers.heal()


def examined(servers: Servers, role: str = "drctl", access: AdminAccess | None = None) -> Examination:
    return examine(servers.group, access or AdminAccess(), role=role, dbname="postgres")


def checked(servers: Servers) -> tuple[Finding, ...]:
    return check_up([servers.group], Account(user="drctl", password=None, dbname="postgres", sslmode="prefer"))


def errors(findings: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(one.subject, one.what) for one in findings if one.severity is ERROR]


def prepared(servers: Servers, role: str, password: str | None = None, dbname: str = "postgres") -> None:
    prepare(servers.primary, AdminAccess(), role=role, password=password, dbname=dbname)


@contextmanager
def following_as(servers: Servers, member: Member, name: str) -> Iterator[None]:
    """A standby that calls itself so."""
    instance = servers.instance(member)

    def follow(application: str) -> None:
        conninfo = f"host=127.0.0.1 port={servers.primary.port} user=replicator application_name={application}"
        instance.run(f"ALTER SYSTEM SET primary_conninfo = '{conninfo}'")
        instance.run("ALTER SYSTEM SET wal_retrieve_retry_interval = '100ms'")
        instance.run("SELECT pg_reload_conf()")
        sql = (
            f"SELECT count(*) FROM pg_stat_replication WHERE application_name = '{application}' AND state = 'streaming'"  # noqa: S608
        )
        servers.until(lambda: int(str(servers.instance(servers.primary).value(sql))) > 0, f"{application} streams")

    follow(name)
    try:
        servers.until(
            lambda: servers.instance(servers.primary).value("SELECT count(*) FROM pg_stat_replication") == 2,
            "the old session is gone",
        )
        yield
    finally:
        follow(member.name)


# Looking


def test_a_group_that_works_has_no_error(servers: Servers):
    found = examined(servers)
    assert errors(found.findings) == []
    assert found.primary == servers.primary.name
    assert found.prepared
    assert found.already_set.startswith("ANY 1 (")
    assert {one.subject for one in found.findings if one.severity is FindingSeverity.OK} == {
        servers.group.members[1].name,
        servers.group.members[2].name,
    }


def test_a_role_that_was_not_made_is_to_be_made(servers: Servers):
    assert not examined(servers, role="somebody").prepared


def test_two_standbys_with_one_name_are_refused(servers: Servers):
    second, third = servers.group.members[1:]
    with following_as(servers, third, second.name):
        found = errors(examined(servers).findings)
    assert found == [
        (second.name, f"2 standbys call themselves {second.name}: 127.0.0.1, 127.0.0.1"),
        (third.name, f"is no standby of {servers.primary.name}: it calls itself '{second.name}'"),
    ]


def test_a_member_that_is_down_or_frozen_is_told_in_time(servers: Servers):
    down, frozen = servers.group.members[1:]
    servers.stop(down)
    servers.freeze(frozen)
    began_s = time.monotonic()
    found = examined(servers)
    assert time.monotonic() - began_s < 8.0
    told = {one.subject: one for one in found.findings if one.severity is ERROR}
    assert set(told) >= {down.name, frozen.name}
    assert "refused" in told[down.name].what
    assert "no answer in time" in told[frozen.name].what
    assert found.primary == servers.primary.name


def test_an_administrator_who_is_not_let_in_is_told(servers: Servers):
    found = examined(servers, access=AdminAccess(user="nobody"))
    assert found.primary is None
    assert len(errors(found.findings)) == 3
    assert all("nobody" in what for _, what in errors(found.findings))


def test_a_string_that_cannot_be_read_is_told(servers: Servers):
    found = examined(servers, access=AdminAccess(dsn="user = = ="))
    assert len(errors(found.findings)) == 3
    with pytest.raises(InvalidInput):
        prepare(servers.primary, AdminAccess(dsn="user = = ="), role="drctl", password=None, dbname="postgres")


# Making


def test_what_exists_is_left_as_it_is(servers: Servers):
    servers.database().write_marker(servers.primary, sequence=41, epoch=Epoch(1), deadline_s=5.0)
    prepared(servers, "drctl")
    prepared(servers, "drctl")
    assert servers.instance(servers.primary).value("SELECT max(sequence) FROM drctl.marker") == 41
    assert examined(servers).prepared


def test_a_password_is_asked_for_and_never_stands_in_the_log(servers: Servers):
    instance = servers.instance(servers.primary)
    instance.run("ALTER SYSTEM SET log_statement = 'all'")
    instance.run("SELECT pg_reload_conf()")
    hba = instance.pgdata / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("host all guarded 127.0.0.1/32 scram-sha-256\n" + before)
    try:
        prepared(servers, "guarded", SECRET)
        assert str(instance.value("SELECT rolpassword FROM pg_authid WHERE rolname = 'guarded'")).startswith("SCRAM-")
        instance.run("SELECT pg_reload_conf()")
        for password, answers in ((SECRET, True), ("wrong", False), (None, False)):
            database = PostgresDatabase(user="guarded", password=password, dbname="postgres", sslmode="prefer")
            report = database.probe(servers.primary, deadline_s=1.0)
            assert report.answers == answers
            assert answers or report.reachability is Reachability.FAULTY
            assert "ge'heim" not in repr(report)
            database.close()
        assert "CREATE ROLE" in instance.log.read_text()
        assert "heim" not in instance.log.read_text()
    finally:
        hba.write_text(before)
        instance.run("ALTER SYSTEM RESET log_statement")
        instance.run("SELECT pg_reload_conf()")
        prepared(servers, "drctl")  # whose the marker table is again


@pytest.mark.parametrize(
    "statement",
    ["CREATE TABLE public.t ()", "CREATE ROLE r", "SELECT pg_read_file('PG_VERSION')", "SELECT * FROM work"],
)
def test_drctls_role_may_look_and_no_more(servers: Servers, statement: str):
    with (
        psycopg.connect(host="127.0.0.1", port=servers.primary.port, user="drctl", dbname="postgres") as session,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        session.execute(statement.encode())


def test_the_rewind_role_may_call_what_pg_rewind_calls_and_no_more(servers: Servers):
    with psycopg.connect(
        host="127.0.0.1", port=servers.primary.port, user=REWIND_ROLE, dbname="postgres", autocommit=True
    ) as session:
        for call in (
            "pg_ls_dir('.', true, false)",
            "pg_stat_file('PG_VERSION', true)",
            "pg_read_binary_file('PG_VERSION')",
            "pg_read_binary_file('PG_VERSION', 0, 2, true)",
        ):
            assert session.execute(f"SELECT {call}".encode()).fetchone()
        for statement in ("SELECT pg_read_file('PG_VERSION')", "SELECT * FROM drctl.marker", "SELECT pg_promote()"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                session.execute(statement.encode())


def test_pg_rewinds_rights_are_where_it_connects_and_the_marker_where_drctl_does(servers: Servers):
    instance = servers.instance(servers.primary)
    instance.run("CREATE DATABASE lis_db")
    prepared(servers, "drctl", dbname="lis_db")
    database = servers.database(dbname="lis_db")
    assert database.write_marker(servers.primary, sequence=1, epoch=Epoch(1), deadline_s=5.0).sequence == 1
    sql = f"SELECT has_function_privilege('{REWIND_ROLE}', 'pg_read_binary_file(text)', 'EXECUTE')"
    assert instance.value(sql) is True


def test_a_standby_is_not_changed(servers: Servers):
    with pytest.raises(EffectRefused):
        prepare(servers.standby, AdminAccess(), role="drctl", password=None, dbname="postgres")


def test_a_member_that_is_down_is_not_changed(servers: Servers):
    servers.stop(servers.standby)
    with pytest.raises(Unreachable):
        prepare(servers.standby, AdminAccess(), role="drctl", password=None, dbname="postgres")


def test_a_commit_that_no_standby_confirms_is_not_taken_for_done(servers: Servers, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(prepare_module, "PREPARE_TIMEOUT_S", 0.5)
    servers.nobody_acknowledges()
    with pytest.raises(EffectUnknown) as told:
        prepared(servers, "late")
    assert "type the same command again" in told.value.remedy


# The doctor


def test_drctls_own_role_sees_what_the_doctor_asks(servers: Servers):
    prepared(servers, "drctl")  # whose the marker table is again, whatever an earlier test made of it
    found = checked(servers)
    assert errors(found) == []
    assert "password" not in repr(found)


def test_the_doctor_finds_what_will_go_wrong(servers: Servers):
    instance = servers.instance(servers.primary)
    instance.run("CREATE UNLOGGED TABLE fast (i int)")
    instance.run("CREATE PROCEDURE night() LANGUAGE SQL AS 'SELECT 1'")
    instance.run("CREATE ROLE batch")
    instance.run("ALTER ROLE batch SET synchronous_commit = off")
    instance.run("ALTER ROLE batch SET statement_timeout = '5s'")
    instance.run("SELECT pg_create_physical_replication_slot('forgotten', true)")
    instance.run("ALTER SYSTEM SET max_connections = 123")
    instance.run("SELECT pg_reload_conf()")
    try:
        wanted = {
            "nobody reads through the slot 'forgotten'",
            "synchronous_commit is off for role batch",
            "statement_timeout is set for batch, and there are 1 procedures",
            "has 1 unlogged tables",
            "waits for a restart to use what was set: max_connections",
        }
        servers.until(lambda: wanted <= {one.what for one in checked(servers)}, "all is found")
        found = {one.what: one for one in checked(servers) if one.what in wanted}
        assert errors(tuple(found.values())) == [(servers.primary.name, "synchronous_commit is off for role batch")]
        assert all(one.remedy for one in found.values())
        # What stands in the way of the promise for some does not stand in the way of taking the group over.
        assert errors(examined(servers).findings) == []
    finally:
        instance.run("DROP TABLE fast")
        instance.run("DROP PROCEDURE night")
        instance.run("DROP ROLE batch")
        instance.run("SELECT pg_drop_replication_slot('forgotten')")
        instance.run("ALTER SYSTEM RESET max_connections")
        instance.run("SELECT pg_reload_conf()")
