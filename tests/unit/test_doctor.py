"""What the doctor makes of records and of room on disks."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.doctor import of_record, of_room
from drctl.model.report import HostReport
from drctl.model.takeover import Finding, FindingSeverity
from drctl.ports import GroupState
from tests.unit.decision.world import A, B, C, group, host_answers, record, rule

ERROR, WARNING, OK = FindingSeverity.ERROR, FindingSeverity.WARNING, FindingSeverity.OK


def of(state: GroupState) -> list[Finding]:
    found = list(of_record(group(), state))
    assert all(one.remedy and one.why for one in found if one.severity is not OK)
    return found


def test_a_group_at_rest_is_well():
    (found,) = of(GroupState(record=record(), run=None))
    assert found.severity is OK


@pytest.mark.parametrize(
    ("state", "severity", "remedy"),
    [
        (GroupState(record=None, run=None), ERROR, "drctl init lis"),
        (GroupState(record=None, run=None, unreadable="version 9"), ERROR, "drctl version"),
        (GroupState(record=replace(record(), paused=True), run=None), WARNING, "drctl resume lis"),
        (GroupState(record=record(rule(A, B, C), rule(A, B)), run=None), WARNING, "drctl explain lis"),
        (
            GroupState(record=replace(record(), degraded_since_utc="2026-01-01T00:00:00Z"), run=None),
            ERROR,
            "standby back",
        ),
    ],
)
def test_what_stands_in_the_way_of_protection_is_told(state: GroupState, severity: FindingSeverity, remedy: str):
    (found,) = of(state)
    assert found.severity is severity
    assert remedy in found.remedy


def test_a_member_that_the_configuration_forgot_is_named():
    forgotten = replace(group(), members=group().members[:2])
    found = list(of_record(forgotten, GroupState(record=record(), run=None)))
    assert [(one.severity, C in one.what) for one in found if one.severity is not OK] == [(ERROR, True)]


@pytest.mark.parametrize(("free_gib", "severity"), [(0.5, ERROR), (3, WARNING), (50, None), (None, None)])
def test_a_disk_that_is_nearly_full_is_told(free_gib: float | None, severity: FindingSeverity | None):
    free = None if free_gib is None else int(free_gib * (1 << 30))
    host: HostReport = replace(host_answers(A), disk_free_bytes=free)
    assert [one.severity for one in of_room({A: host})] == ([] if severity is None else [severity])
