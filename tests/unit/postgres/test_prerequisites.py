"""What must be so before a group is protected."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.model.takeover import FindingSeverity
from drctl.postgres import prerequisites
from drctl.postgres.portrait import Slot
from tests.unit.postgres.nouns import A, B, C, a_group, a_member, a_portrait, a_sender, portraits

ERROR, WARNING, OK = FindingSeverity.ERROR, FindingSeverity.WARNING, FindingSeverity.OK


def of_member(**settings: str):
    return list(prerequisites.of_member(a_portrait(settings=settings), a_member()))


def of_group(**changed):
    return list(prerequisites.of_group(a_group(), portraits(**changed)))


def bad(findings):
    return [found for found in findings if found.severity is not OK]


def only(findings):
    (found,) = bad(findings)
    assert found.why
    assert found.remedy
    return found


def test_a_healthy_group_has_no_finding_but_that_its_standbys_stream():
    assert of_member() == []
    assert [(found.severity, found.subject, found.what) for found in of_group()] == [
        (OK, B, f"streams from {A}"),
        (OK, C, f"streams from {A}"),
    ]
    assert prerequisites.primary_of(portraits()) == A


@pytest.mark.parametrize(
    ("setting", "value", "severity"),
    [
        ("fsync", "off", ERROR),
        ("full_page_writes", "off", ERROR),
        ("wal_level", "minimal", ERROR),
        ("hot_standby", "off", ERROR),
        ("synchronous_commit", "off", ERROR),
        ("synchronous_commit", "local", ERROR),
        ("synchronous_commit", "remote_write", ERROR),
        ("data_checksums", "off", ERROR),
        ("recovery_target_timeline", "current", ERROR),
        ("wal_receiver_status_interval", "0", ERROR),
        ("wal_keep_size", "0", WARNING),
        ("wal_retrieve_retry_interval", "5000", WARNING),
        ("wal_receiver_timeout", "60000", WARNING),
        ("wal_receiver_timeout", "0", WARNING),
        ("wal_sender_timeout", "0", WARNING),
    ],
)
def test_a_setting_that_breaks_a_promise_is_told_with_the_command_that_mends_it(setting, value, severity):
    found = only(of_member(**{setting: value}))
    assert (found.severity, found.subject) == (severity, A)
    assert found.remedy.startswith("psql -h 192.168.2.10 -p 5432 -U postgres -d postgres -c ")


@pytest.mark.parametrize("value", ["on", "remote_apply"])
def test_a_synchronous_commit_that_waits_for_a_flush_is_enough(value):
    assert of_member(synchronous_commit=value) == []


def test_hint_bits_in_the_wal_do_as_well_as_checksums():
    assert of_member(data_checksums="off", wal_log_hints="on") == []


def test_a_setting_that_cannot_be_seen_is_not_judged():
    seen = replace(a_portrait(), settings={"data_checksums": "on", "wal_keep_size": "1024"})
    assert list(prerequisites.of_member(seen, a_member())) == []


def test_a_server_older_than_15_is_refused():
    found = only(prerequisites.of_member(a_portrait(version_num=140012), a_member()))
    assert (found.severity, found.what) == (ERROR, "runs PostgreSQL 14")


def test_two_primaries_are_refused():
    found = of_group(yuecheng=a_portrait(B, in_recovery=False))
    assert [one.what for one in bad(found)] == [f"has 2 primaries: {A}, {B}"]


def test_no_primary_is_refused():
    found = of_group(zhaohui=a_portrait(A, in_recovery=True))
    assert only(found).what == "has no primary: every member is in recovery"


def test_a_standby_that_the_primary_does_not_know_is_refused_with_what_it_calls_itself():
    found = only(
        of_group(
            zhaohui=a_portrait(senders=(a_sender(B), a_sender("walreceiver", address="192.168.2.30"))),
            fuyang=a_portrait(C, calls_itself="walreceiver"),
        )[:-1]
    )
    assert (found.severity, found.subject) == (ERROR, C)
    assert found.what == f"is no standby of {A}: it calls itself 'walreceiver'"
    assert f"host=192.168.2.10 port=5432 user=REPLICATOR application_name={C}" in found.remedy


def test_a_standby_of_a_standby_is_refused_with_whom_it_streams_from():
    found = of_group(
        zhaohui=a_portrait(senders=(a_sender(B),)),
        yuecheng=a_portrait(B, senders=(a_sender(C),)),
        fuyang=a_portrait(C, receives_from="192.168.2.20:5432"),
    )
    assert only(found).what == f"is no standby of {A}: it streams from 192.168.2.20:5432"


@pytest.mark.parametrize("other", ["lis-yuecheng", "LIS-Yuecheng"])
def test_two_standbys_with_one_name_are_refused_and_case_does_not_tell_them_apart(other):
    senders = (a_sender(B), a_sender(other, address="192.168.2.30"))
    found = bad(of_group(zhaohui=a_portrait(senders=senders), fuyang=a_portrait(C, calls_itself=other)))
    assert [one.subject for one in found] == [B, C]
    assert found[0].what == f"2 standbys call themselves {B}: 192.168.2.20, 192.168.2.30"


def test_a_name_used_from_another_machine_is_refused():
    found = only(of_group(zhaohui=a_portrait(senders=(a_sender(B, address="10.9.9.9"), a_sender(C)))))
    assert found.what == "streams from 10.9.9.9, and cluster.yaml says that it is at 192.168.2.20"


def test_a_member_named_by_its_host_is_compared_by_its_address():
    assert bad(of_group(yuecheng=a_portrait(B, address="192.168.2.20"))) == []


def test_two_standbys_that_have_taken_each_others_names_are_refused():
    found = bad(of_group(yuecheng=a_portrait(B, calls_itself=C), fuyang=a_portrait(C, calls_itself=B)))
    assert [one.what for one in found] == [
        f"calls itself {C!r}, and another standby calls itself {B!r}",
        f"calls itself {B!r}, and another standby calls itself {C!r}",
    ]


@pytest.mark.parametrize(
    ("sender", "what"),
    [
        (a_sender(B, state="catchup"), "is in state catchup, not streaming"),
        (a_sender(B, lag_bytes=1 << 30), "is 1073741824 bytes behind"),
    ],
)
def test_a_standby_that_has_not_caught_up_is_waited_for(sender, what):
    assert only(of_group(zhaohui=a_portrait(senders=(sender, a_sender(C))))).what == what


def test_a_member_of_another_database_system_is_refused():
    found = only(of_group(fuyang=a_portrait(C, system_identifier="1")))
    assert found.what == "is of another database system than the primary"


def test_members_of_two_major_versions_are_refused():
    assert only(of_group(fuyang=a_portrait(C, version_num=170002))).what == "runs PostgreSQL 17, the primary 18"


def test_a_standby_with_less_room_than_the_primary_is_refused():
    found = only(of_group(yuecheng=a_portrait(B, settings={"max_connections": "50"})))
    assert (found.subject, found.what) == (B, "max_connections is 50, the primary's 100")
    assert "max_connections = '100'" in found.remedy


def test_every_member_has_senders_enough_for_the_day_when_it_is_the_primary():
    few = {"max_wal_senders": "3"}
    found = bad(of_group(zhaohui=a_portrait(A, settings=few), fuyang=a_portrait(C, settings=few)))
    assert [(one.subject, one.what) for one in found] == [(A, "max_wal_senders is 3"), (C, "max_wal_senders is 3")]


def test_a_slot_that_the_heir_has_not_is_refused():
    senders = (a_sender(B), a_sender(C))
    slot = Slot(name="yuecheng", logical=False, active=True)
    found = bad(
        of_group(
            zhaohui=a_portrait(senders=senders, slots=(slot,)),
            yuecheng=a_portrait(B, settings={"primary_slot_name": "yuecheng"}),
        )
    )
    assert [(one.subject, one.what) for one in found] == [
        (B, f"streams through the slot 'yuecheng', which {C} has not")
    ]
    assert "pg_create_physical_replication_slot('yuecheng')" in found[0].remedy


def test_a_stranger_that_reads_wal_is_told_and_left_alone():
    found = only(of_group(zhaohui=a_portrait(senders=(a_sender(B), a_sender(C), a_sender("archive")))))
    assert (found.severity, found.what) == (
        WARNING,
        "feeds 'archive' at a local socket, which is no member of lis",
    )


def test_clocks_that_differ_are_told_and_doubt_is_not():
    found = only(of_group(fuyang=a_portrait(C, clock_ahead_s=2.5, clock_doubt_s=0.1)))
    assert (found.severity, found.subject) == (WARNING, "lis")
    assert found.what == f"the clocks of {A} and {C} are 2.5 s apart"
    assert bad(of_group(fuyang=a_portrait(C, clock_ahead_s=2.5, clock_doubt_s=2.0))) == []


def test_what_cannot_be_seen_of_an_absent_member_is_not_made_up():
    seen = portraits()
    del seen[A]
    assert list(prerequisites.of_group(a_group(), seen)) == []
    assert prerequisites.primary_of(seen) is None
    assert list(prerequisites.of_group(a_group(), {})) == []
