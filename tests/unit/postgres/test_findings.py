"""Commands that people type."""

from __future__ import annotations

import shlex

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drctl.postgres.findings import alter, psql
from tests.unit.postgres.nouns import a_member


def test_a_setting_is_changed_by_one_command():
    assert alter(a_member(), "wal_keep_size", "1GB") == (
        "psql -h 192.168.2.10 -p 5432 -U postgres -d postgres"
        ' -c "ALTER SYSTEM SET wal_keep_size = \'1GB\'" -c "SELECT pg_reload_conf()"'
    )
    assert alter(a_member(), "fsync", None).count("ALTER SYSTEM RESET fsync") == 1


def test_what_holds_after_a_restart_says_so():
    told = alter(a_member(), "wal_level", "replica", restart=True)
    assert told.endswith("; then restart PostgreSQL there")
    assert "pg_reload_conf" not in told


@pytest.mark.parametrize("statement", ['ALTER ROLE "a" RESET x', "SELECT '$HOME'", "SELECT `x`", r"SELECT '\'", "a!b"])
def test_a_shell_takes_a_statement_as_it_is(statement):
    assert shlex.split(psql(a_member(), statement))[-1] == statement


@given(st.text(st.characters(blacklist_categories=["Cs", "Cc"])))
def test_a_shell_takes_any_statement_as_it_is(statement):
    assert shlex.split(psql(a_member(), statement))[-1] == statement
