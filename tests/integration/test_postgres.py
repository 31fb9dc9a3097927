"""The Database adapter against real servers: what they do when they are broken, and what that costs."""

from __future__ import annotations

import os
import signal
import socket
import statistics
import threading
import time
from collections.abc import Callable, Iterator

import pytest

from drctl.host import processes
from drctl.model.errors import EffectRefused, EffectUnknown
from drctl.model.identity import Epoch, MemberName
from drctl.model.report import MemberFacts, MemberReport, Reachability
from drctl.model.topology import Member
from drctl.postgres import PostgresDatabase
from tests.integration.postgres_servers import Servers, bindir_of, running

DEADLINE_S = 1.0


@pytest.fixture(scope="module", params=[18, 15])
def running_servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with running(bindir_of(request.param)) as made:
        yield made


@pytest.fixture
def servers(running_servers: Servers) -> Iterator[Servers]:
    yield running_servers
    running_servers.heal()


def timed(call: Callable[[], MemberReport]) -> tuple[MemberReport, float]:
    began_s = time.monotonic()
    return call(), time.monotonic() - began_s


def facts_of(database: PostgresDatabase, member: Member) -> MemberFacts:
    report = database.probe(member, deadline_s=DEADLINE_S)
    assert report.facts is not None, report
    return report.facts


def session_of(servers: Servers, member: Member, application: str) -> int:
    """The pid of our session on a member."""
    with servers.instance(member).connect() as connection:
        row = connection.execute(
            "SELECT pid FROM pg_stat_activity WHERE starts_with(application_name, %s)", [application]
        ).fetchone()
    assert row is not None
    return int(str(row[0]))


# What a probe says of a broken server


def test_a_frozen_session_does_not_hide_a_server_that_lives(servers: Servers):
    database = servers.database()
    facts_of(database, servers.primary)
    frozen = session_of(servers, servers.primary, "drctl-probe")
    os.kill(frozen, signal.SIGSTOP)
    try:
        report, took_s = timed(lambda: database.probe(servers.primary, deadline_s=DEADLINE_S))
        again, again_took_s = timed(lambda: database.probe(servers.primary, deadline_s=DEADLINE_S))
    finally:
        os.kill(frozen, signal.SIGCONT)
    assert report.answers
    assert took_s < DEADLINE_S
    assert again.answers
    assert again_took_s < 0.2


def test_a_frozen_postmaster_is_silent_to_who_comes_anew_and_its_deadline_holds(servers: Servers):
    kept, fresh = servers.database(), servers.database()
    facts_of(kept, servers.primary)
    postmaster = servers.instance(servers.primary).pid
    os.kill(postmaster, signal.SIGSTOP)
    try:
        assert kept.probe(servers.primary, deadline_s=DEADLINE_S).answers
        for deadline_s in (0.1, 0.3, 1.0):
            report, took_s = timed(lambda deadline_s=deadline_s: fresh.probe(servers.primary, deadline_s=deadline_s))
            assert report.reachability is Reachability.SILENT
            assert deadline_s * 0.9 < took_s < deadline_s + 0.1
    finally:
        os.kill(postmaster, signal.SIGCONT)
    facts_of(fresh, servers.primary)


def test_an_address_that_swallows_packets_is_silent_in_time(servers: Servers):
    with socket.socket() as full, socket.socket() as first, socket.socket() as second:
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for filler in (first, second):
            filler.setblocking(False)
            filler.connect_ex(full.getsockname())
        member = Member(
            name=MemberName("lis-nowhere"), group=servers.primary.group, center=servers.primary.center,
            host="127.0.0.1", port=full.getsockname()[1],
        )  # fmt: skip
        report, took_s = timed(lambda: servers.database().probe(member, deadline_s=0.3))
        assert report.reachability is Reachability.SILENT
        assert took_s < 0.5


def test_a_killed_postmaster_is_told_within_moments_and_then_refused(servers: Servers):
    took_s = []
    for _ in range(3):
        database = servers.database()
        lost: list[tuple[str, float]] = []
        told = threading.Event()
        database.watch(lambda name, lost=lost, told=told: (lost.append((name, time.monotonic())), told.set()))
        facts_of(database, servers.standby)
        began_s = time.monotonic()
        servers.kill(servers.standby)
        assert told.wait(5)
        took_s.append(lost[0][1] - began_s)
        assert lost[0][0] == servers.standby.name
        servers.until(
            lambda database=database: (
                database.probe(servers.standby, deadline_s=DEADLINE_S).reachability is Reachability.REFUSED
            ),
            "nothing listens there",
        )
        servers.heal()
    assert statistics.median(took_s) < 0.1


def test_a_server_that_stops_refuses_sessions_and_says_that_it_does(servers: Servers):
    instance = servers.instance(servers.standby)
    database, fresh = servers.database(), servers.database()
    with instance.connect():  # a smart stop waits for it
        os.kill(instance.pid, signal.SIGTERM)
        servers.until(
            lambda: fresh.probe(servers.standby, deadline_s=DEADLINE_S).reachability is Reachability.STARTING,
            "it takes no more sessions",
        )
        report = database.probe(servers.standby, deadline_s=DEADLINE_S)
        assert report.reachability is Reachability.STARTING
        assert "shutting down" in report.detail
    servers.until(lambda: not processes.members_of(instance.pgdata), "it has stopped")


def test_a_session_that_an_administrator_ends_is_opened_anew_at_once(servers: Servers):
    database = servers.database()
    facts_of(database, servers.primary)
    pid = session_of(servers, servers.primary, "drctl-probe")
    servers.instance(servers.primary).run(f"SELECT pg_terminate_backend({pid}, 5000)")
    facts_of(database, servers.primary)


def test_a_server_without_room_is_faulty_to_who_comes_anew_and_answers_who_is_there(servers: Servers):
    kept, fresh = servers.database(), servers.database()
    primary = servers.instance(servers.primary)
    primary.run("ALTER ROLE drctl CONNECTION LIMIT 1")
    try:
        facts_of(kept, servers.primary)
        report = fresh.probe(servers.primary, deadline_s=DEADLINE_S)
        assert report.reachability is Reachability.FAULTY
        assert "too many connections" in report.detail
        facts_of(kept, servers.primary)
    finally:
        primary.run("ALTER ROLE drctl CONNECTION LIMIT -1")


@pytest.mark.parametrize(
    ("user", "dbname", "says"), [("nobody", "postgres", "nobody"), ("drctl", "nothing", "nothing")]
)
def test_whom_the_server_does_not_let_in_finds_it_faulty(servers: Servers, user: str, dbname: str, says: str):
    report = servers.database(user=user, dbname=dbname).probe(servers.primary, deadline_s=DEADLINE_S)
    assert report.reachability is Reachability.FAULTY
    assert says in report.detail


def test_a_role_that_may_not_look_is_faulty_and_not_half_blind(servers: Servers):
    servers.instance(servers.primary).run("CREATE ROLE blind LOGIN")
    position = facts_of(servers.database(), servers.primary).written_lsn
    servers.until(lambda: facts_of(servers.database(), servers.standby).replayed_lsn >= position, "the role is there")
    report = servers.database(user="blind").probe(servers.standby, deadline_s=DEADLINE_S)
    assert report.reachability is Reachability.FAULTY


def test_probes_of_one_member_come_one_after_the_other(servers: Servers):
    database = servers.database()
    reports: list[MemberReport] = []
    threads = [
        threading.Thread(target=lambda: reports.append(database.probe(servers.primary, deadline_s=DEADLINE_S)))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(5)
    assert [report.reachability for report in reports] == [Reachability.ANSWERS] * 8
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drctl-probe%'"
    assert servers.instance(servers.primary).value(sql) == 1


def test_after_the_end_nothing_is_opened(servers: Servers):
    database = servers.database()
    facts_of(database, servers.primary)
    database.close()
    assert not database.probe(servers.primary, deadline_s=DEADLINE_S).answers
    with pytest.raises(EffectRefused):
        database.write_marker(servers.primary, sequence=1, epoch=Epoch(1), deadline_s=DEADLINE_S)
    sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drctl-%'"
    servers.until(lambda: servers.instance(servers.primary).value(sql) == 0, "no session is left")


# Overrides of synchronous_commit


def overrides_of(database: PostgresDatabase, servers: Servers) -> set[tuple[str, str, str]]:
    return {(one.scope, one.name, one.value) for one in facts_of(database, servers.primary).overrides}


@pytest.mark.parametrize(
    ("weaken", "mend", "told"),
    [
        ("ALTER ROLE postgres SET synchronous_commit = off", "ALTER ROLE postgres RESET ALL", ("role", "postgres", "off")),
        ("ALTER DATABASE template1 SET synchronous_commit = local", "ALTER DATABASE template1 RESET ALL",
         ("database", "template1", "local")),
        ("ALTER ROLE ALL SET synchronous_commit = remote_write", "ALTER ROLE ALL RESET ALL", ("role", "ALL", "remote_write")),
    ],
)  # fmt: skip
def test_a_setting_that_weakens_commits_is_seen_while_it_holds(servers: Servers, weaken, mend, told):
    database = servers.database()
    assert overrides_of(database, servers) == set()
    servers.instance(servers.primary).run(weaken)
    try:
        servers.until(lambda: overrides_of(database, servers) == {told}, "it is seen")
    finally:
        servers.instance(servers.primary).run(mend)
    servers.until(lambda: overrides_of(database, servers) == set(), "it is gone")


def test_the_servers_own_setting_is_seen_while_it_holds(servers: Servers):
    database, primary = servers.database(), servers.instance(servers.primary)
    primary.run("ALTER SYSTEM SET synchronous_commit = remote_write")
    primary.run("SELECT pg_reload_conf()")
    try:
        told = {("server", "synchronous_commit", "remote_write")}
        servers.until(lambda: overrides_of(database, servers) == told, "it is seen")
    finally:
        primary.run("ALTER SYSTEM RESET synchronous_commit")
        primary.run("SELECT pg_reload_conf()")
    servers.until(lambda: overrides_of(database, servers) == set(), "it is gone")


# Markers


def test_a_markers_position_is_on_a_standby_when_it_is_acknowledged(servers: Servers):
    database = servers.database()
    writing = threading.Event()

    def write() -> None:
        """Commits that do not wait, so that the primary is ahead of its standbys all the while."""
        with servers.instance(servers.primary).connect() as session:
            session.execute("SET synchronous_commit = local")
            session.execute("CREATE TABLE IF NOT EXISTS noise (t text)")
            while not writing.is_set():
                session.execute("INSERT INTO noise SELECT repeat('x', 1000) FROM generate_series(1, 50)")

    writer = threading.Thread(target=write)
    writer.start()
    try:
        servers.freeze(servers.group.members[2])  # so that it is this one standby that acknowledges
        for sequence in range(20):
            acked = database.write_marker(servers.primary, sequence=sequence, epoch=Epoch(3), deadline_s=5.0)
            assert facts_of(database, servers.standby).written_lsn >= acked.position.lsn
    finally:
        writing.set()
        writer.join(10)
    row = servers.instance(servers.primary).value(
        "SELECT (writer, sequence, epoch)::text FROM drctl.marker WHERE sequence = 19"
    )
    assert row == "(zhaohui,19,3)"


def test_a_locked_marker_table_does_not_hide_that_commits_work(servers: Servers):
    database = servers.database()
    with servers.instance(servers.primary).connect() as session, session.transaction():
        session.execute("LOCK TABLE drctl.marker IN ACCESS EXCLUSIVE MODE")
        acked = database.write_marker(servers.primary, sequence=1, epoch=Epoch(1), deadline_s=3.0)
    assert acked.position.lsn > 0
    assert acked.elapsed_s < 2.0


def test_a_broken_link_leaves_no_second_session_that_waits(servers: Servers):
    servers.nobody_acknowledges()
    for sequence in range(3):  # a controller that starts again and again
        database = servers.database()
        with pytest.raises(EffectUnknown):
            database.write_marker(servers.primary, sequence=sequence, epoch=Epoch(1), deadline_s=0.3)
        database.close()
    assert servers.waiting_markers() == 1


# What it costs


def test_a_probe_costs_next_to_nothing(servers: Servers):
    database = servers.database()
    members = servers.group.members
    for member in members:
        facts_of(database, member)
    walls_s, rounds = [], 200
    cpu_began_s = time.process_time()
    for _ in range(rounds):
        for member in members:
            began_s = time.monotonic()
            facts_of(database, member)
            walls_s.append(time.monotonic() - began_s)
    cpu_s = (time.process_time() - cpu_began_s) / len(walls_s)
    assert cpu_s < 0.0005, "three members each half second may take half a percent of a processor"
    assert statistics.median(walls_s) < 0.002
