"""The coordinator over one real server: what goes wrong, and what is known of it afterwards."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from kazoo.client import KazooClient
from kazoo.security import make_acl

from drctl.model.errors import DrctlError, EffectRefused, EffectUnknown, InvalidInput, LeadershipLost, Unreachable
from drctl.model.identity import GroupName
from drctl.model.policy import Policy
from drctl.model.request import RequestAnswer
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.model.topology import Address
from drctl.zookeeper import session as session_module
from drctl.zookeeper.coordinator import Presence, ZooKeeperCoordinator
from drctl.zookeeper.session import Session
from drctl.zookeeper.transaction import UNGUARDED, Create
from tests.integration.zookeeper_servers import MonotonicClock, Server, Servers, free_ports, wait_until
from tests.unit.zookeeper.nouns import FUYANG, LIS, YUECHENG, ZHAOHUI, a_record, a_request, a_run, an_observer_report

pytestmark = pytest.mark.lab
BACK_S = 8.0
"""For everything to be as before once the server is back."""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(folder=tmp_path_factory.mktemp("zookeeper"), count=1) as running:
        yield running


@pytest.fixture
def server(servers: Servers) -> Iterator[Server]:
    (one,) = servers.members
    yield one
    one.thaw()
    servers.wait_serving()


class Cluster:
    """A place of its own for every test, and the controllers in it."""

    def __init__(self, servers: Servers, name: str) -> None:
        self.servers = servers
        self.name = name
        self.started: list[ZooKeeperCoordinator] = []

    def controller(self, center=ZHAOHUI, *, presence=Presence.RESIDENT, start=True, hosts=None, **changes):
        coordinator = ZooKeeperCoordinator(
            hosts=hosts or self.servers.hosts,
            root="/drctl",
            cluster=self.name,
            center=center,
            incarnation=f"{center}#{len(self.started)}",
            session_timeout_s=changes.get("session_timeout_s", 2.0),
            groups=changes.get("groups", {LIS: Policy()}),
            clock=MonotonicClock(),
            presence=presence,
        )
        self.started.append(coordinator)
        if start:
            coordinator.start(deadline_s=5.0)
        return coordinator

    def leader(self, center=ZHAOHUI, **changes) -> ZooKeeperCoordinator:
        coordinator = self.controller(center, **changes)
        coordinator.campaign(wish=True)
        wait_until(coordinator.leading, 5.0, f"{center} leads")
        return coordinator

    def path(self, below: str) -> str:
        return f"/drctl/{self.name}/{below}"


@pytest.fixture
def cluster(servers: Servers, request: pytest.FixtureRequest) -> Iterator[Cluster]:
    made = Cluster(servers, request.node.name.replace("_", "-")[:60])
    yield made
    for coordinator in made.started:
        coordinator.close()


@pytest.fixture
def human(servers: Servers) -> Iterator[KazooClient]:
    """Somebody with a ZooKeeper client and no idea."""
    client = KazooClient(hosts=",".join(map(str, servers.hosts)))
    client.start()
    yield client
    client.stop()
    client.close()


def begin(
    leader: ZooKeeperCoordinator, record: GroupRecord, epoch: int, deadline_s: float = 5.0
) -> tuple[GroupRecord, Run]:
    run = a_run(epoch)
    return leader.begin_run(replace(record, epoch=run.epoch, run=run.id), run, ended=None, deadline_s=deadline_s)


# A server that does not answer


def test_a_write_to_a_frozen_server_ends_in_time_and_may_have_happened(cluster: Cluster, server: Server):
    leader = cluster.leader()
    record = leader.create_record(a_record(), deadline_s=5.0)
    server.freeze()
    began_s = time.monotonic()
    with pytest.raises(EffectUnknown):
        begin(leader, record, 2, deadline_s=0.3)
    assert time.monotonic() - began_s < 5.0
    server.thaw()
    # Whatever became of it, what is in memory is soon what is stored.
    visitor = cluster.controller(presence=Presence.VISITOR)
    wait_until(lambda: leader.group(LIS) == _stored(visitor), BACK_S, "the truth is known")


def _stored(visitor: ZooKeeperCoordinator) -> object:
    try:
        visitor.refresh(deadline_s=1.0)
    except Unreachable:
        return None
    return visitor.group(LIS)


def test_calls_without_a_connection_are_refused_at_once_and_never_done_later(cluster: Cluster, server: Server):
    leader = cluster.leader()
    record = leader.create_record(a_record(), deadline_s=5.0)
    server.kill()
    wait_until(lambda: not leader.connected(), 3.0, "the loss is noticed")
    assert not leader.leading()
    assert leader.leader() is None
    began_s = time.monotonic()
    for call in (
        lambda: begin(leader, record, 2),
        lambda: leader.publish(an_observer_report(ZHAOHUI), deadline_s=5.0),
        lambda: leader.submit(a_request(), deadline_s=5.0),
        lambda: leader.history(LIS, limit=1, deadline_s=5.0),
        lambda: leader.set_paused(LIS, paused=True, deadline_s=5.0),
    ):
        with pytest.raises(Unreachable):
            call()
    assert time.monotonic() - began_s < 5.0
    assert leader.group(LIS).record == record
    server.start()
    wait_until(leader.leading, BACK_S, "it leads again")
    wait_until(lambda: leader.group(LIS).record is not None, 5.0, "it is read again")
    assert leader.group(LIS).record == record
    # The report was not told then; it is now.
    wait_until(lambda: ZHAOHUI in leader.observers(), 5.0, "the report is told")


def test_a_request_that_kazoo_queued_in_the_moment_of_the_loss_is_withdrawn(
    servers: Servers, server: Server, monkeypatch: pytest.MonkeyPatch
):
    session = Session(
        hosts=servers.hosts, session_timeout_s=2.0, now_s=time.monotonic, moved=lambda: None, touched=None
    )
    assert session.start(deadline_s=5.0)
    try:
        server.kill()
        wait_until(lambda: not session.connected(), 3.0, "the loss is noticed")
        with monkeypatch.context() as patched:
            # As if the connection were lost between the question and the sending.
            patched.setattr(session, "connected", lambda: True)
            with pytest.raises(Unreachable):
                session.commit(UNGUARDED, [Create(path="/late")], deadline_s=0.3)
        server.start()
        # Withdrawing it has cost a connection, and no session.
        wait_until(lambda: session.connected() and session.era.connection == 3, BACK_S, "it is back")
        assert session.era.session == 0
        session.commit(UNGUARDED, [Create(path="/in-time")], deadline_s=5.0)
        assert session.peek("/late").take(5.0) is None
        assert session.peek("/in-time").take(5.0) is not None
    finally:
        session.close()


def test_after_an_expired_session_a_controller_stands_and_tells_again(cluster: Cluster, server: Server):
    leader = cluster.leader()
    leader.publish(an_observer_report(ZHAOHUI), deadline_s=5.0)
    era = leader._session.era
    server.freeze()
    wait_until(lambda: not leader.leading(), 3.0, "a frozen server is noticed")
    time.sleep(3.0)  # the session's time passes at the server
    server.thaw()
    wait_until(leader.leading, BACK_S, "it leads again")
    assert leader._session.era.session > era.session, "the session was to expire"
    wait_until(lambda: leader.observers() == {ZHAOHUI: an_observer_report(ZHAOHUI)}, 5.0, "the report is told again")


def test_closing_ends_in_time_even_when_the_server_is_frozen(cluster: Cluster, server: Server):
    leader = cluster.leader()
    server.freeze()
    began_s = time.monotonic()
    leader.close()
    assert time.monotonic() - began_s < 10.0
    assert not leader.connected()


def test_a_controller_that_starts_before_its_server_leads_as_soon_as_there_is_one(cluster: Cluster, server: Server):
    server.kill()
    early = cluster.controller(start=False)
    began_s = time.monotonic()
    early.start(deadline_s=0.5)
    assert time.monotonic() - began_s < 10.0
    early.campaign(wish=True)
    assert not early.connected()
    server.start()
    wait_until(early.leading, BACK_S, "it leads")


def test_servers_whose_data_was_wiped_are_joined_with_a_new_session(
    cluster: Cluster, server: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(session_module, "RENEW_AFTER_S", 1.5)
    leader = cluster.leader()
    leader.create_record(a_record(), deadline_s=5.0)
    server.kill()
    shutil.rmtree(server.folder / "data" / "version-2")
    server.start()
    wait_until(leader.leading, 15.0, "it leads again")
    wait_until(lambda: leader.group(LIS).record is None, 5.0, "what is gone is seen to be gone")


def test_a_bug_that_ends_kazoos_thread_does_not_end_the_coordinator(cluster: Cluster, monkeypatch: pytest.MonkeyPatch):
    leader = cluster.leader()
    handler = leader._session._handler

    def broken(*_: object) -> None:
        raise ValueError("pop from an empty deque")

    monkeypatch.setattr("threading.excepthook", lambda _: None)
    monkeypatch.setattr(handler, "select", broken)
    wait_until(lambda: not leader.connected(), 5.0, "the thread ends")
    wait_until(leader.leading, 10.0, "a new one leads")


# What people do


def test_a_record_that_cannot_be_read_is_told_by_its_path_and_hides_no_other_group(
    cluster: Cluster, human: KazooClient
):
    other = GroupName("other")
    leader = cluster.leader(groups={LIS: Policy(), other: Policy()})
    leader.create_record(a_record(), deadline_s=5.0)
    fine = leader.create_record(a_record(other), deadline_s=5.0)
    path = cluster.path("groups/lis/record")
    human.set(path, b'{"format":1}')
    wait_until(lambda: leader.group(LIS).unreadable != "", 3.0, "it is noticed")
    assert path in leader.group(LIS).unreadable
    assert leader.group(LIS).record is None
    assert leader.group(other).record == fine
    with pytest.raises(InvalidInput, match=path):
        leader.create_record(a_record(), deadline_s=5.0)


def test_a_leader_whose_node_is_deleted_learns_it_from_its_next_write_and_stands_again(
    cluster: Cluster, human: KazooClient, monkeypatch: pytest.MonkeyPatch
):
    leader = cluster.leader()
    record = leader.create_record(a_record(), deadline_s=5.0)
    with monkeypatch.context() as patched:
        # As if the watch came too late.
        patched.setattr(leader._session, "_touched", lambda _: None)
        (node,) = human.get_children(cluster.path("election"))
        human.delete(cluster.path(f"election/{node}"))
        with pytest.raises(LeadershipLost):
            begin(leader, record, 2)
    wait_until(leader.leading, 2.0, "it stands again by itself")
    record, _ = begin(leader, record, 2)
    assert record.epoch == 2


def test_what_only_others_may_change_is_refused_in_words(cluster: Cluster, human: KazooClient):
    leader = cluster.leader()
    record = leader.create_record(a_record(), deadline_s=5.0)
    human.set_acls(cluster.path("groups/lis/record"), [make_acl("world", "anyone", read=True)])
    with pytest.raises(EffectRefused, match="groups/lis/record"):
        begin(leader, record, 2)
    assert leader.leading()


def test_a_shorter_session_than_the_servers_grant_is_complained_of(cluster: Cluster):
    fine, hasty = cluster.controller(), cluster.controller(session_timeout_s=0.6)
    assert (fine.negotiated_timeout_s, fine.timeout_complaint()) == (2.0, "")
    assert hasty.negotiated_timeout_s == 1.0
    assert "minSessionTimeout" in hasty.timeout_complaint()


def test_two_controllers_of_one_center_do_not_fight_over_its_report(cluster: Cluster):
    first, second = cluster.controller(ZHAOHUI), cluster.controller(ZHAOHUI)
    first.publish(an_observer_report(ZHAOHUI), deadline_s=5.0)
    second.publish(an_observer_report(ZHAOHUI), deadline_s=5.0)
    node = cluster.path("observers/zhaohui")
    owner = second._session.peek(node).take(1.0).owner
    for one in (first, second):
        one._refresh.touched(cluster.path("observers"))
    time.sleep(0.3)  # both have looked by then
    assert second._session.peek(node).take(1.0).owner == owner == second._session.id


# Bounds


def test_history_and_answers_are_bounded(cluster: Cluster):
    leader = cluster.leader(groups={LIS: replace(Policy(), history_runs_max=3, requests_max=2)})
    record = leader.create_record(a_record(), deadline_s=5.0)
    for epoch in range(2, 8):
        record, run = begin(leader, record, epoch)
        record = leader.finish_run(replace(record, run=None), run, deadline_s=5.0)
        request = leader.submit(a_request(), deadline_s=5.0)
        leader.answer(RequestAnswer(request=request.id, accepted=True, message=""), LIS, deadline_s=5.0)
    wait_until(lambda: len(leader.history(LIS, limit=99, deadline_s=5.0)) == 3, 3.0, "the oldest runs are removed")
    assert [run.id for run in leader.history(LIS, limit=99, deadline_s=5.0)] == ["lis-7", "lis-6", "lis-5"]
    answers = cluster.path("groups/lis/answers")
    wait_until(
        lambda: len(leader._session.peek_children(answers).take(5.0)) == 2, 3.0, "the oldest answers are removed"
    )
    for _ in range(2):
        leader.submit(a_request(), deadline_s=5.0)
    with pytest.raises(EffectRefused, match="wait for an answer"):
        leader.submit(a_request(), deadline_s=5.0)


def test_a_journal_that_has_grown_too_big_drops_words_and_its_run_goes_on_to_its_end(cluster: Cluster):
    leader = cluster.leader(groups={LIS: replace(Policy(), journal_bytes_max=8_000)})
    record, run = begin(leader, leader.create_record(a_record(), deadline_s=5.0), 2)
    grown = replace(run, note="x" * 10_000)
    saved = leader.save_run(grown, deadline_s=5.0)
    read = leader.run(run.id, deadline_s=5.0)
    assert read is not None
    assert len(read.note) < 1_000
    grown = replace(grown, journal_version=saved.journal_version)
    leader.finish_run(replace(record, run=None), grown, deadline_s=5.0)
    (finished,) = leader.history(LIS, limit=1, deadline_s=5.0)
    assert finished.id == run.id
    assert len(finished.note) < 1_000


# A visitor


def test_a_visitor_sees_everything_after_a_few_round_trips_and_can_ask(cluster: Cluster):
    leader = cluster.leader()
    record, run = begin(leader, leader.create_record(a_record(), deadline_s=5.0), 2)
    leader.publish(an_observer_report(ZHAOHUI), deadline_s=5.0)
    began_s = time.monotonic()
    visitor = cluster.controller(FUYANG, presence=Presence.VISITOR)
    elapsed_s = time.monotonic() - began_s
    assert visitor.leader() == ZHAOHUI
    assert (visitor.group(LIS).record, visitor.group(LIS).run) == (record, run)
    assert visitor.observers() == {ZHAOHUI: an_observer_report(ZHAOHUI)}
    assert elapsed_s < 5.0
    request = visitor.submit(a_request(), deadline_s=5.0)
    wait_until(lambda: leader.group(LIS).requests == (request,), 3.0, "the leader sees it")
    leader.answer(RequestAnswer(request=request.id, accepted=False, message="no"), LIS, deadline_s=5.0)
    answer = visitor.answered(request, deadline_s=5.0)
    assert answer is not None
    assert answer.message == "no"
    with pytest.raises(AssertionError):
        visitor.campaign(wish=True)


def test_a_visitor_without_a_server_is_told_so_in_time(cluster: Cluster):
    nobody = (Address(host="127.0.0.1", port=free_ports(1)[0]),)
    visitor = cluster.controller(presence=Presence.VISITOR, start=False, hosts=nobody)
    began_s = time.monotonic()
    with pytest.raises(Unreachable, match="no ZooKeeper server answers"):
        visitor.start(deadline_s=0.5)
    visitor.close()
    assert time.monotonic() - began_s < 10.0


# Three at once


def test_three_controllers_that_start_at_once_have_one_leader(cluster: Cluster):
    three = [cluster.controller(center, start=False) for center in (ZHAOHUI, YUECHENG, FUYANG)]
    for one in three:
        one.start(deadline_s=0.0)
        one.campaign(wish=True)
    wait_until(lambda: all(one.leader() for one in three), 5.0, "there is a leader")
    assert len({one.leader() for one in three}) == 1
    assert [one.leading() for one in three].count(True) == 1


def test_a_leader_that_is_unsure_of_a_write_looks_before_it_acts_again(cluster: Cluster):
    """The answer of a transaction is lost, and it did happen: the next reading shows the run that was begun."""
    leader = cluster.leader()
    record = leader.create_record(a_record(), deadline_s=5.0)
    commit = leader._session.commit

    def lost(*args: object, **kwargs: object) -> None:
        commit(*args, **kwargs)  # type: ignore[arg-type]
        raise EffectUnknown("the answer was lost")

    leader._session.commit = lost  # type: ignore[assignment, method-assign]
    with pytest.raises(EffectUnknown):
        begin(leader, record, 2)
    leader._session.commit = commit  # type: ignore[method-assign]
    wait_until(lambda: leader.group(LIS).run is not None, 3.0, "the run is seen")
    with pytest.raises(DrctlError):
        begin(leader, record, 2)
