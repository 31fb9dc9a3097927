"""What a controller makes of what it sees: markers wait only while they could commit."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.controller.effect import EffectEnded, Probe, WatchMarker
from drctl.controller.observe import Observation
from drctl.decision.diagnosis import Evidence, diagnose
from drctl.model.report import Reachability
from drctl.model.topology import Topology
from drctl.ports import GroupState
from tests.unit.decision.world import CENTERS, NOW_S, UTC, A, B, C, group, primary_answers, record, silent


@pytest.fixture
def observation():
    return Observation(Topology(cluster="lab", centers=(), groups=(group(),)), CENTERS[B], "0")


def seen(observation, report, now_s):
    member = group().member(A)
    report = replace(report, at_s=now_s, answered_at_s=now_s if report.reachability is Reachability.ANSWERS else None)
    observation.absorb(EffectEnded(effect=Probe(member=member, deadline_s=1.0), result=report), now_s)


def look(observation, now_s, *, leading=True, connected=True):
    state = GroupState(record=record(), run=None, requests=())
    return observation.view(group(), state, {}, now_s=now_s, now_utc=UTC, connected=connected, leading=leading)


def waits_for_a_marker(observation, now_s):
    """A marker was sent at `now_s`, and nothing came of it."""
    assert isinstance(observation.marker_due(look(observation, now_s)), WatchMarker)


def test_a_marker_that_does_not_finish_beside_willing_standbys_is_a_stuck_write_path(observation):
    seen(observation, primary_answers(A, B, C), NOW_S)
    waits_for_a_marker(observation, NOW_S)
    seen(observation, primary_answers(A, B, C), NOW_S + 6)
    assert diagnose(look(observation, NOW_S + 6), A).evidence is Evidence.STUCK


def test_a_primary_that_comes_back_into_sight_was_not_stuck_meanwhile(observation):
    seen(observation, primary_answers(A, B, C), NOW_S)
    waits_for_a_marker(observation, NOW_S)
    seen(observation, silent(A, 0.0), NOW_S + 1)
    look(observation, NOW_S + 1)
    seen(observation, primary_answers(A, B, C), NOW_S + 13)
    assert diagnose(look(observation, NOW_S + 13), A).evidence is Evidence.ANSWERS


def test_standbys_that_come_back_find_no_stuck_primary(observation):
    seen(observation, primary_answers(A, B, C), NOW_S)
    waits_for_a_marker(observation, NOW_S)
    seen(observation, primary_answers(A), NOW_S + 1)
    look(observation, NOW_S + 1)
    seen(observation, primary_answers(A, C), NOW_S + 30)
    assert diagnose(look(observation, NOW_S + 30), A).evidence is Evidence.ANSWERS


@pytest.mark.parametrize("absence", [{"leading": False}, {"connected": False}])
def test_a_controller_that_leads_again_does_not_count_the_time_in_which_it_did_not_ask(observation, absence):
    seen(observation, primary_answers(A, B, C), NOW_S)
    waits_for_a_marker(observation, NOW_S)
    look(observation, NOW_S + 1, **absence)
    seen(observation, primary_answers(A, B, C), NOW_S + 60)
    assert diagnose(look(observation, NOW_S + 60), A).evidence is Evidence.ANSWERS
