"""What drctl says would happen is what it would do."""

from __future__ import annotations

from dataclasses import replace

from drctl.decision.explain import explain
from drctl.decision.memory import Memory
from drctl.model.report import Reachability
from tests.unit.decision.world import CENTERS, A, B, C, host_silent, observer, primary_answers, record, silent, view
from tests.unit.decision.world import standby_answers as standby


def test_a_healthy_group_names_its_heir_and_the_time():
    said = explain(view(), Memory(), took_s=0.5)
    assert said.heir in {B, C}
    assert said.seconds == view().group.policy.suspicion_s + 0.5
    assert "nothing lost" in said.would


def test_an_exposed_group_is_not_told_that_nothing_would_be_lost():
    primary = primary_answers(A, B, C)
    assert primary.facts is not None
    emptied = replace(primary, facts=replace(primary.facts, sync_names=""))
    said = explain(view(reports={**view().reports, A: emptied}), Memory(), took_s=None)
    assert said.heir in {B, C}
    assert "may be lost" in said.would
    assert "nothing lost" not in said.would


def test_the_observer_in_the_primarys_own_center_says_the_same():
    assert explain(view(center=CENTERS[A], leading=False), Memory(), took_s=None).heir in {B, C}


def test_a_lost_standby_is_named_as_what_is_missing():
    seen = view(
        reports={A: primary_answers(A, B), B: standby(B), C: silent(C, 60)},
        hosts={**view().hosts, C: host_silent(C)},
        observers={center: observer(center, fuyang=Reachability.SILENT) for center in (CENTERS[A], CENTERS[B])},
    )
    said = explain(seen, Memory(), took_s=None)
    assert said.heir is None
    assert C in said.missing


def test_a_paused_group_would_do_nothing():
    said = explain(view(record=replace(record(), paused=True)), Memory(), took_s=None)
    assert "nothing would be done" in said.would
