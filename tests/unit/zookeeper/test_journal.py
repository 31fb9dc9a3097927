from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from drctl.model.errors import DrctlError, EffectRefused, InvalidInput, LeadershipLost, StaleEpoch, Unreachable
from drctl.model.identity import Epoch
from drctl.model.policy import Policy
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.zookeeper.election import Election
from drctl.zookeeper.groups import Groups
from drctl.zookeeper.journal import Journal
from drctl.zookeeper.paths import Paths
from drctl.zookeeper.records import Candidate
from drctl.zookeeper.session import Node
from drctl.zookeeper.transaction import Check
from tests.unit.zookeeper.memory_session import MemorySession, Tree
from tests.unit.zookeeper.nouns import LIS, ZHAOHUI, a_record, a_run

PATHS = Paths(root="/drctl", cluster="lab")
D_S = 1.0


@dataclass
class Leader:
    tree: Tree
    session: MemorySession
    election: Election
    journal: Journal
    groups: Groups

    def begin(self, record: GroupRecord, epoch: int) -> tuple[GroupRecord, Run]:
        run = a_run(epoch)
        raised = replace(record, epoch=run.epoch, run=run.id)
        return self.journal.begin_run(raised, run, ended=None, deadline_s=D_S)


@pytest.fixture
def leader() -> Leader:
    tree = Tree()
    session = MemorySession(tree)
    election = Election(
        session=session,  # type: ignore[arg-type]
        paths=PATHS,
        candidate=Candidate(center=ZHAOHUI, incarnation="zhaohui#1"),
        now_s=lambda: 0.0,
    )
    journal = Journal(
        session=session,  # type: ignore[arg-type]
        paths=PATHS,
        election=election,
        policies={LIS: replace(Policy(), history_runs_max=2, journal_bytes_max=8_000)},
        now_s=lambda: 0.0,
    )
    journal.lay_skeleton(deadline_s=D_S)
    election.campaign(wish=True)
    election.step(deadline_s=D_S)
    groups = Groups(session, PATHS, lambda: 0.0)  # type: ignore[arg-type]
    return Leader(tree, session, election, journal, groups)


def test_every_write_of_a_leader_depends_on_its_own_node(leader: Leader):
    record = leader.journal.create_record(a_record(), deadline_s=D_S)
    leader.session.commits.clear()
    record, run = leader.begin(record, 2)
    run = leader.journal.save_run(run, deadline_s=D_S)
    record, run = leader.journal.change_record(record, run, deadline_s=D_S)
    leader.journal.finish_run(replace(record, run=None), run, deadline_s=D_S)
    (own,) = leader.tree.children(PATHS.election) or ()
    assert [guard for guard, _ in leader.session.commits] == [Check(path=f"{PATHS.election}/{own}", version=0)] * 4


def test_a_leader_whose_node_is_gone_writes_nothing_and_is_told_that_it_leads_no_longer(leader: Leader):
    record = leader.journal.create_record(a_record(), deadline_s=D_S)
    record, run = leader.begin(record, 2)
    leader.tree.expire(leader.session.id)
    stored = dict(leader.tree.nodes)
    writes: list[Callable[[], object]] = [
        lambda: leader.journal.save_run(run, deadline_s=D_S),
        lambda: leader.journal.change_record(record, run, deadline_s=D_S),
        lambda: leader.journal.finish_run(replace(record, run=None), run, deadline_s=D_S),
    ]
    for write in writes:
        with pytest.raises(LeadershipLost):
            write()
    assert leader.tree.nodes == stored


def test_a_transaction_of_which_one_part_is_stale_changes_nothing(leader: Leader):
    record = leader.journal.create_record(a_record(), deadline_s=D_S)
    record, run = leader.begin(record, 2)
    newer = leader.journal.save_run(run, deadline_s=D_S)
    stored = dict(leader.tree.nodes)
    with pytest.raises(StaleEpoch):
        leader.journal.change_record(record, run, deadline_s=D_S)
    with pytest.raises(StaleEpoch):
        leader.journal.change_record(replace(record, version=0), newer, deadline_s=D_S)
    assert leader.tree.nodes == stored


def test_the_version_of_a_journal_never_comes_again_in_the_next_run(leader: Leader):
    """Were it to, a late save of the last run could replace the journal of the next."""
    record = leader.journal.create_record(a_record(), deadline_s=D_S)
    record, first = leader.begin(record, 2)
    record = leader.journal.finish_run(replace(record, run=None), first, deadline_s=D_S)
    record, second = leader.begin(record, 3)
    assert second.journal_version > first.journal_version
    with pytest.raises(StaleEpoch):
        leader.journal.save_run(first, deadline_s=D_S)


def test_without_a_connection_nothing_is_sent(leader: Leader):
    record = leader.journal.create_record(a_record(), deadline_s=D_S)
    leader.session.up = False
    with pytest.raises(Unreachable):
        leader.begin(record, 2)


def test_a_second_init_is_refused_and_says_what_is_there(leader: Leader):
    leader.journal.create_record(a_record(epoch=41), deadline_s=D_S)
    with pytest.raises(EffectRefused, match="epoch 41, primary lis-zhaohui"):
        leader.journal.create_record(a_record(), deadline_s=D_S)


def test_half_a_group_is_refused_too(leader: Leader):
    leader.tree.nodes[PATHS.group(LIS)] = Node(data=b"", version=0, owner=0)
    with pytest.raises(EffectRefused, match="not complete"):
        leader.journal.create_record(a_record(), deadline_s=D_S)


def test_the_oldest_runs_beyond_the_bound_are_removed(leader: Leader):
    record = leader.journal.create_record(a_record(epoch=8), deadline_s=D_S)
    for epoch in (9, 10, 11):
        record, run = leader.begin(record, epoch)
        record = leader.journal.finish_run(replace(record, run=None), run, deadline_s=D_S)
    leader.journal.prune(LIS, deadline_s=D_S)
    assert [run.id for run in leader.journal.history(LIS, limit=9, deadline_s=D_S)] == ["lis-11", "lis-10"]


def test_a_record_that_grows_without_end_is_refused(leader: Leader):
    record = leader.journal.create_record(a_record(), deadline_s=D_S)
    with pytest.raises(EffectRefused, match="bytes"):
        leader.begin(replace(record, failovers_utc=("x" * 100,) * 1000), 2)


# What is kept in memory


def test_a_record_and_its_run_are_never_seen_from_two_different_transactions(leader: Leader):
    record = leader.journal.create_record(a_record(), deadline_s=D_S)
    record, run = leader.begin(record, 2)
    ask, rounds = leader.session.node, []

    def torn(path: str) -> object:
        # A transaction of another controller comes between the reading of the record and of the run, once.
        if path == PATHS.run(LIS) and not rounds:
            rounds.append(path)
            adopted = replace(run, epoch=Epoch(3))
            leader.journal.begin_run(replace(record, epoch=Epoch(3)), adopted, ended=None, deadline_s=D_S)
        return ask(path)

    leader.session.node = torn  # type: ignore[assignment, method-assign]
    assert leader.groups.refresh([LIS], deadline_s=D_S) == {LIS}
    state = leader.groups.state(LIS)
    assert state.record is not None
    assert state.run is not None
    assert (state.record.epoch, state.run.epoch) == (3, 3)


def test_an_older_reading_does_not_cover_up_what_was_just_written(leader: Leader):
    record = leader.groups.wrote(leader.journal.create_record(a_record(), deadline_s=D_S), None)
    ask, rounds = leader.session.children, []

    def slow(path: str) -> object:
        answer = ask(path)
        if not rounds:
            rounds.append(path)
            leader.groups.wrote(*leader.begin(record, 2))
        return answer

    leader.session.children = slow  # type: ignore[assignment, method-assign]
    leader.groups.refresh([LIS], deadline_s=D_S)
    state = leader.groups.state(LIS)
    assert state.record is not None
    assert state.record.epoch == 2
    assert state.run is not None


def test_a_late_memory_of_an_older_write_does_not_cover_up_a_newer_reading(leader: Leader):
    record = leader.journal.create_record(a_record(), deadline_s=D_S)
    first = leader.begin(record, 2)
    newer = leader.journal.save_run(replace(first[1], note="newer"), deadline_s=D_S)
    leader.groups.refresh([LIS], deadline_s=D_S)
    leader.groups.saved(first[1])
    assert leader.groups.state(LIS).run == newer


def test_what_cannot_be_read_is_told_and_hides_what_was_known(leader: Leader):
    leader.journal.create_record(a_record(), deadline_s=D_S)
    leader.groups.refresh([LIS], deadline_s=D_S)
    path = PATHS.record(LIS)
    leader.tree.nodes[path] = replace(leader.tree.nodes[path], data=b"{}")
    leader.groups.refresh([LIS], deadline_s=D_S)
    state = leader.groups.state(LIS)
    assert state.record is None
    assert path in state.unreadable


def test_every_error_of_the_journal_says_what_is_known_of_the_effect(leader: Leader):
    with pytest.raises(InvalidInput) as caught:
        leader.journal.set_paused(LIS, paused=True, deadline_s=D_S)
    assert isinstance(caught.value, DrctlError)
    assert caught.value.remedy == "type: drctl init lis"
