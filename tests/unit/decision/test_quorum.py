"""Rules, sealed sets and heirs."""

from __future__ import annotations

from itertools import chain, combinations

from hypothesis import given
from hypothesis import strategies as st

from drctl.decision.quorum import choose_heir, missing, satisfied, sync_set_for, unmet
from drctl.model.identity import MemberName
from drctl.model.position import Lsn, Position, Timeline
from drctl.model.rule import Rule, SyncSet
from tests.unit.decision.world import A, B, C, group, rule


def position(timeline: int, lsn: int) -> Position:
    return Position(timeline=Timeline(timeline), lsn=Lsn(lsn))


def test_one_of_two_standbys_is_not_enough_under_any_1():
    assert not satisfied(rule(A, B, C), {B})
    assert satisfied(rule(A, B, C), {B, C})


def test_one_of_two_standbys_is_enough_under_any_2():
    assert satisfied(rule(A, B, C, count=2), {C})


def test_a_sealed_primary_satisfies_its_own_rule():
    assert satisfied(rule(A, B, C), {A})


NAMES = [MemberName(name) for name in "pqrstu"]


@given(
    standbys=st.sets(st.sampled_from(NAMES[1:]), min_size=1),
    data=st.data(),
)
def test_every_set_that_could_have_acknowledged_meets_every_satisfying_sealed_set(standbys, data):
    count = data.draw(st.integers(1, len(standbys)))
    sealed = data.draw(st.sets(st.sampled_from(NAMES)))
    the_rule = Rule(primary=NAMES[0], sync=SyncSet(count=count, members=frozenset(standbys)))
    quorums = [set(chosen) for chosen in combinations(sorted(standbys), count)]
    meets = all((quorum | {NAMES[0]}) & sealed for quorum in quorums)
    free = standbys - sealed
    can_go_on = NAMES[0] not in sealed and len(free) >= count
    if satisfied(the_rule, sealed):
        assert meets
        assert not can_go_on
    else:
        assert can_go_on


def test_both_rules_must_be_met_while_one_replaces_the_other():
    rules = (rule(A, B, C), rule(B, C))
    assert unmet(rules, {B, C}) == ()
    assert unmet(rules, {B}) == (rule(A, B, C),)
    assert missing(rules, {B}) == (C, A) or set(missing(rules, {B})) == {A, C}


def test_a_longer_log_on_an_older_timeline_does_not_win():
    sealed = {B: position(1, 900), C: position(2, 500)}
    assert choose_heir(sealed, group().members, candidate=None) == C


def test_among_equals_the_candidate_wins_and_else_the_name():
    sealed = {A: position(1, 5), B: position(1, 5), C: position(1, 5)}
    assert choose_heir(sealed, group().members, candidate=B) == B
    assert choose_heir(sealed, group().members, candidate=None) == C


def test_the_candidate_does_not_win_over_a_more_advanced_member():
    assert choose_heir({B: position(1, 4), C: position(1, 5)}, group().members, candidate=B) == C


def test_a_sync_set_is_never_empty():
    assert sync_set_for(B, followers=[], told=[A, B], count=1).members == {A}
    assert sync_set_for(B, followers=[], told=[B], count=1) is None
    assert sync_set_for(B, followers=[C], told=[A, B, C], count=2) == SyncSet(count=1, members=frozenset({C}))


def test_no_two_members_can_both_be_chosen_by_all_sealed_subsets():
    sealed = {A: position(1, 3), B: position(2, 1), C: position(1, 9)}
    subsets = chain.from_iterable(combinations(sealed, size) for size in (2, 3))
    assert {
        choose_heir({name: sealed[name] for name in names}, group().members, candidate=None) for names in subsets
    } == {B, C}


def test_among_equals_one_that_runs_wins_over_one_that_must_start_first():
    sealed = {B: position(1, 5), C: position(1, 5)}
    assert choose_heir(sealed, group().members, candidate=C, down={C}) == B
    assert choose_heir({B: position(1, 4), C: position(1, 5)}, group().members, candidate=None, down={C}) == C
