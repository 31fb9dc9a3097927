"""The Database adapter under what goes on for long, or all at once."""

from __future__ import annotations

import contextlib
import threading
import time
import tracemalloc
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from drctl.config.secret import parse_secret
from drctl.model.errors import EffectUnknown
from drctl.model.identity import Epoch, MemberName
from drctl.model.report import MemberReport, Reachability
from drctl.model.takeover import AdminAccess
from drctl.model.topology import Member
from drctl.postgres import PostgresDatabase
from drctl.postgres.prepare import prepare
from tests.integration.host_fixture import wait_for
from tests.integration.postgres_servers import ROLE, Servers, bindir_of, running

pytestmark = pytest.mark.lab

DEADLINE_S = 1.0


@pytest.fixture(scope="module", params=[18, 15])
def made(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with running(bindir_of(request.param)) as servers:
        yield servers


@pytest.fixture
def servers(made: Servers) -> Iterator[Servers]:
    yield made
    made.heal()


def probe(database: PostgresDatabase, member: Member) -> MemberReport:
    return database.probe(member, deadline_s=DEADLINE_S)


def mark(database: PostgresDatabase, servers: Servers, sequence: int = 1, deadline_s: float = 5.0) -> None:
    database.write_marker(servers.primary, sequence=sequence, epoch=Epoch(1), deadline_s=deadline_s)


def sessions_of_probe(servers: Servers) -> list[int]:
    with servers.instance(servers.primary).connect() as connection:
        rows = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE application_name LIKE 'drctl-probe%'"
        ).fetchall()
    return [int(str(row[0])) for row in rows]


def test_two_probes_at_once_of_a_frozen_member_both_end_in_time(servers: Servers):
    database = servers.database()
    probe(database, servers.primary)
    servers.freeze(servers.primary)
    began_s = time.monotonic()
    with ThreadPoolExecutor(4) as pool:
        reports = list(pool.map(lambda _: database.probe(servers.primary, deadline_s=0.4), range(4)))
    assert {report.reachability for report in reports} == {Reachability.SILENT}
    assert time.monotonic() - began_s < 0.7


def test_a_crash_of_one_backend_is_never_silence(servers: Servers):
    database = servers.database()
    lost: list[MemberName] = []
    database.watch(lost.append)
    before = probe(database, servers.primary)
    seen: list[MemberReport] = []
    stop = threading.Event()

    def look() -> None:
        while not stop.is_set():
            seen.append(probe(database, servers.primary))

    looking = threading.Thread(target=look)
    looking.start()
    try:
        servers.kill_backend(servers.primary)
        wait_for(
            lambda: seen[-1].reachability is Reachability.ANSWERS and seen[-1].facts != before.facts and len(seen) > 50,
            "it answers again",
        )
    finally:
        stop.set()
        looking.join()
    kinds = [report.reachability for report in seen]
    assert Reachability.STARTING in kinds
    assert Reachability.SILENT not in kinds
    assert kinds.count(Reachability.FAULTY) <= 1, "at most the moment between two looks"


def test_no_slot_for_a_session_is_faulty_not_silent(servers: Servers):
    instance = servers.instance(servers.primary)
    with contextlib.ExitStack() as kept:

        def fill() -> None:
            for _ in range(200):
                kept.enter_context(contextlib.closing(instance.connect()))

        with pytest.raises(psycopg.OperationalError, match="too many clients"):
            fill()
        assert probe(servers.database(), servers.primary).reachability is Reachability.FAULTY


def test_a_name_that_nobody_knows_is_silence_with_its_reason(servers: Servers):
    nameless = Member(
        name=MemberName("z"),
        group=servers.group.name,
        center=servers.group.home,
        host="no-such-host.invalid",
        port=5432,
    )
    began_s = time.monotonic()
    report = servers.database().probe(nameless, deadline_s=1.0)
    assert report.reachability is Reachability.SILENT
    assert "no-such-host.invalid" in report.detail
    assert time.monotonic() - began_s < 1.2


def test_settings_of_role_and_database_do_not_decide_what_a_marker_proves(servers: Servers):
    instance = servers.instance(servers.primary)
    odd = ("default_transaction_read_only = on", "client_min_messages = error", "statement_timeout = 1")
    for setting in (*odd, "synchronous_commit = off"):
        instance.run(f"ALTER ROLE {ROLE} SET {setting}")
    try:
        database = servers.database()
        mark(database, servers)
        assert probe(database, servers.primary).reachability is Reachability.ANSWERS
        servers.nobody_acknowledges()
        with pytest.raises(EffectUnknown):
            mark(database, servers, 2, 0.3)
        assert servers.waiting_markers() == 1
    finally:
        servers.everybody_acknowledges()
        instance.run(f"ALTER ROLE {ROLE} RESET ALL")


def test_a_wait_that_is_cancelled_under_the_markers_eyes_is_no_acknowledgement(servers: Servers):
    database = servers.database()
    mark(database, servers)
    servers.nobody_acknowledges()
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(mark, database, servers, 2)
        wait_for(lambda: servers.waiting_markers() == 1, "it waits")
        servers.cancel_waiting_markers()
        with pytest.raises(EffectUnknown, match="cancel"):
            waiting.result(timeout=5)


def overrides(database: PostgresDatabase, servers: Servers) -> set[tuple[str, str, str]]:
    facts = probe(database, servers.primary).facts
    assert facts is not None
    return {(override.scope, override.name, override.value) for override in facts.overrides}


def test_a_session_that_was_seen_to_weaken_itself_is_suspect_until_it_ends(servers: Servers):
    instance, database = servers.instance(servers.primary), servers.database()
    with instance.connect() as connection:
        connection.execute("SET synchronous_commit = off")
        pid = connection.info.backend_pid
        wait_for(lambda: overrides(database, servers) != set(), "the statement is seen", 3.0)
        connection.execute("INSERT INTO work (note) VALUES ('alone')")
        ((scope, name, value),) = seen_after_a_look(database, servers)
        assert (scope, value) == ("session", "off")
        assert name.startswith(f"{pid} of postgres")
        connection.execute("SET synchronous_commit TO DEFAULT")
        wait_for(lambda: overrides(database, servers) == set(), "it is seen to put it back", 3.0)
        connection.execute("SET synchronous_commit TO 'local'")
        wait_for(lambda: overrides(database, servers) != set(), "and again", 3.0)
    wait_for(lambda: overrides(database, servers) == set(), "the session is gone", 3.0)


def seen_after_a_look(database: PostgresDatabase, servers: Servers) -> set[tuple[str, str, str]]:
    """What is known after at least one more look was due."""
    end_s = time.monotonic() + 1.2
    known = overrides(database, servers)
    while time.monotonic() < end_s:
        known = overrides(database, servers)
    return known


def test_a_catalog_that_is_locked_delays_no_probe(servers: Servers):
    database = servers.database()
    probe(database, servers.primary)
    with servers.instance(servers.primary).connect() as connection, connection.transaction():
        connection.execute("LOCK TABLE pg_db_role_setting IN ACCESS EXCLUSIVE MODE")
        end_s = time.monotonic() + 2.2
        while time.monotonic() < end_s:
            began_s = time.monotonic()
            assert probe(database, servers.primary).reachability is Reachability.ANSWERS
            assert time.monotonic() - began_s < 0.5


def test_ten_thousand_probes_leave_nothing_behind(servers: Servers):
    database = servers.database()
    database.watch(lambda _: None)
    members = servers.group.members[:2]
    for member in members * 250:
        probe(database, member)
    tracemalloc.start()
    try:
        first = tracemalloc.get_traced_memory()[0]
        for member in members * 5000:
            probe(database, member)
        grown = tracemalloc.get_traced_memory()[0] - first
    finally:
        tracemalloc.stop()
    assert grown < 64 * 1024, f"{grown} bytes more"
    assert len(sessions_of_probe(servers)) == 1


def test_closing_while_probes_and_markers_are_under_way_ends_soon(servers: Servers):
    database = servers.database()
    database.watch(lambda _: None)
    probe(database, servers.primary)
    servers.nobody_acknowledges()
    servers.freeze(servers.standby)
    with ThreadPoolExecutor(8) as pool:
        jobs = [pool.submit(database.probe, member, deadline_s=1.0) for member in servers.group.members * 2]
        waiting = pool.submit(mark, database, servers, 1, 1.0)
        began_s = time.monotonic()
        database.close()
        assert time.monotonic() - began_s < 1.5
        for job in jobs:
            assert isinstance(job.result(timeout=3), MemberReport)
        assert waiting.exception(timeout=3) is not None
    servers.everybody_acknowledges()
    wait_for(lambda: sessions_of_probe(servers) == [], "every session is gone")


def test_connections_that_break_all_the_time_confuse_nobody(servers: Servers):
    database = servers.database()
    database.watch(lambda _: None)
    instance = servers.instance(servers.primary)
    stop = threading.Event()

    def break_them() -> None:
        with instance.connect() as connection:
            while not stop.is_set():
                connection.execute(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name LIKE 'drctl-probe%'"
                )

    breaking = threading.Thread(target=break_them)
    breaking.start()
    try:
        reports = [probe(database, servers.primary) for _ in range(150)]
    finally:
        stop.set()
        breaking.join()
    kinds = [report.reachability for report in reports]
    assert Reachability.SILENT not in kinds
    assert Reachability.REFUSED not in kinds
    assert probe(database, servers.primary).reachability is Reachability.ANSWERS


def test_a_password_from_a_file_lets_in_and_a_wish_for_tls_is_passed_on(servers: Servers, tmp_path: Path):
    instance, file = servers.instance(servers.primary), tmp_path / "password"
    file.write_text("检验 it's\n", encoding="utf-8")
    secret = parse_secret(f"file:{file}")
    hba = instance.pgdata / "pg_hba.conf"
    before = hba.read_text()
    prepare(servers.primary, AdminAccess(), role="filed", password=secret.read(), dbname="postgres")
    hba.write_text("host all filed 127.0.0.1/32 scram-sha-256\n" + before)
    instance.run("SELECT pg_reload_conf()")
    try:
        for sslmode, expected in (("prefer", Reachability.ANSWERS), ("require", Reachability.FAULTY)):
            database = PostgresDatabase(user="filed", password=secret.read(), dbname="postgres", sslmode=sslmode)
            report = probe(database, servers.primary)
            database.close()
            assert report.reachability is expected
            assert expected is Reachability.ANSWERS or "SSL" in report.detail
    finally:
        hba.write_text(before)
        instance.run("SELECT pg_reload_conf()")
        prepare(servers.primary, AdminAccess(), role=ROLE, password=None, dbname="postgres")
