"""What may go wrong one day."""

from __future__ import annotations

import pytest

from drctl.model.takeover import FindingSeverity
from drctl.postgres import risks
from drctl.postgres.portrait import Configured, Slot
from tests.unit.postgres.nouns import A, B, C, a_group, a_member, a_portrait, a_sender, portraits

ERROR, WARNING, OK = FindingSeverity.ERROR, FindingSeverity.WARNING, FindingSeverity.OK


def of_member(*, settings=None, **changed):
    return list(risks.of_member(a_portrait(settings=settings, **changed), a_member()))


def of_group(*, settings=None, others=None, **changed):
    seen = portraits(zhaohui=a_portrait(settings=settings, **changed), **(others or {}))
    return list(risks.of_group(a_group(), seen, A))


def told(findings):
    assert all(found.why and found.remedy for found in findings if found.severity is not OK)
    return [(found.severity, found.subject, found.what) for found in findings]


def test_a_healthy_group_has_no_risk():
    assert of_member() == []
    assert of_group() == []


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"recovery_min_apply_delay": "60000"}, "recovery_min_apply_delay is 60000 ms"),
        ({"max_standby_streaming_delay": "-1"}, "max_standby_streaming_delay is unlimited"),
        ({"max_standby_streaming_delay": "300000"}, "max_standby_streaming_delay is 300000 ms"),
        ({"archive_mode": "on", "archive_command": ""}, "archive_mode is on and nothing archives"),
    ],
)
def test_what_would_hold_up_a_promotion_or_fill_the_disk_is_told(settings, what):
    assert told(of_member(settings=settings)) == [(WARNING, A, what)]


def test_what_is_only_worth_knowing_is_no_warning():
    found = of_member(settings={"hot_standby_feedback": "on", "restart_after_crash": "off"})
    assert {one.severity for one in found} == {OK}
    assert len(found) == 2


def test_an_archiver_that_fails_is_told_and_one_that_works_is_not():
    on = {"archive_mode": "on", "archive_command": "cp %p /archive/%f"}
    assert of_member(settings=on) == []
    assert told(of_member(settings=on, archive_failures=3, archive_failed="00000001000000000000000A")) == [
        (WARNING, A, "archiving fails: 3 times, last with 00000001000000000000000A")
    ]


def test_a_slot_that_nobody_reads_fills_the_disk():
    (found,) = of_member(slots=(Slot(name="old", logical=False, active=False, wal_status="reserved"),))
    assert found.why == "WAL is kept for it, without a limit: the disk fills"
    assert "pg_drop_replication_slot('old')" in found.remedy
    assert "max_slot_wal_keep_size = '10GB'" in found.remedy
    (limited,) = of_member(
        settings={"max_slot_wal_keep_size": "1024"},
        slots=(Slot(name="old", logical=False, active=False, wal_status="extended"),),
    )
    assert limited.why == "WAL is kept for it, up to max_slot_wal_keep_size"


@pytest.mark.parametrize(
    "slot",
    [
        Slot(name="made", logical=False, active=False, wal_status=""),
        Slot(name="copy", logical=True, active=False, synced=True, failover=True, wal_status="reserved"),
        Slot(name="base", logical=False, active=False, temporary=True, wal_status="reserved"),
    ],
)
def test_a_slot_that_keeps_nothing_or_belongs_to_the_server_is_no_risk(slot):
    assert of_member(slots=(slot,)) == []


def test_a_slot_that_lost_its_wal_is_told():
    found = of_member(slots=(Slot(name="late", logical=False, active=False, wal_status="lost"),))
    assert told(found) == [(WARNING, A, "the slot 'late' has lost WAL that it was to keep")]


def test_what_waits_for_a_restart_and_a_server_that_is_nearly_full_are_told():
    found = of_member(pending_restart=("max_connections", "wal_level"), sessions=95)
    assert [one.what for one in found] == [
        "waits for a restart to use what was set: max_connections, wal_level",
        "95 of 100 connections are taken",
    ]


def test_a_primary_that_waits_for_nobody_is_an_error():
    assert told(of_group(settings={"synchronous_standby_names": " "})) == [
        (ERROR, A, "synchronous_standby_names is empty")
    ]


@pytest.mark.parametrize(
    ("role", "database", "value", "what", "statement"),
    [
        ("batch", None, "off", "off for role batch", 'ALTER ROLE "batch" RESET synchronous_commit'),
        (None, "lis", "local", "local for database lis", 'ALTER DATABASE "lis" RESET synchronous_commit'),
        ("batch", "lis", "remote_write", "remote_write for role batch in lis",
         'ALTER ROLE "batch" IN DATABASE "lis" RESET synchronous_commit'),
        (None, None, "false", "off for role ALL", "ALTER ROLE ALL RESET synchronous_commit"),
    ],
)  # fmt: skip
def test_whoever_waits_for_no_standby_is_told_with_the_command_that_ends_it(role, database, value, what, statement):
    (found,) = of_group(
        configured=(
            Configured(role=role, database=database, name="synchronous_commit", value=value),
            Configured(role="good", database=None, name="synchronous_commit", value="remote_apply"),
        )
    )
    assert (found.severity, found.what) == (ERROR, f"synchronous_commit is {what}")
    assert statement in found.remedy


def test_a_statement_that_was_run_some_day_is_remembered():
    found = of_group(
        statements=(
            ("batch", "set synchronous_commit to off"),
            ("batch", "SET synchronous_commit TO $1"),
            ("good", "SET synchronous_commit = on"),
            ("dba", "SELECT name FROM pg_settings WHERE name = 'synchronous_commit'"),
        )
    )
    assert [one.what for one in found] == [
        "batch has asked for another synchronous_commit: set synchronous_commit to off",
        "batch has asked for another synchronous_commit: SET synchronous_commit TO $1",
    ]


def test_a_statement_timeout_is_a_risk_where_procedures_may_commit():
    limits = (Configured(role="app", database="lis", name="statement_timeout", value="5s"),)
    assert of_group(configured=limits) == []
    (found,) = of_group(configured=limits, procedures=2, settings={"statement_timeout": "30000"})
    assert found.what == "statement_timeout is set for app in lis, the server, and there are 2 procedures"


def test_logical_slots_do_not_survive_a_failover_before_17():
    slot = Slot(name="kfs", logical=True, active=True, wal_status="reserved")
    (found,) = of_group(version_num=160004, slots=(slot,))
    assert found.what == "has logical slots: kfs"


def test_logical_slots_need_their_flag_and_standbys_that_carry_them():
    slots = (Slot(name="kfs", logical=True, active=True), Slot(name="bi", logical=True, active=True, failover=True))
    found = of_group(
        slots=slots, settings={"synchronized_standby_slots": ""},
        others={"yuecheng": a_portrait(B, settings={"sync_replication_slots": "on"})},
    )  # fmt: skip
    assert [(one.subject, one.what) for one in found] == [
        (A, "the logical slot 'kfs' has no failover flag"),
        (A, "synchronized_standby_slots is empty, and there are logical slots"),
        (C, "sync_replication_slots is off, and the primary has logical slots"),
    ]


def test_who_holds_up_a_clean_stop_is_told():
    behind = a_sender("kfs", logical=True, lag_bytes=64 << 20)
    near = a_sender("archive", lag_bytes=10)
    found = of_group(senders=(a_sender(B, lag_bytes=1 << 30), behind, near))
    assert told(found) == [
        (WARNING, A, "a logical subscriber, 'kfs', is 67108864 bytes behind"),
        (OK, A, "a reader of WAL, 'archive', is 10 bytes behind"),
    ]


def test_whoever_reads_wal_without_a_timeout_may_hold_up_a_stop_for_ever():
    (found,) = of_group(senders=(a_sender("archive"),), settings={"wal_sender_timeout": "0"})
    assert found.severity is WARNING


def test_unlogged_tables_are_told():
    (found,) = of_group(unlogged=2)
    assert found.what == "has 2 unlogged tables"
