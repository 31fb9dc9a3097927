"""How a member is reached."""

from __future__ import annotations

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drctl.model.takeover import AdminAccess
from drctl.postgres.connection import conninfo
from drctl.postgres.line import Account, Line, Occupied
from drctl.postgres.names import Names
from drctl.postgres.prepare import admin_parameters
from tests.unit.postgres.nouns import a_member

VALUES = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@given(st.dictionaries(st.sampled_from(["user", "password", "dbname"]), VALUES))
def test_libpq_reads_any_value_as_it_was_meant(values):
    read = psycopg.conninfo.conninfo_to_dict(conninfo(values).decode())
    assert read == {key: value for key, value in values.items() if value}


def test_an_account_leaves_nothing_to_the_environment():
    account = Account(user="drctl", password=None, dbname="postgres", sslmode="verify-full")
    parameters = account.parameters(
        a_member(host="db.example"), "10.0.0.1", application="x", options={"lock_timeout": "300"}
    )
    assert parameters["host"] == "db.example"  # what a certificate is checked against
    assert parameters["hostaddr"] == "10.0.0.1"
    assert parameters["options"] == "-c lock_timeout=300"
    assert (parameters["gssencmode"], parameters["target_session_attrs"]) == ("disable", "any")


def test_an_administrators_string_gives_all_but_the_address():
    access = AdminAccess(dsn="host=elsewhere user=dba password=geheim sslmode=require options='-c jit=off'")
    parameters = admin_parameters(a_member(), access, Names(), end_s=0.0)
    assert {name: parameters[name] for name in ("host", "hostaddr", "port", "user", "dbname", "sslmode")} == {
        "host": "192.168.2.10", "hostaddr": "192.168.2.10", "port": "5432", "user": "dba", "dbname": "postgres",
        "sslmode": "require",
    }  # fmt: skip
    assert parameters["options"].startswith("-c jit=off -c ")


def test_an_administrator_without_a_string_is_the_named_user():
    parameters = admin_parameters(a_member(), AdminAccess(user="root"), Names(), dbname="lis", end_s=0.0)
    assert (parameters["user"], parameters["dbname"]) == ("root", "lis")


def test_a_line_serves_one_call_at_a_time():
    line = Line(a_member())
    with line.held(1.0), pytest.raises(Occupied), line.held(0.01):
        raise AssertionError("two at once")
    with line.held(0.0):
        pass
