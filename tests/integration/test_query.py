"""A hospital's own query on real servers: what it may ask, and that it can change nothing."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from drctl.model.command import Query
from drctl.model.errors import EffectRefused, Unreachable
from drctl.model.evidence import Queried
from drctl.model.topology import Member
from tests.integration.postgres_servers import Servers, bindir_of, running


@pytest.fixture(scope="module", params=[18, 15])
def running_servers(request: pytest.FixtureRequest) -> Iterator[Servers]:
    with running(bindir_of(request.param)) as made:
        yield made


@pytest.fixture
def servers(running_servers: Servers) -> Iterator[Servers]:
    yield running_servers
    running_servers.heal()


def ask(servers: Servers, text: str, *, member: Member | None = None, database: str = "", deadline_s: float = 5.0):
    query = Query(text=text, database=database)
    return servers.database().query(member or servers.primary, query, deadline_s=deadline_s)


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("SELECT 6 * 7", Queried(value="42", rows=1)),
        ("  SELECT 6 * 7 ;  ", Queried(value="42", rows=1)),
        ("SELECT '越城'", Queried(value="越城", rows=1)),
        ("SELECT NULL", Queried(value=None, rows=1)),
        ("SELECT 1 WHERE false", Queried(value=None, rows=0)),
        ("VALUES (1), (2), (3)", Queried(value="1", rows=2)),
        ("SELECT generate_series(1, 100000000)", Queried(value="1", rows=2)),
        ("SELECT repeat('x', 100000)", Queried(value="x" * 1000, rows=1)),
        ("SELECT current_user", Queried(value="drctl", rows=1)),
        ("SELECT 1 AS it -- and nothing else", Queried(value="1", rows=1)),
    ],
)
def test_the_first_value_of_the_first_row_is_the_answer(servers: Servers, text: str, answer: Queried):
    assert ask(servers, text) == answer


def test_a_standby_and_another_database_can_be_asked(servers: Servers):
    assert ask(servers, "SELECT pg_is_in_recovery()", member=servers.standby) == Queried(value="t", rows=1)
    assert ask(servers, "SELECT current_database()", database="template1") == Queried(value="template1", rows=1)


@pytest.mark.parametrize(
    "text",
    [
        "DELETE FROM drctl.marker",
        "WITH gone AS (DELETE FROM drctl.marker RETURNING 1) SELECT count(*) FROM gone",
        "SELECT nextval('drctl.s')",
        "SELECT 1; DELETE FROM drctl.marker",
        "SELECT 1; COMMIT; DELETE FROM drctl.marker",
        "SELECT set_config('transaction_read_only', 'off', true), count(*) FROM drctl.marker",
        "COMMIT",
        "SELEKT 1",
        "SELECT 1 / 0",
    ],
)
def test_what_would_change_something_or_makes_no_sense_is_refused(servers: Servers, text: str):
    servers.instance(servers.primary).run("CREATE SEQUENCE IF NOT EXISTS drctl.s")
    servers.instance(servers.primary).run("GRANT ALL ON SEQUENCE drctl.s TO drctl")
    with pytest.raises(EffectRefused, match="lis-zhaohui refused the query: "):
        ask(servers, text)


def test_what_a_server_lets_a_reader_do_is_rolled_back(servers: Servers):
    """PostgreSQL 15 takes a large object for nothing that is written."""
    try:
        ask(servers, "SELECT lo_create(4711)")
    except EffectRefused:
        return
    assert servers.instance(servers.primary).value("SELECT count(*) FROM pg_largeobject_metadata") == 0


def test_a_query_that_takes_too_long_is_ended_on_both_sides(servers: Servers):
    began_s = time.monotonic()
    with pytest.raises((EffectRefused, Unreachable)):
        ask(servers, "SELECT pg_sleep(30)", deadline_s=0.6)
    assert time.monotonic() - began_s < 3.0
    running_sql = (
        "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drctl-check%' AND state = 'active'"
    )
    servers.until(lambda: str(servers.instance(servers.primary).value(running_sql)) == "0", "the server ends it too")


def test_a_server_that_is_frozen_or_gone_is_unreachable_in_time(servers: Servers):
    servers.freeze(servers.primary)
    began_s = time.monotonic()
    with pytest.raises(Unreachable):
        ask(servers, "SELECT 1", deadline_s=0.6)
    assert time.monotonic() - began_s < 3.0
    servers.thaw(servers.primary)
    servers.stop(servers.primary)
    with pytest.raises(Unreachable):
        ask(servers, "SELECT 1")


def test_it_leaves_no_session_behind(servers: Servers):
    for _ in range(3):
        ask(servers, "SELECT 1")
    sessions_sql = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drctl-check%'"
    servers.until(lambda: str(servers.instance(servers.primary).value(sessions_sql)) == "0", "its sessions end")
