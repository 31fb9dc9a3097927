from __future__ import annotations

from dataclasses import replace

from drctl.controller.rpo import RpoWatch
from drctl.model.event import Alarm, Event, Severity
from drctl.model.report import SyncOverride
from drctl.model.view import GroupView
from tests.unit.decision.world import NOW_S, A, B, C, primary_answers, silent, view

ROLE = SyncOverride(scope="role", name="lis_app", value="off")
DATABASE = SyncOverride(scope="database", name="lis_db", value="local")


def with_overrides(*overrides: SyncOverride, at_s: float = 0.0, **changes: object) -> GroupView:
    whole, report = view(now_s=NOW_S + at_s, **changes), primary_answers(A, B, C)
    assert report.facts is not None
    report = replace(report, facts=replace(report.facts, overrides=overrides))
    return replace(whole, reports={**whole.reports, A: report})


def told(*views: GroupView) -> list[Alarm]:
    events: list[Event] = []
    watch = RpoWatch(events.append)
    for each in views:
        watch.look(each)
    return [event for event in events if isinstance(event, Alarm)]


def test_an_override_is_told_once_with_its_remedy():
    (alarm,) = told(with_overrides(), with_overrides(ROLE), with_overrides(ROLE, at_s=1.0))
    assert (alarm.code, alarm.severity) == ("rpo_override", Severity.ALARM)
    assert alarm.remedy.startswith("ALTER ROLE")


def test_each_change_is_told():
    alarms = told(with_overrides(ROLE), with_overrides(ROLE, DATABASE))
    assert [("lis_app" in alarm.message, "lis_db" in alarm.message) for alarm in alarms] == [
        (True, False),
        (False, True),
    ]


def test_its_end_is_told_with_how_long_it_was():
    _, mended = told(with_overrides(ROLE), with_overrides(at_s=7.5))
    assert mended.severity is Severity.INFO
    assert mended.message.startswith("mended after 7.5 s")


def test_a_primary_that_is_silent_for_a_moment_mends_nothing():
    quiet = view(reports={**view().reports, A: silent(A, 1.0)})
    assert len(told(with_overrides(ROLE), quiet, with_overrides(ROLE))) == 1


def test_followers_say_nothing_and_a_new_leader_says_what_still_holds():
    assert told(with_overrides(ROLE, leading=False)) == []
    assert len(told(with_overrides(ROLE, leading=False), with_overrides(ROLE))) == 1


def test_without_the_coordinator_each_tells():
    assert len(told(with_overrides(ROLE, leading=False, connected=False))) == 1
