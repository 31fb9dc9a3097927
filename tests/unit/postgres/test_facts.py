"""A probe's answer becomes facts."""

from __future__ import annotations

import json

import pytest

from drctl.model.report import ReceiverFacts, StandbyFacts
from drctl.postgres.facts import NEVER_S, Identity, parse_facts, parse_identity, upstream_of

IDENTITY = Identity(version_num=180003, system_identifier="77", started_at_s=1000.5)
PRIMARY = {
    "in_recovery": False, "timeline": 3, "written": "1/A0", "replayed": None, "sync": "ANY 1 (x)", "commit": "on",
    "conninfo": None, "receiver": None, "standbys": [],
}  # fmt: skip
STANDBY = PRIMARY | {
    "in_recovery": True, "timeline": None, "replayed": "1/90", "sync": "", "conninfo": "host=10.0.0.1 password=geheim",
    "receiver": {"status": "streaming", "host": "10.0.0.1", "port": 5432, "tli": 3, "age": 0.25},
}  # fmt: skip


def facts(**said):
    return parse_facts(json.dumps(said), IDENTITY).facts


def test_a_primary_has_replayed_what_it_has_written():
    found = facts(**PRIMARY)
    assert (found.written_lsn, found.replayed_lsn, found.timeline) == (0x1000000A0, 0x1000000A0, 3)
    assert (found.version_num, found.system_identifier, found.started_at_s) == (180003, "77", 1000.5)
    assert (found.receiver, found.upstream) == (None, "")


def test_a_standby_tells_of_its_receiver_and_whom_it_was_told_to_follow():
    found = facts(**STANDBY)
    assert found.receiver == ReceiverFacts(
        status="streaming", sender_host="10.0.0.1", sender_port=5432, received_timeline=3, last_message_age_s=0.25
    )
    assert (found.written_lsn, found.replayed_lsn, found.timeline) == (0x1000000A0, 0x100000090, 3)
    assert found.upstream == "10.0.0.1:5432"
    assert "geheim" not in repr(found)


def test_a_standby_that_receives_nothing_tells_the_timeline_of_its_control_file():
    found = facts(**STANDBY | {"receiver": None, "timeline": 2, "conninfo": ""})
    assert (found.receiver, found.timeline, found.upstream) == (None, 2, "")


def test_a_receiver_that_has_heard_nothing_yet_has_heard_nothing_for_ever():
    starting = {"status": "starting", "host": None, "port": None, "tli": None, "age": None}
    found = facts(**STANDBY | {"receiver": starting, "timeline": 2})
    assert found.receiver is not None
    assert (found.receiver.last_message_age_s, found.receiver.received_timeline, found.timeline) == (NEVER_S, 0, 2)


def test_a_standby_that_has_confirmed_nothing_has_no_position():
    row = {"name": "x", "address": None, "state": "startup", "sync": "async", "flush": None, "replay": None}
    assert facts(**PRIMARY | {"standbys": [row]}).standbys == (
        StandbyFacts(name="x", address="", state="startup", sync_state="async", flushed_lsn=None, replayed_lsn=None),
    )


def test_an_identity_is_read():
    assert parse_identity(("180003", "77", "1000.5")) == IDENTITY


@pytest.mark.parametrize(
    ("conninfo", "upstream"),
    [
        ("", ""),
        ("user=x", ""),
        ("host=a", "a:5432"),
        ("host=a port=5433", "a:5433"),
        ("hostaddr=10.0.0.1 port=1", "10.0.0.1:1"),
        ("postgresql://u:p@h:7/", "h:7"),
        ("nonsense", ""),
    ],
)
def test_whom_a_standby_is_told_to_follow(conninfo, upstream):
    assert upstream_of(conninfo) == upstream
