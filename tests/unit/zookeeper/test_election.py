from __future__ import annotations

import pytest

from drctl.model.errors import EffectUnknown, LeadershipLost, Unreachable
from drctl.model.identity import CenterName
from drctl.zookeeper.election import Election
from drctl.zookeeper.paths import Paths
from drctl.zookeeper.records import Candidate
from drctl.zookeeper.session import Node
from tests.unit.zookeeper.memory_session import MemorySession, Tree
from tests.unit.zookeeper.nouns import FUYANG, YUECHENG, ZHAOHUI

PATHS = Paths(root="/drctl", cluster="lab")


@pytest.fixture
def tree() -> Tree:
    tree = Tree()
    for path in PATHS.skeleton:
        tree.nodes[path] = Node(data=b"", version=0, owner=0)
    return tree


def controller(tree: Tree, center: CenterName) -> tuple[MemorySession, Election]:
    session = MemorySession(tree)
    candidate = Candidate(center=center, incarnation=f"{center}#1")
    return session, Election(session=session, paths=PATHS, candidate=candidate, now_s=lambda: 0.0)  # type: ignore[arg-type]


def candidates(tree: Tree) -> int:
    return len(tree.children(PATHS.election) or ())


def test_the_first_to_stand_leads_and_all_know_it(tree: Tree):
    _, first = controller(tree, ZHAOHUI)
    _, second = controller(tree, FUYANG)
    for one in (first, second):
        one.campaign(wish=True)
        one.step(deadline_s=1)
    first.step(deadline_s=1)
    assert first.leading()
    assert not second.leading()
    assert first.leader() == second.leader() == Candidate(center=ZHAOHUI, incarnation="zhaohui#1")


def test_who_does_not_wish_to_lead_does_not_stand(tree: Tree):
    _, one = controller(tree, ZHAOHUI)
    one.step(deadline_s=1)
    assert candidates(tree) == 0
    assert one.leader() is None


def test_a_leader_that_steps_down_leads_no_longer_at_once_and_leaves_its_place_to_the_next(tree: Tree):
    _, first = controller(tree, ZHAOHUI)
    _, second = controller(tree, FUYANG)
    for one in (first, second):
        one.campaign(wish=True)
        one.step(deadline_s=1)
    first.campaign(wish=False)
    assert not first.leading()
    first.step(deadline_s=1)
    second.step(deadline_s=1)
    assert second.leading()
    assert candidates(tree) == 1
    with pytest.raises(LeadershipLost):
        first.guard()


def test_a_candidacy_whose_answer_was_lost_is_found_again_and_not_doubled(tree: Tree):
    session, one = controller(tree, ZHAOHUI)
    one.campaign(wish=True)
    session.lose_answers = 1
    with pytest.raises(EffectUnknown):
        one.step(deadline_s=1)
    assert not one.leading()
    one.step(deadline_s=1)
    assert one.leading()
    assert candidates(tree) == 1


def test_a_leader_without_a_connection_does_not_lead_and_does_again_only_after_a_look(tree: Tree):
    session, one = controller(tree, ZHAOHUI)
    one.campaign(wish=True)
    one.step(deadline_s=1)
    session.up = False
    assert not one.leading()
    assert one.leader() is None
    with pytest.raises(Unreachable):
        one.guard()
    session.reconnect()
    assert not one.leading()
    with pytest.raises(LeadershipLost):
        one.guard()
    one.step(deadline_s=1)
    assert one.leading()


def test_after_its_session_has_expired_a_controller_stands_again_behind_the_others(tree: Tree):
    session, first = controller(tree, ZHAOHUI)
    _, second = controller(tree, YUECHENG)
    for one in (first, second):
        one.campaign(wish=True)
        one.step(deadline_s=1)
    session.renew()
    first.step(deadline_s=1)
    second.step(deadline_s=1)
    assert not first.leading()
    assert second.leading()
    assert candidates(tree) == 2


def test_a_node_of_an_own_session_that_was_given_up_is_removed_and_never_led_with(tree: Tree):
    session, one = controller(tree, ZHAOHUI)
    one.campaign(wish=True)
    one.step(deadline_s=1)
    # Given up, but not expired: its node is still there.
    tree.sessions += 1
    session.id = tree.sessions
    session.reconnect()
    one.step(deadline_s=1)
    assert one.leading()
    assert candidates(tree) == 1
    assert all(node.owner == session.id for path, node in tree.nodes.items() if path.startswith(f"{PATHS.election}/"))


def test_a_leader_whose_node_a_human_deleted_is_told_so(tree: Tree):
    _, one = controller(tree, ZHAOHUI)
    one.campaign(wish=True)
    one.step(deadline_s=1)
    assert isinstance(one.deposed(), LeadershipLost)
    assert not one.leading()


def test_who_only_looks_on_knows_the_leader_and_must_not_stand(tree: Tree):
    _, one = controller(tree, ZHAOHUI)
    one.campaign(wish=True)
    one.step(deadline_s=1)
    watcher = Election(session=MemorySession(tree), paths=PATHS, candidate=None, now_s=lambda: 0.0)  # type: ignore[arg-type]
    watcher.step(deadline_s=1)
    assert watcher.leader() == Candidate(center=ZHAOHUI, incarnation="zhaohui#1")
    with pytest.raises(AssertionError):
        watcher.campaign(wish=True)
