from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.decision.exposure import exposures, remedy
from drctl.decision.memory import Memory
from drctl.decision.syncset import wanted_change
from drctl.model.report import MemberReport, SyncOverride
from drctl.model.view import GroupView
from tests.unit.decision.world import (
    NOW_S,
    A,
    B,
    C,
    primary_answers,
    record,
    remembered,
    rule,
    silent,
    standby_answers,
    view,
)


def primary(**changes: object) -> MemberReport:
    report = primary_answers(A, B, C)
    assert report.facts is not None
    return replace(report, facts=replace(report.facts, **changes))  # type: ignore[arg-type]


def with_primary(report: MemberReport, **changes: object) -> GroupView:
    whole = view()
    return replace(whole, reports={**whole.reports, A: report}, **changes)  # type: ignore[arg-type]


def test_a_group_as_recorded_is_not_exposed():
    assert exposures(view()) == ()


def test_nothing_is_said_of_a_primary_that_does_not_answer():
    assert exposures(with_primary(silent(A, 1.0))) is None


def test_an_emptied_setting_is_an_exposure_that_the_leader_mends():
    (found,) = exposures(with_primary(primary(sync_names=""))) or ()
    assert found.code == "rpo_setting"
    assert "''" in found.what
    assert found.remedy.startswith("nothing")


def test_while_paused_the_remedy_is_to_resume():
    (found,) = exposures(with_primary(primary(sync_names=""), record=replace(record(), paused=True))) or ()
    assert found.remedy == "drctl resume lis"


def test_without_the_coordinator_the_remedy_is_the_setting_itself():
    (found,) = exposures(with_primary(primary(sync_names="*"), connected=False)) or ()
    assert found.remedy.startswith("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (")


def test_while_a_rule_replaces_another_either_setting_is_right():
    joint = record(rule(A, B, C), rule(A, C))
    for sync in (rule(A, B, C).sync, rule(A, C).sync):
        assert exposures(with_primary(primary(sync_names=sync.setting), record=joint)) == ()


@pytest.mark.parametrize(
    ("scope", "name", "wanted"),
    [
        ("role", "lis_app", 'ALTER ROLE "lis_app" RESET synchronous_commit;'),
        ("role", 'o"dd in lis_db', 'ALTER ROLE "o""dd" IN DATABASE "lis_db" RESET synchronous_commit;'),
        ("role", "ALL", "ALTER ROLE ALL RESET synchronous_commit;"),
        ("database", "检验", 'ALTER DATABASE "检验" RESET synchronous_commit;'),
        ("session", "4711 of lis_app (LIS)", "SELECT pg_terminate_backend(4711);"),
        ("server", "synchronous_commit", "ALTER SYSTEM RESET synchronous_commit; SELECT pg_reload_conf();"),
    ],
)
def test_every_override_has_the_sql_that_takes_it_away(scope: str, name: str, wanted: str):
    override = SyncOverride(scope=scope, name=name, value="off")
    assert remedy(override).startswith(wanted)
    (found,) = exposures(with_primary(primary(overrides=(override,)))) or ()
    assert (found.code, found.remedy) == ("rpo_override", remedy(override))
    assert name in found.what


def reason(seen: GroupView, memory: Memory) -> str:
    change = wanted_change(seen, memory)
    assert change is not None
    return change.reason


def test_the_history_keeps_for_how_long_a_setting_may_have_been_wrong():
    well = view(now_s=NOW_S - 0.6)
    asked = replace(well.reports[A], asked_at_s=NOW_S - 0.7)
    well = replace(well, reports={**well.reports, A: asked})
    emptied = replace(asked, asked_at_s=NOW_S, facts=replace(asked.facts, sync_names=""))
    seen = view(reports={A: emptied, B: standby_answers(B), C: standby_answers(C)})
    assert "(last seen right 0.7 s before)" in reason(seen, remembered(well, seen))
    # What a former primary was seen to say proves nothing of this one.
    moved = replace(seen, record=record(rule(B, A, C), primary=B), reports={B: primary_answers(B, A, C)})
    assert "not seen right before" in reason(seen, remembered(well, moved, seen))
