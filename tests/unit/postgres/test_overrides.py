"""Who asks for less than the group promises, from look to look."""

from __future__ import annotations

import json

import pytest

from drctl.model.report import SyncOverride
from drctl.postgres.overrides import SESSIONS_MAX, Overrides, said_of, weak


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ("SET synchronous_commit = off", ("off", False)),
        ("set synchronous_commit to 'local'", ("local", False)),
        ("SET SESSION synchronous_commit TO remote_write", ("remote_write", False)),
        ("SET LOCAL synchronous_commit = off", ("off", True)),
        ('SET "synchronous_commit" = false', ("off", False)),
        ("BEGIN; SET LOCAL synchronous_commit TO off; INSERT INTO t VALUES (1)", ("off", True)),
        ("/* batch */ SET synchronous_commit = off", ("off", False)),
        ("SET synchronous_commit = off; SET synchronous_commit = on", ("", False)),
        ("SET synchronous_commit = remote_apply", ("", False)),
        ("SET synchronous_commit TO DEFAULT", ("", False)),
        ("RESET synchronous_commit", ("", False)),
        ("RESET ALL", ("", False)),
        ("DISCARD ALL", ("", False)),
        ("SELECT set_config('synchronous_commit', 'off', true)", ("off", True)),
        ("SELECT set_config('synchronous_commit', 'off', false)", ("off", False)),
        ("SELECT 1", None),
        ("SHOW synchronous_commit", None),
        ("INSERT INTO notes VALUES ('SET synchronous_commit = off')", None),
        ("SELECT * FROM pg_settings WHERE name = 'synchronous_commit'", None),
        ("ALTER ROLE batch SET synchronous_commit = off", None),
        ("", None),
    ],
)
def test_what_a_statement_does_to_its_session(query, said):
    assert said_of(query) == said


@pytest.mark.parametrize(
    ("value", "called"),
    [("off", "off"), ("OFF", "off"), ("0", "off"), ("no", "off"), ("'local'", "local"), ("remote_write", "remote_write"),
     ("on", ""), ("remote_apply", ""), ("true", ""), ("", "")],
)  # fmt: skip
def test_values_that_wait_for_no_standbys_disk(value, called):
    assert weak(value) == called


def session(pid: int = 7, query: str = "", **changed):
    return {
        "pid": pid,
        "began": "100.5",
        "xact": None,
        "role": "batch",
        "app": "",
        "idle": True,
        "query": query,
    } | changed


def setting(role=None, database=None, value="off", *, mine=False):
    return {"role": role, "database": database, "value": value, "mine": mine}


def look(overrides: Overrides, *sessions, settings=(), commit="on"):
    return overrides.see(json.dumps({"settings": list(settings), "sessions": list(sessions)}), commit)


def test_settings_of_roles_and_databases_are_told_by_name():
    found = look(
        Overrides(),
        settings=[setting("batch"), setting(None, "lis", "local"), setting("batch", "lis"), setting(), setting("x", value="on")],
    )  # fmt: skip
    assert [(one.scope, one.name, one.value) for one in found] == [
        ("role", "batch", "off"),
        ("database", "lis", "local"),
        ("role", "batch in lis", "off"),
        ("role", "ALL", "off"),
    ]


def test_the_servers_own_setting_is_what_our_session_came_to_have():
    assert look(Overrides(), commit="off") == (SyncOverride(scope="server", name="synchronous_commit", value="off"),)
    assert look(Overrides(), commit="remote_write")[0].scope == "server"
    assert look(Overrides(), commit="remote_apply") == ()


def test_where_our_own_role_is_set_otherwise_nothing_is_said_of_the_server():
    found = look(Overrides(), settings=[setting("drctl", mine=True)], commit="off")
    assert [one.scope for one in found] == ["role"]


def test_a_session_stays_under_suspicion_until_it_is_seen_to_mend():
    overrides = Overrides()
    (found,) = look(overrides, session(query="SET synchronous_commit = off", app="import"))
    assert (found.scope, found.name, found.value) == ("session", "7 of batch (import)", "off")
    assert overrides.parameters() == ["{7}"]
    assert look(overrides, session(query="INSERT INTO t VALUES (1)"))[0].value == "off"
    assert look(overrides, session(query="RESET ALL")) == ()
    assert overrides.parameters() == ["{}"]


def test_a_session_that_ended_is_forgotten_even_when_its_pid_lives_again():
    overrides = Overrides()
    look(overrides, session(query="SET synchronous_commit = off"))
    assert look(overrides, session(query="SELECT 1", began="200.0")) == ()
    look(overrides, session(query="SET synchronous_commit = off"))
    assert look(overrides) == ()


def test_what_was_set_for_one_transaction_ends_with_it():
    overrides = Overrides()
    assert look(overrides, session(query="SET LOCAL synchronous_commit = off", xact="5.0", idle=False))
    assert look(overrides, session(query="INSERT", xact="5.0", idle=False))
    assert look(overrides, session(query="SELECT 1", xact="6.0", idle=False)) == ()


def test_suspects_are_bounded():
    overrides = Overrides()
    found = look(overrides, *(session(pid, "SET synchronous_commit = off") for pid in range(SESSIONS_MAX + 50)))
    assert len(found) == SESSIONS_MAX


def test_nothing_is_known_of_another_server():
    overrides = Overrides()
    look(overrides, session(query="SET synchronous_commit = off"))
    overrides.forget()
    assert (overrides.latest, overrides.parameters()) == ((), ["{}"])
