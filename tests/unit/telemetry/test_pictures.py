"""What a view looks like from outside: roles, states, lag, protection."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.model.evidence import Chosen, Promoted, Sealed, SealedRole
from drctl.model.identity import Epoch
from drctl.model.picture import group_snapshot
from drctl.model.playbook import RunKind
from drctl.model.position import Position, Timeline
from drctl.model.report import HostReport, Postmaster, Reachability, SyncOverride
from drctl.model.rule import Rule, SyncSet
from drctl.model.run import Outcome, StepRecord, StepStatus, Task, TaskStatus
from drctl.model.run_picture import picture_run
from drctl.model.snapshot import GroupSnapshot, MemberState, Protection, Role, Rpo
from drctl.model.topology import MemberKind
from tests.unit.telemetry.example import (
    AT,
    GROUP,
    NOW_UTC,
    RECORD,
    VIEW,
    WOULD,
    A,
    B,
    C,
    answering,
    not_answering,
    picture,
    primary_facts,
    run,
    seeing,
    standby_facts,
)


def states(group: GroupSnapshot) -> dict[str, MemberState]:
    return {member.name: member.state for member in group.members}


def roles(group: GroupSnapshot) -> dict[str, Role]:
    return {member.name: member.role for member in group.members}


def host(member: str, postmaster: Postmaster, *, fenced: bool = False) -> HostReport:
    return HostReport(member=GROUP.member(member).name, at_s=99.0, answers=True, postmaster=postmaster, fenced=fenced)  # type: ignore[arg-type]


def test_a_healthy_group_is_protected_and_has_one_writable_member() -> None:
    group = picture()
    assert (group.protection, group.rpo_guaranteed) == (Protection.PROTECTED, True)
    assert roles(group) == {A: Role.PRIMARY, B: Role.QUORUM_STANDBY, C: Role.QUORUM_STANDBY}
    assert states(group) == {A: MemberState.RUNNING, B: MemberState.STREAMING, C: MemberState.STREAMING}
    assert [member.name for member in group.members if member.writable] == [A]
    assert [member.receive_lag_bytes for member in group.members] == [None, 0, 1024]
    assert [member.rpo for member in group.members] == [Rpo.ZERO] * 3
    assert group.marker is not None
    assert group.marker.sequence == 12


def test_standbys_that_all_must_acknowledge_are_sync_standbys() -> None:
    both = SyncSet(count=2, members=frozenset({B, C}))
    view = replace(VIEW, record=replace(RECORD, rules=(Rule(primary=A, sync=both),)))
    group = picture(seeing(answering(A, primary_facts(sync="ANY 2 (lis-yuecheng, lis-fuyang)")), view=view))
    assert roles(group)[B] is Role.SYNC_STANDBY
    assert group.protection is Protection.NO_SPARE


def test_with_one_standby_left_there_is_none_to_spare_and_with_none_commits_wait() -> None:
    one = picture(seeing(answering(A, primary_facts(standbys=(B,))), not_answering(C, Reachability.SILENT)))
    assert one.protection is Protection.NO_SPARE
    assert "lis-fuyang does not stream" in one.protection_text
    none = picture(seeing(answering(A, primary_facts(standbys=()))))
    assert none.protection is Protection.BLOCKED
    assert "Nothing that was acknowledged can be lost" in none.protection_text
    assert none.rpo_guaranteed


def test_two_standbys_that_claim_one_name_count_for_nothing() -> None:
    assert picture(seeing(answering(A, primary_facts(standbys=(B, B))))).protection is Protection.BLOCKED


@pytest.mark.parametrize("setting", ["", "*", 'ANY 1 ("lis-yuecheng")', "FIRST 1 (lis-yuecheng, lis-fuyang)"])
def test_a_setting_that_is_not_the_records_exposes_the_group(setting: str) -> None:
    group = picture(seeing(answering(A, primary_facts(sync=setting))))
    assert (group.protection, group.rpo_guaranteed) == (Protection.EXPOSED, False)
    assert group.member(A).rpo is Rpo.EXPOSED  # type: ignore[union-attr]


def test_while_a_rule_replaces_another_either_setting_is_right() -> None:
    new = Rule(primary=A, sync=SyncSet(count=1, members=frozenset({B})))
    view = replace(VIEW, record=replace(RECORD, rules=(*RECORD.rules, new)))
    for setting in ("ANY 1 (lis-yuecheng, lis-fuyang)", "ANY 1 (lis-yuecheng)"):
        assert picture(seeing(answering(A, primary_facts(sync=setting)), view=view)).rpo_guaranteed


def test_a_weaker_synchronous_commit_somewhere_exposes_the_group() -> None:
    facts = replace(primary_facts(), overrides=(SyncOverride(scope="role", name="lis", value="off"),))
    group = picture(seeing(answering(A, facts)))
    assert group.protection is Protection.EXPOSED
    assert "synchronous_commit is 'off' for role lis" in group.protection_text


def test_degradation_by_policy_is_exposure_since_it_was_recorded() -> None:
    view = replace(VIEW, record=replace(RECORD, degraded_since_utc=NOW_UTC))
    group = picture(view)
    assert (group.rpo_guaranteed, group.exposed_since_utc) == (False, NOW_UTC)


def test_a_silent_primary_is_no_place_for_writes() -> None:
    group = picture(seeing(not_answering(A, Reachability.SILENT, facts=primary_facts())))
    assert group.protection is Protection.DOWN
    assert not any(member.writable for member in group.members)
    assert (roles(group)[A], states(group)[A]) == (Role.PRIMARY, MemberState.SILENT)
    # Behind what the primary was last known to have.
    assert group.member(C).receive_lag_bytes == 1024  # type: ignore[union-attr]


def test_a_promoted_heir_takes_writes_before_the_record_names_it_the_primary() -> None:
    heir = Rule(primary=B, sync=SyncSet(count=1, members=frozenset({C})))
    view = replace(VIEW, record=replace(RECORD, rules=(*RECORD.rules, heir)))
    promoted = replace(primary_facts(standbys=(C,), sync="ANY 1 (lis-fuyang)"), timeline=Timeline(2))
    group = picture(seeing(answering(B, promoted), view=view))
    assert [member.name for member in group.members if member.writable] == [B]
    assert (roles(group)[A], states(group)[A]) == (Role.REPLICA, MemberState.STRAY)


def test_an_heir_that_is_not_promoted_yet_takes_no_writes() -> None:
    heir = Rule(primary=B, sync=SyncSet(count=1, members=frozenset({C})))
    view = replace(VIEW, record=replace(RECORD, rules=(*RECORD.rules, heir)))
    assert [member.name for member in picture(view).members if member.writable] == [A]


def test_each_trouble_of_a_standby_has_its_own_word() -> None:
    sealed = replace(standby_facts(), receiver=None, upstream="")
    cut_off = replace(standby_facts(), receiver=None)
    assert states(picture(seeing(answering(B, sealed))))[B] is MemberState.SEALED
    assert states(picture(seeing(answering(B, cut_off))))[B] is MemberState.DISCONNECTED
    assert states(picture(seeing(answering(B, standby_facts(status="waiting")))))[B] is MemberState.CONNECTING
    for how, word in (
        (Reachability.STARTING, MemberState.STARTING),
        (Reachability.REFUSED, MemberState.REFUSED),
        (Reachability.SILENT, MemberState.SILENT),
        (Reachability.FAULTY, MemberState.FAULTY),
    ):
        assert states(picture(seeing(not_answering(B, how))))[B] is word
    down = not_answering(B, Reachability.REFUSED)
    assert states(picture(seeing(down, hosts=(host(B, Postmaster.DOWN),))))[B] is MemberState.STOPPED
    assert states(picture(seeing(down, hosts=(host(B, Postmaster.DOWN, fenced=True),))))[B] is MemberState.FENCED


def test_a_standby_that_catches_up_says_so() -> None:
    facts = primary_facts()
    catching = replace(facts, standbys=tuple(replace(found, state="catchup") for found in facts.standbys))
    assert states(picture(seeing(answering(A, catching))))[B] is MemberState.CATCHING_UP


def test_a_member_that_is_brought_back_is_rejoining() -> None:
    rejoin = run(kind=RunKind.REJOIN, candidate=C)
    view = replace(seeing(not_answering(C, Reachability.REFUSED)), run=rejoin)
    assert states(picture(view))[C] is MemberState.REJOINING


def test_a_satellite_is_read_from_and_never_counted() -> None:
    members = tuple(replace(found, kind=MemberKind.SATELLITE) if found.name == C else found for found in GROUP.members)
    rule = Rule(primary=A, sync=SyncSet(count=1, members=frozenset({B})))
    view = replace(VIEW, group=replace(GROUP, members=members), record=replace(RECORD, rules=(rule,)))
    group = picture(seeing(answering(A, primary_facts(sync="ANY 1 (lis-yuecheng)")), view=view))
    satellite = group.member(C)
    assert satellite is not None
    assert (satellite.role, satellite.rpo, satellite.readable) == (Role.SATELLITE, Rpo.ASYNC, True)


def test_before_init_the_members_are_shown_as_they_run() -> None:
    group = picture(replace(VIEW, record=None))
    assert group.protection is Protection.NOT_INITIALISED
    assert roles(group) == {A: Role.PRIMARY, B: Role.REPLICA, C: Role.REPLICA}
    assert not any(member.writable for member in group.members)


def test_without_a_coordinator_nobody_is_told_to_initialise_what_may_be_initialised() -> None:
    assert picture(replace(VIEW, record=None, connected=False)).protection is Protection.UNKNOWN


def test_before_the_first_probe_nothing_is_claimed() -> None:
    group = group_snapshot(replace(VIEW, reports={}), WOULD)
    assert group.protection is Protection.UNKNOWN
    assert set(states(group).values()) == {MemberState.UNKNOWN}


def test_a_run_is_pictured_with_what_its_steps_proved() -> None:
    at = Position(timeline=Timeline(1), lsn=AT)
    sealed = Task(
        member=B,
        status=TaskStatus.DONE,
        started_s=1.0,
        evidence=Sealed(role=SealedRole.STANDBY, sealed=True, position=at),
    )
    failed = Task(member=C, status=TaskStatus.FAILED, started_s=1.0, error="no route")
    found = picture_run(
        run(
            adoptions=(),
            steps=(
                StepRecord(
                    id="seal",
                    status=StepStatus.DONE,
                    tasks=(sealed, failed),
                    started_utc="2026-01-02T03:04:00.100+00:00",
                    ended_utc="2026-01-02T03:04:00.350+00:00",
                ),
                StepRecord(id="promote", status=StepStatus.RUNNING, started_utc="2026-01-02T03:04:00.400+00:00"),
            ),
        ),
        now_utc="2026-01-02T03:04:02.000+00:00",
    )
    seal, promote = found.steps
    assert seal.facts == ("lis-yuecheng: sealed at 1:0/3000148", "lis-fuyang: no route")
    assert (seal.elapsed_s, promote.elapsed_s) == (pytest.approx(0.25), pytest.approx(1.6))
    assert (found.elapsed_s, found.rto_s, found.outcome) == (pytest.approx(2.0), 600.0, None)
    assert found.irrevocable, "the promotion has begun"


def test_the_heir_of_a_run_is_the_chosen_one() -> None:
    chosen = Chosen(heir=C, rule=RECORD.rule, sealed=(), satisfied=(), lost_possible=True)
    task = Task(member=None, status=TaskStatus.DONE, started_s=1.0, evidence=chosen)
    plan = run().playbook
    playbook = replace(plan, steps=(replace(plan.steps[0], id="choose", uses="choose"),))
    found = picture_run(
        run(
            playbook=playbook,
            candidate=B,
            epoch=Epoch(8),
            outcome=Outcome.DONE,
            ended_utc=NOW_UTC,
            steps=(StepRecord(id="choose", status=StepStatus.DONE, tasks=(task,)),),
        ),
        now_utc=NOW_UTC,
    )
    assert (found.heir, found.lost_possible, found.irrevocable) == (C, True, False)
    assert Promoted(position=Position(timeline=Timeline(2), lsn=AT), already=False) not in found.steps
