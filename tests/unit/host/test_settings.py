"""The text of a stopped member's settings, and connection strings."""

from __future__ import annotations

from pathlib import Path

from drctl.host.config import Peer, parse
from drctl.host.settings import conninfo, quoted, setting_of, sync_names, with_settings
from tests.unit.host.test_config import GOOD

TEXT = "# Do not edit\nport = 5433\nprimary_conninfo = ''\nwork_mem = '4MB'\n"


def test_a_setting_is_replaced_and_the_rest_stays():
    text = with_settings(TEXT, {"primary_conninfo": "host=a password='it''s'"})
    assert text.startswith("# Do not edit\nport = 5433\nwork_mem = '4MB'\n")
    assert text.count("primary_conninfo") == 1
    assert setting_of(text, "primary_conninfo") == "host=a password='it''s'"


def test_a_setting_that_is_not_there_is_none():
    assert setting_of(TEXT, "restore_command") is None
    assert setting_of(TEXT, "primary_conninfo") == ""
    assert setting_of("a = '1'\na = '2'\n", "a") == "2"


def test_quotes_and_backslashes_survive():
    for value in ("", "it's", r"a\b", "''", r"\'"):
        assert setting_of(f"x = {quoted(value)}\n", "x") == value


def test_a_member_introduces_itself_and_notices_a_dead_upstream():
    member = parse(GOOD, Path("/x")).members[0]
    text = conninfo(member, Peer("lis-yuecheng", "10.77.0.12", 5432), "replicator", {"password": "it's"})
    assert text.startswith("host=10.77.0.12 port=5432 user=replicator application_name=lis-zhaohui ")
    assert "connect_timeout=3" in text
    assert r"password='it\'s'" in text
    assert text.endswith("sslmode=prefer")


def test_names_of_a_sync_set_are_quoted():
    assert sync_names(1, ("lis-yuecheng", "lis-fuyang")) == 'ANY 1 ("lis-yuecheng", "lis-fuyang")'
