"""The guard: who is fenced by its own controller, and after how long."""

from __future__ import annotations

from dataclasses import replace

from drctl.controller.guard import REPLACED_S, Guard
from tests.unit.decision.world import CENTERS, NOW_S, A, B, C, primary_answers, record, rule, standby_answers, view


def guarded(*views):
    guard = Guard()
    found = [guard.look(each) for each in views]
    return next((fence for fence in found if fence is not None), None)


def at_home(at_s=0.0, **changes):
    return view(center=CENTERS[A], leading=False, now_s=NOW_S + at_s, **changes)


def alone(at_s, **changes):
    reports = {A: primary_answers(A), B: standby_answers(B, heard_s=None), C: standby_answers(C, heard_s=None)}
    return at_home(at_s, **{"connected": False, "reports": reports} | changes)


def replaced(at_s, **changes):
    """fuyang's member is the primary now, and the old one runs on."""
    reports = {A: primary_answers(A), B: standby_answers(B, C), C: primary_answers(C, B)}
    return at_home(at_s, **{"record": record(rule(C, B), primary=C, epoch=7), "reports": reports} | changes)


def test_a_primary_without_standbys_and_without_the_coordinator_is_fenced():
    fence = guarded(alone(0.0), alone(6.0))
    assert fence is not None
    assert fence.member.name == A
    assert "alone" in fence.why


def test_while_a_standby_acknowledges_the_absence_of_the_coordinator_changes_nothing():
    assert guarded(at_home(0.0, connected=False), at_home(60.0, connected=False)) is None


def test_a_replaced_primary_that_still_runs_is_fenced_under_the_epoch_of_the_record():
    fence = guarded(replaced(0.0), replaced(REPLACED_S + 0.1))
    assert fence is not None
    assert (fence.member.name, fence.epoch) == (A, 7)
    assert "replaced by lis-fuyang" in fence.why


def test_one_that_a_rule_still_speaks_of_is_left_alone():
    going_on = {"record": record(rule(A, B, C), rule(C, B), primary=C, epoch=7)}
    assert guarded(replaced(0.0, **going_on), replaced(60.0, **going_on)) is None


def test_another_centers_member_is_left_to_its_own_controller():
    elsewhere = [replace(replaced(at_s), center=CENTERS[B]) for at_s in (0.0, 60.0)]
    assert guarded(*elsewhere) is None


def test_a_moment_is_no_reason():
    assert guarded(replaced(0.0), at_home(1.0), replaced(2.0), replaced(2.0 + REPLACED_S / 2)) is None
