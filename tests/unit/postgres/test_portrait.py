"""What is read of a member, and what is not kept."""

from __future__ import annotations

import pytest

from drctl.postgres.portrait import Configured, Sender, Slot, Unseen, look_at, portrait_of, receiver_name
from tests.unit.postgres.nouns import B, a_member


def said(**changed):
    return {
        "in_recovery": True,
        "version": 150018,
        "system": "77",
        "at": 1000.0,
        "settings": {"fsync": "on", "primary_conninfo": "host=10.0.0.1 password=geheim application_name=lis-yuecheng"},
        "pending": [],
        "standbys": [],
        "sender": "10.0.0.1:5432",
        "slots": [],
        "archiver": {"failed": 7, "what": "0001", "failing": False},
        "configured": [],
        "sessions": 3,
        "procedures": 0,
        "unlogged": 0,
        "statements": None,
    } | changed


def drawn(**changed):
    return portrait_of(B, said(**changed), address="10.0.0.2")


def test_a_password_is_not_kept():
    portrait = drawn()
    assert "geheim" not in repr(portrait)
    assert portrait.calls_itself == "lis-yuecheng"


def test_failures_that_were_followed_by_success_are_forgotten():
    assert drawn().archive_failures == 0
    assert drawn(archiver={"failed": 7, "what": "0001", "failing": True}).archive_failures == 7


def test_a_slot_of_an_older_release_has_no_failover_flag():
    row = {
        "slot_name": "kfs", "slot_type": "logical", "active": True, "temporary": False, "wal_status": "reserved",
    }  # fmt: skip
    assert drawn(slots=[row]).slots == (Slot(name="kfs", logical=True, active=True, wal_status="reserved"),)
    newer = row | {"failover": True, "synced": True, "wal_status": None}
    assert drawn(slots=[newer]).slots == (Slot(name="kfs", logical=True, active=True, failover=True, synced=True),)


def test_senders_and_settings_of_roles_are_read():
    portrait = drawn(
        standbys=[{"name": "x", "address": "", "state": "streaming", "lag": 12, "logical": False}],
        configured=[{"role": None, "database": "lis", "name": "synchronous_commit", "value": "off"}],
    )
    assert portrait.senders == (Sender(name="x", address="", state="streaming", lag_bytes=12),)
    assert portrait.configured == (Configured(role=None, database="lis", name="synchronous_commit", value="off"),)


@pytest.mark.parametrize(
    ("conninfo", "cluster_name", "name"),
    [
        ("host=a application_name=x", "y", "x"),
        ("host=a", "y", "y"),
        ("host=a", "", "walreceiver"),
        ("", "y", ""),
        ("this is no connection string", "y", ""),
    ],
)
def test_a_receivers_name_is_found_as_the_server_finds_it(conninfo, cluster_name, name):
    assert receiver_name(conninfo, cluster_name) == name


def test_a_member_that_cannot_be_reached_is_unseen_and_says_why():
    def nowhere(member, end_s):
        raise OSError("no such name")

    member = a_member()
    assert look_at([member], nowhere) == {member.name: Unseen(member=member.name, why="no such name")}
    assert look_at([], nowhere) == {}
