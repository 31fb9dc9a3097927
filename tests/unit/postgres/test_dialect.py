"""Other engines, other names."""

from __future__ import annotations

import re

import pytest

from drctl.postgres.dialect import KINGBASE, POSTGRESQL, dialect_of
from drctl.postgres.facts import FACTS_SQL, IDENTITY_SQL
from drctl.postgres.marker import ABANDONED_SQL, MARKER_SQL, MESSAGE_SQL
from drctl.postgres.overrides import OVERRIDES_SQL

ALL = (FACTS_SQL, IDENTITY_SQL, MARKER_SQL, MESSAGE_SQL, ABANDONED_SQL, OVERRIDES_SQL)


@pytest.mark.parametrize(
    ("version", "dialect"),
    [
        ("PostgreSQL 18.1 on x86_64-pc-linux-gnu", POSTGRESQL),
        ("KingbaseES V008R006C007B0012 on x86_64-pc-linux-gnu", KINGBASE),
        ("EnterpriseDB 16", POSTGRESQL),
        ("", POSTGRESQL),
    ],
)
def test_a_server_is_known_by_what_it_says_of_its_version(version, dialect):
    assert dialect_of(version) is dialect


@pytest.mark.parametrize("sql", ALL)
def test_postgresql_is_spoken_to_as_it_is_written(sql):
    assert POSTGRESQL.spoken(sql) is sql


@pytest.mark.parametrize("sql", ALL)
def test_kingbase_is_spoken_to_in_names_of_its_own_alone(sql):
    spoken = KINGBASE.spoken(sql)
    assert re.findall(r"\bpg_\w+", spoken) == []
    assert len(re.findall(r"\bsys_\w+", spoken)) == len(re.findall(r"\bpg_\w+", sql))


def test_a_name_is_replaced_as_a_whole():
    assert KINGBASE.spoken("SELECT pg_is_in_recovery(), pg_unheard_of()") == (
        "SELECT sys_is_in_recovery(), pg_unheard_of()"
    )
