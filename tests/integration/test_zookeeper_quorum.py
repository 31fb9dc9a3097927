"""The coordinator over three real servers: what the loss of one, of their leader, and of two does to a session."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from drctl.model.errors import DrctlError, Unreachable
from drctl.model.identity import Epoch
from drctl.model.policy import Policy
from drctl.zookeeper.coordinator import ZooKeeperCoordinator
from tests.integration.zookeeper_servers import MonotonicClock, Server, Servers, wait_until
from tests.unit.zookeeper.nouns import FUYANG, LIS, ZHAOHUI, a_record, a_run

pytestmark = [pytest.mark.lab, pytest.mark.slow]
SESSION_TIMEOUT_S = 2.0


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(folder=tmp_path_factory.mktemp("zookeeper"), count=3) as running:
        yield running


@pytest.fixture
def follower(servers: Servers) -> Iterator[Server]:
    yield from _restored(servers, next(server for server in servers.members if not server.leads()))


@pytest.fixture
def quorum_leader(servers: Servers) -> Iterator[Server]:
    wait_until(lambda: any(server.leads() for server in servers.members), 20.0, "ZooKeeper has a leader")
    yield from _restored(servers, next(server for server in servers.members if server.leads()))


def _restored(servers: Servers, server: Server) -> Iterator[Server]:
    yield server
    server.thaw()
    if server.process is not None and server.process.poll() is not None:
        server.start()
    servers.wait_serving()


def controller(servers: Servers, local: Server, cluster: str, center=ZHAOHUI) -> ZooKeeperCoordinator:
    others = [server for server in servers.members if server is not local]
    coordinator = ZooKeeperCoordinator(
        hosts=tuple(server.address for server in (local, *others)),
        root="/drctl",
        cluster=cluster,
        center=center,
        incarnation=f"{center}#1",
        session_timeout_s=SESSION_TIMEOUT_S,
        groups={LIS: Policy()},
        clock=MonotonicClock(),
    )
    coordinator.start(deadline_s=5.0)
    return coordinator


def server_port(coordinator: ZooKeeperCoordinator) -> int:
    wire = coordinator._session._handler.wire
    assert wire is not None
    assert wire.peer is not None
    return wire.peer[1]


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_a_frozen_local_server_costs_a_second_and_no_session(servers: Servers, follower: Server, busy: bool):
    one = controller(servers, follower, f"frozen-{busy}")
    stop = threading.Event()

    def ask() -> None:
        # What it sends keeps kazoo from pinging.
        while not stop.wait(0.05):
            try:
                one.history(LIS, limit=1, deadline_s=0.2)
            except DrctlError:
                continue

    asking = threading.Thread(target=ask)
    try:
        one.campaign(wish=True)
        wait_until(one.leading, 5.0, "it leads")
        assert server_port(one) == follower.port
        if busy:
            asking.start()
        follower.freeze()
        lost_s = wait_until(lambda: not one.connected(), 3.0, "the loss is noticed", poll_s=0.001)
        back_s = wait_until(one.leading, 3.0, "it leads again", poll_s=0.001)
        assert lost_s < SESSION_TIMEOUT_S
        assert lost_s + back_s < SESSION_TIMEOUT_S
        assert one._session.era.session == 0, "the session was to survive"
        assert server_port(one) != follower.port
    finally:
        stop.set()
        if busy:
            asking.join(5.0)
        one.close()


def test_a_killed_local_server_is_replaced_at_once(servers: Servers, follower: Server):
    one = controller(servers, follower, "killed")
    try:
        one.campaign(wish=True)
        wait_until(one.leading, 5.0, "it leads")
        follower.kill()
        wait_until(lambda: one._session.era.connection == 2, 1.0, "another server is found")
        wait_until(one.leading, 1.0, "it leads again")
        assert one._session.era.session == 0, "the session was to survive"
    finally:
        one.close()


def test_a_controller_that_does_not_lead_returns_to_its_own_server(
    servers: Servers, follower: Server, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr("drctl.zookeeper.refresh.HOME_EVERY_S", 0.5)
    one = controller(servers, follower, "home")
    try:
        follower.kill()
        wait_until(lambda: server_port(one) != follower.port and one.connected(), 3.0, "another server is found")
        follower.start()
        wait_until(lambda: server_port(one) == follower.port and one.connected(), 10.0, "it is at home again")
        assert one._session.era.session == 0, "the session was to survive"
    finally:
        one.close()


@pytest.mark.parametrize("how", ["kill", "freeze"])
def test_the_loss_of_zookeepers_leader_costs_no_session(servers: Servers, quorum_leader: Server, how: str):
    local = next(server for server in servers.members if server is not quorum_leader)
    one = controller(servers, local, f"leader-{how}")
    try:
        one.campaign(wish=True)
        wait_until(one.leading, 5.0, "it leads")
        before = one._session.era
        getattr(quorum_leader, how)()
        # tickTime x syncLimit is 2 s, and an election follows.
        wait_until(lambda: one._session.era != before and one.leading(), 8.0, "it leads again")
        assert one._session.era.session == before.session, "the session was to survive"
    finally:
        one.close()


def test_without_a_quorum_calls_are_refused_in_time_and_the_session_is_kept(servers: Servers):
    one = controller(servers, servers.members[0], "quorum")
    try:
        one.campaign(wish=True)
        wait_until(one.leading, 5.0, "it leads")
        record = one.create_record(a_record(), deadline_s=5.0)
        for server in servers.members[1:]:
            server.kill()
        wait_until(lambda: not one.leading(), 5.0, "it leads no longer")
        end_s = time.monotonic() + 2 * SESSION_TIMEOUT_S
        while time.monotonic() < end_s:
            began_s = time.monotonic()
            with pytest.raises(DrctlError):
                one.set_paused(LIS, paused=True, deadline_s=0.3)
            assert time.monotonic() - began_s < 5.0
            assert one.group(LIS).record == record
            time.sleep(0.1)
        for server in servers.members[1:]:
            server.start()
        servers.wait_serving()
        wait_until(one.leading, 10.0, "it leads again")
        assert one._session.era.session == 0, "the session was to survive"
        # None of the refused pauses came late.
        assert one._session.peek("/drctl/quorum/groups/lis/paused").take(5.0).data == b"false"
    finally:
        one.close()


def test_a_leader_that_slept_through_its_replacement_changes_nothing(servers: Servers, tmp_path: Path):
    ports = [str(server.port) for server in servers.members]
    with (tmp_path / "stderr").open("wb") as stderr:
        zombie = subprocess.Popen(
            [sys.executable, "-m", "tests.integration.zombie_controller", *ports],
            cwd=Path(__file__).resolve().parents[2],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=stderr,
            text=True,
        )
    next_one = controller(servers, servers.members[1], "zombie", FUYANG)
    assert zombie.stdin is not None
    assert zombie.stdout is not None
    try:
        assert zombie.stdout.readline() == "begun\n", (tmp_path / "stderr").read_text()
        next_one.campaign(wish=True)
        wait_until(lambda: next_one.group(LIS).run is not None, 5.0, "the run is known")
        os.kill(zombie.pid, signal.SIGSTOP)
        replaced_s = wait_until(next_one.leading, 6.0, "it is replaced")
        state = next_one.group(LIS)
        assert state.record is not None
        assert state.run is not None
        epoch = Epoch(3)
        adopted = replace(state.run, epoch=epoch, owner="fuyang#1")
        record, run = next_one.begin_run(replace(state.record, epoch=epoch), adopted, ended=None, deadline_s=5.0)
        # The order to go on is there before it wakes: nothing can tell it first that it has slept.
        zombie.stdin.write("\n")
        zombie.stdin.flush()
        os.kill(zombie.pid, signal.SIGCONT)
        said = zombie.stdout.readline().split()
        assert said[0] in {"LeadershipLost", "Unreachable"}
        assert said[1] == "False", "a leader that slept must not take itself for one"
        assert next_one.save_run(run, deadline_s=5.0).journal_version == run.journal_version + 1
        assert next_one.group(LIS).record == record
        assert replaced_s < SESSION_TIMEOUT_S + 2.0
    finally:
        os.kill(zombie.pid, signal.SIGCONT)
        zombie.kill()
        zombie.communicate(timeout=10)
        next_one.close()


def test_a_host_that_is_silent_does_not_slow_the_way_around_it(servers: Servers):
    """A socket that listens and never answers stands for a frozen server that is first in the list."""
    with socket.create_server(("127.0.0.1", 0), backlog=8) as silent:
        stand_in = replace(servers.members[0], port=silent.getsockname()[1])
        began_s = time.monotonic()
        one = controller(servers, stand_in, "silent")
        try:
            assert one.connected()
            assert time.monotonic() - began_s < 5.0
        finally:
            one.close()


def test_nobody_is_reached_where_nobody_is_connected(servers: Servers):
    one = controller(servers, servers.members[0], "closed")
    one.close()
    with pytest.raises(Unreachable):
        one.begin_run(a_record(epoch=2, run=a_run(2).id), a_run(2), ended=None, deadline_s=1.0)
