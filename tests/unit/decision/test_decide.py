"""Decisions, told as situations."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.decision.diagnosis import Evidence, Health, diagnose
from drctl.decision.memory import Memory, remember, routable
from drctl.decision.verdict import Ask, Begin, Pause, Refuse, Stay, Why
from drctl.model.identity import GroupName
from drctl.model.playbook import RunKind
from drctl.model.policy import OnCrash, OnNoStandby, Policy, Switchback
from drctl.model.position import Lsn
from drctl.model.report import Postmaster, Reachability
from drctl.model.request import Request, RequestKind
from drctl.model.rule import SyncSet
from drctl.model.view import GroupView, MarkerState
from tests.unit.decision.world import (
    CENTERS,
    NOW_S,
    UTC,
    A,
    B,
    C,
    center_lost,
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


def test_nothing_is_done_to_a_healthy_group():
    assert verdict(view()) == Stay(why=Why.HEALTHY, reason=f"{A} answers")


def test_nothing_is_changed_without_the_coordinator_or_the_lead():
    assert verdict(center_lost(connected=False)).why is Why.NO_COORDINATOR
    assert verdict(center_lost(leading=False)).why is Why.NOT_LEADING


def test_a_primary_that_is_silent_to_all_is_replaced():
    decision = verdict(center_lost())
    assert isinstance(decision, Begin)
    assert decision.kind is RunKind.FAILOVER


def test_silence_shorter_than_the_suspicion_time_is_only_suspect():
    reports = {A: silent(A, 1.4), B: standby_answers(B, heard_s=2.5), C: standby_answers(C, heard_s=2.5)}
    assert verdict(center_lost(reports=reports)).why is Why.SUSPECT


def test_standbys_that_still_receive_prove_that_the_primary_lives():
    seen = view(
        reports={A: silent(A, 10), B: standby_answers(B, heard_s=0.2), C: standby_answers(C, heard_s=5)},
        hosts={A: host_silent(A), B: host_answers(B), C: host_answers(C)},
        observers={center: observer(center, zhaohui=Reachability.SILENT) for center in CENTERS.values()},
    )
    assert diagnose(seen, A).evidence is Evidence.HEARD_BY_STANDBYS
    assert isinstance(verdict(seen), Stay)


def test_a_standby_that_another_controller_sees_receiving_counts_when_this_one_cannot_see_it():
    witness = observer(CENTERS[C])
    seen = center_lost(
        reports={A: silent(A, 10), B: standby_answers(B, heard_s=5), C: silent(C, 10)},
        observers={CENTERS[B]: observer(CENTERS[B], zhaohui=Reachability.SILENT), CENTERS[C]: witness},
    )
    assert diagnose(seen, A).evidence is Evidence.HEARD_BY_STANDBYS


def test_one_observer_alone_complains_of_its_own_trouble():
    seen = view(
        reports={A: silent(A, 10), B: standby_answers(B, heard_s=5), C: standby_answers(C, heard_s=5)},
        observers={center: observer(center) for center in CENTERS.values()},
    )
    assert diagnose(seen, A).evidence is Evidence.ONE_OBSERVER


def test_an_isolated_center_need_not_be_missed_by_the_coordinator_first():
    observers = {center: observer(center, zhaohui=Reachability.SILENT) for center in (CENTERS[B], CENTERS[C])}
    observers[CENTERS[A]] = observer(CENTERS[A])
    assert verdict(center_lost(observers=observers)).kind is RunKind.FAILOVER


def test_a_postmaster_that_its_host_calls_gone_is_dead_at_once():
    seen = view(
        reports={
            A: silent(A, 0.2, Reachability.REFUSED),
            B: standby_answers(B, heard_s=0.3),
            C: standby_answers(C, heard_s=0.3),
        },
        hosts={A: host_answers(A, Postmaster.DOWN), B: host_answers(B), C: host_answers(C)},
    )
    assert diagnose(seen, A).evidence is Evidence.POSTMASTER_GONE
    assert verdict(seen).kind is RunKind.FAILOVER


def test_what_the_host_said_before_the_last_answer_does_not_count():
    old = replace(host_answers(A, Postmaster.DOWN), at_s=NOW_S - 60)
    seen = view(
        reports={A: silent(A, 0.2, Reachability.REFUSED), B: standby_answers(B), C: standby_answers(C)},
        hosts={A: old, B: host_answers(B), C: host_answers(C)},
    )
    assert diagnose(seen, A).health is not Health.DEAD


def test_a_write_path_that_is_stuck_with_willing_standbys_is_dead():
    stuck = MarkerState(member=A, pending_since_s=NOW_S - 6)
    assert diagnose(view(marker=stuck), A).evidence is Evidence.STUCK
    assert verdict(view(marker=stuck)).kind is RunKind.FAILOVER


def test_a_commit_that_waits_for_lost_standbys_is_no_fault_of_the_primary():
    seen = view(
        marker=MarkerState(member=A, pending_since_s=NOW_S - 60),
        reports={A: primary_answers(A), B: silent(B, 60), C: silent(C, 60)},
    )
    assert diagnose(seen, A).health is Health.ALIVE


@pytest.mark.parametrize("reachability", [Reachability.FAULTY])
def test_an_answer_with_an_error_is_slow_not_dead(reachability):
    seen = view(reports={A: silent(A, 60, reachability), B: standby_answers(B), C: standby_answers(C)})
    assert diagnose(seen, A).health is Health.ALIVE


def test_no_heir_is_chosen_on_a_guess_when_a_standby_was_lost_before_the_primary():
    seen = center_lost(
        reports={A: silent(A, 5), B: standby_answers(B, heard_s=5), C: silent(C, 9)},
        hosts={A: host_silent(A), B: host_answers(B), C: host_silent(C)},
        observers={CENTERS[B]: observer(CENTERS[B], zhaohui=Reachability.SILENT, fuyang=Reachability.SILENT)},
    )
    decision = verdict(seen)
    assert isinstance(decision, Ask)
    assert set(decision.missing) == {A, C}


def test_the_old_primary_is_started_in_place_where_only_it_has_everything():
    seen = view(
        reports={A: silent(A, 1, Reachability.REFUSED), B: standby_answers(B, heard_s=1), C: silent(C, 9)},
        hosts={A: host_answers(A, Postmaster.DOWN), B: host_answers(B), C: host_silent(C)},
    )
    decision = verdict(seen)
    assert isinstance(decision, Begin)
    assert decision.kind is RunKind.RESTART


def crashed(*, redo: Lsn | None) -> GroupView:
    """zhaohui's postmaster is gone, its host answers, and the policy asks for a restart in place where that is quick."""
    return view(
        reports={A: silent(A, 1, Reachability.REFUSED), B: standby_answers(B), C: standby_answers(C)},
        hosts={
            A: replace(host_answers(A, Postmaster.DOWN), redo_lsn=redo),
            B: host_answers(B),
            C: host_answers(C),
        },
        group=group(Policy(on_crash=OnCrash.RESTART)),
    )


def had_written(lsn: int) -> Memory:
    return remembered(view(reports={**view().reports, A: primary_answers(A, B, C, lsn=lsn)}))


GIB = 1024**3


def test_the_policy_may_try_a_restart_first():
    decision = verdict(crashed(redo=Lsn(GIB)), had_written(GIB + 16 * 1024**2))
    assert decision.kind is RunKind.RESTART
    assert "1.0 s are predicted" in decision.reason


def test_a_restart_that_failed_is_followed_by_a_failover():
    failed = replace(had_written(100), failures=1, failed_at_s=NOW_S - 30)
    assert verdict(crashed(redo=Lsn(100)), failed).kind is RunKind.FAILOVER


def test_a_recovery_that_would_be_long_or_that_nobody_can_predict_is_not_waited_for():
    assert verdict(crashed(redo=Lsn(GIB)), had_written(2 * GIB)).kind is RunKind.FAILOVER
    assert verdict(crashed(redo=None), had_written(GIB)).kind is RunKind.FAILOVER
    assert verdict(crashed(redo=Lsn(100)), Memory()).kind is RunKind.FAILOVER


def test_after_too_many_failovers_a_person_is_asked():
    often = replace(record(), failovers_utc=(UTC, UTC, UTC))
    assert isinstance(verdict(center_lost(record=often)), Ask)
    long_ago = replace(record(), failovers_utc=("2026-11-24T01:00:00.000+00:00",) * 3)
    assert isinstance(verdict(center_lost(record=long_ago)), Begin)


def test_while_paused_nothing_is_changed():
    assert verdict(center_lost(record=replace(record(), paused=True))).why is Why.PAUSED


def test_a_try_that_failed_is_repeated_only_after_a_pause():
    memory = Memory(failures=2, failed_at_s=NOW_S - 1)
    assert verdict(center_lost(), memory).why is Why.WAITING
    assert isinstance(verdict(center_lost(), replace(memory, failed_at_s=NOW_S - 5)), Begin)


def test_a_lost_standby_leaves_the_sync_set_and_comes_back():
    lost = view(reports={A: primary_answers(A, B), B: standby_answers(B), C: silent(C, 10)})
    memory = remembered(replace(lost, now_s=NOW_S - 6), lost)
    decision = verdict(lost, memory)
    assert isinstance(decision, Begin)
    assert decision.sync == SyncSet(count=1, members=frozenset({B}))
    only_b = SyncSet(count=1, members=frozenset({B}))
    back = view(
        record=record(rule(A, B)),
        reports={A: primary_answers(A, B, C, sync=only_b), B: standby_answers(B), C: standby_answers(C)},
    )
    assert verdict(back).sync == SyncSet(count=1, members=frozenset({B, C}))


def test_a_standby_that_has_not_caught_up_is_not_added():
    seen = view(
        record=record(rule(A, B)),
        reports={
            A: primary_answers(A, B, C, lsn=100, sync=SyncSet(count=1, members=frozenset({B}))),
            B: standby_answers(B),
            C: standby_answers(C),
        },
    )
    behind = replace(seen.reports[A].facts, written_lsn=seen.reports[A].facts.written_lsn + 50)
    seen = replace(seen, reports={**seen.reports, A: replace(seen.reports[A], facts=behind)})
    assert isinstance(verdict(seen), Stay)


def test_the_last_standby_never_leaves_the_set():
    seen = view(reports={A: primary_answers(A), B: silent(B, 60), C: silent(C, 60)})
    assert isinstance(verdict(seen, remembered(replace(seen, now_s=NOW_S - 60), seen)), Stay)


def test_a_setting_that_a_human_emptied_is_put_back():
    emptied = primary_answers(A, B, C)
    emptied = replace(emptied, facts=replace(emptied.facts, sync_names=""))
    decision = verdict(view(reports={A: emptied, B: standby_answers(B), C: standby_answers(C)}))
    assert decision.kind is RunKind.SYNCSET
    assert decision.sync == record().rule.sync
    assert "not seen right before" in decision.reason


def test_a_primary_that_the_record_does_not_know_is_brought_back_as_a_standby():
    seen = view(
        record=record(rule(B, C), primary=B, epoch=4),
        reports={
            A: primary_answers(A),
            B: primary_answers(B, C, sync=SyncSet(count=1, members=frozenset({C}))),
            C: standby_answers(C, B),
        },
    )
    decision = verdict(seen, remembered(replace(seen, now_s=NOW_S - 2), seen))
    assert decision.kind is RunKind.REJOIN
    assert decision.candidate == A


def test_an_interrupted_promotion_is_brought_to_its_end():
    joint = record(rule(A, B, C), rule(B, C))
    assert verdict(view(record=joint)).kind is RunKind.FAILOVER


def test_an_interrupted_change_of_the_sync_set_is_resumed_towards_the_new_rule():
    joint = record(rule(A, B, C), rule(A, C))
    assert verdict(view(record=joint)).sync == SyncSet(count=1, members=frozenset({C}))


def request(kind, **changes):
    return Request(id="r1", kind=kind, group=GroupName("lis"), operator="wang", made_utc=UTC, **changes)


def test_a_switchover_goes_to_a_standby_that_has_caught_up():
    decision = verdict(view(requests=(request(RequestKind.SWITCHOVER),)))
    assert decision.kind is RunKind.SWITCHOVER
    assert decision.candidate == C


@pytest.mark.parametrize(
    ("candidate", "words"),
    [(A, "is the primary already"), ("nobody", "no member"), (None, "")],
)
def test_a_switchover_that_cannot_work_is_refused_with_its_reason(candidate, words):
    seen = view(requests=(request(RequestKind.SWITCHOVER, candidate=candidate),))
    if candidate is None:
        seen = replace(seen, reports={A: primary_answers(A), B: silent(B, 1), C: silent(C, 1)})
    decision = verdict(seen)
    assert isinstance(decision, Refuse)
    assert words in decision.message


def test_a_request_waits_until_it_is_due():
    later = request(RequestKind.SWITCHOVER, not_before_utc="2026-11-24T04:00:00.000+00:00")
    assert isinstance(verdict(view(requests=(later,))), Stay)


def test_pause_and_resume_are_heard_while_paused():
    paused = replace(record(), paused=True)
    assert isinstance(verdict(view(record=paused, requests=(request(RequestKind.RESUME),))), Pause)
    assert isinstance(verdict(view(record=paused, requests=(request(RequestKind.SWITCHOVER),))), Refuse)


def test_a_group_goes_home_by_policy_when_home_has_been_in_sync_for_long_enough():
    seen = view(
        group=group(Policy(switchback=Switchback.IMMEDIATE)),
        record=record(rule(B, A, C), primary=B, epoch=4),
        reports={A: standby_answers(A, B), B: primary_answers(B, A, C), C: standby_answers(C, B)},
    )
    memory = remembered(replace(seen, now_s=NOW_S - 61), seen)
    assert verdict(seen, memory).kind is RunKind.SWITCHBACK
    assert isinstance(verdict(seen, remembered(replace(seen, now_s=NOW_S - 10), seen)), Stay)


def alone(policy, *, for_s=40.0, **changes):
    """Both standbys have been lost for a while; commits wait."""
    seen = view(
        group=group(policy), reports={A: primary_answers(A), B: silent(B, for_s), C: silent(C, for_s)}, **changes
    )
    return seen, remembered(replace(seen, now_s=NOW_S - for_s), seen)


DEGRADE = Policy(on_no_standby=OnNoStandby.DEGRADE, degrade_after_s=30)


def test_without_a_standby_commits_wait_unless_the_policy_says_otherwise():
    assert isinstance(verdict(*alone(Policy())), Stay)
    assert isinstance(verdict(*alone(DEGRADE, for_s=20)), Stay)
    decision = verdict(*alone(DEGRADE))
    assert decision.kind is RunKind.SYNCSET
    assert decision.sync.alone
    assert decision.sync.members == {B, C}


def degraded(since_utc):
    return replace(record(rule(A, B, C, count=0)), degraded_since_utc=since_utc)


def nobody_waits(name, *standbys):
    return primary_answers(name, *standbys, sync=SyncSet(count=0, members=frozenset({B, C})))


def test_a_degraded_group_waits_again_when_the_limit_is_over():
    seen, memory = alone(DEGRADE, record=degraded("2026-11-24T01:30:00.000+00:00"))
    seen = replace(seen, reports={**seen.reports, A: nobody_waits(A)})
    assert verdict(seen, memory).sync == SyncSet(count=1, members=frozenset({B, C}))
    seen = replace(seen, record=degraded("2026-11-24T02:30:00.000+00:00"))
    assert isinstance(verdict(seen, memory), Stay)


def test_a_degraded_group_is_protected_again_as_soon_as_a_standby_has_caught_up():
    seen = view(
        group=group(DEGRADE),
        record=degraded(UTC),
        reports={A: nobody_waits(A, B), B: standby_answers(B), C: silent(C, 60)},
    )
    memory = remembered(replace(seen, now_s=NOW_S - 60), seen)
    assert verdict(seen, memory).sync == SyncSet(count=1, members=frozenset({B}))


def test_the_primary_of_a_degraded_group_has_no_proven_heir():
    assert isinstance(verdict(center_lost(record=degraded(UTC))), Ask)


def test_a_setting_that_a_human_emptied_is_put_back_also_when_no_standby_is_left():
    seen, memory = alone(Policy())
    emptied = replace(primary_answers(A), facts=replace(primary_answers(A).facts, sync_names=""))
    assert verdict(replace(seen, reports={**seen.reports, A: emptied}), memory).sync == record().rule.sync


def test_clients_are_not_sent_to_a_primary_that_restarted_alone():
    well = view()
    before = remembered(well)
    assert routable(well, before)
    again = primary_answers(A)
    again = replace(again, facts=replace(again.facts, started_at_s=77.0))
    restarted = replace(well, reports={**well.reports, A: again})
    after = remember(before, restarted)
    assert not routable(restarted, after)
    with_standbys = replace(primary_answers(A, B, C).facts, started_at_s=77.0)
    back = replace(restarted, reports={**well.reports, A: replace(again, facts=with_standbys)})
    assert routable(back, remember(after, back))
