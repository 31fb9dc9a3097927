"""What is decided when something fails in the middle of an operation."""

from __future__ import annotations

from dataclasses import replace

from drctl.decision.decide import decide
from drctl.decision.memory import Memory
from drctl.decision.verdict import Ask, Why
from drctl.model.identity import GroupName
from drctl.model.playbook import RunKind
from drctl.model.policy import OnCrash, Policy
from drctl.model.report import Postmaster, Reachability
from drctl.model.rule import SyncSet
from tests.unit.decision.world import (
    CENTERS,
    A,
    B,
    C,
    group,
    host_answers,
    host_silent,
    observer,
    primary_answers,
    record,
    remembered,
    rule,
    silent,
    standby_answers,
    verdict,
    view,
)
from tests.unit.zookeeper.nouns import a_run


def heir_died(*rules, standbys=()):
    """fuyang is recorded as the new primary; its postmaster is gone and its host answers."""
    reports = {A: silent(A, 10), B: standby_answers(B, C, heard_s=5), C: silent(C, 0.2, Reachability.REFUSED)}
    hosts = {A: host_silent(A), B: host_answers(B), C: host_answers(C, Postmaster.DOWN)}
    return view(record=record(*rules, primary=C), reports=reports, hosts=hosts)


def test_an_heir_that_died_before_its_marker_is_started_in_place_where_no_other_is_proven_to_have_everything():
    decision = verdict(heir_died(rule(A, B, C), rule(C, B)))
    assert decision.kind is RunKind.RESTART
    assert decision.candidate == C


def test_a_former_primary_becomes_the_heir_only_where_there_is_no_other_way():
    seen = heir_died(rule(A, B, C), rule(C, B))
    back = replace(seen, hosts=seen.hosts | {A: host_answers(A, Postmaster.DOWN)})
    assert verdict(back).kind is RunKind.RESTART
    lost = replace(back, hosts=back.hosts | {C: host_silent(C)}, reports=back.reports | {C: silent(C, 10)})
    observers = {center: observer(center, fuyang=Reachability.SILENT) for center in CENTERS.values()}
    assert verdict(replace(lost, observers=observers)).kind is RunKind.FAILOVER


def test_a_recorded_primary_whose_successor_may_run_is_not_started_in_place():
    seen = heir_died(rule(C, A, B), rule(A, B))
    assert isinstance(verdict(seen), Ask)


def test_an_interrupted_change_to_standbys_that_are_gone_goes_on_with_those_that_have_caught_up():
    rules = (rule(A, B, C), rule(A, B))
    only_c = view(record=record(*rules), reports={**view().reports, A: primary_answers(A, C)})
    decision = verdict(only_c, remembered(only_c))
    assert decision.kind is RunKind.SYNCSET
    assert decision.sync == SyncSet(count=1, members=frozenset({B, C}))


def recovering(for_s, **changes):
    """A run restarts zhaohui's postmaster in place, and it has refused sessions for `for_s`."""
    run = replace(a_run(1), kind=RunKind.RESTART, group=GroupName("lis"), old_primary=A, candidate=A)
    reports = {**view().reports, A: silent(A, for_s, Reachability.STARTING)}
    hosts = {**view().hosts, A: host_answers(A, Postmaster.STARTING)}
    held = replace(record(), run=run.id)
    seen = view(record=held, run=run, reports=reports, hosts=hosts, group=group(Policy(on_crash=OnCrash.RESTART)))
    return decide(replace(seen, **changes), Memory(), seen.group.policy, driving=run.id)


def test_a_restart_in_place_is_given_the_time_that_was_predicted():
    assert recovering(4.0).why is Why.RUNNING


def test_a_recovery_that_takes_longer_than_predicted_is_overtaken_by_a_failover():
    decision = recovering(8.0)
    assert decision.kind is RunKind.FAILOVER
    assert "refused sessions for 8.0 s" in decision.reason


def test_a_recovery_is_waited_for_where_no_other_can_serve():
    lost = {B: host_silent(B), C: host_silent(C), A: host_answers(A, Postmaster.STARTING)}
    reports = {A: silent(A, 8.0, Reachability.STARTING), B: silent(B, 9.0), C: silent(C, 9.0)}
    assert recovering(8.0, hosts=lost, reports=reports).why is Why.RUNNING
