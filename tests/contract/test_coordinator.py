from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from drctl.model.identity import CenterName
from drctl.model.policy import Policy
from drctl.ports import Coordinator
from drctl.zookeeper.coordinator import ZooKeeperCoordinator
from tests.contract.coordinator_script import SCENES, World
from tests.integration.zookeeper_servers import MonotonicClock, Servers, wait_until
from tests.unit.zookeeper.nouns import LIS

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(folder=tmp_path_factory.mktemp("zookeeper"), count=1) as running:
        yield running


class RealWorld:
    """One real server, and a place of its own for every scene."""

    def __init__(self, servers: Servers, cluster: str) -> None:
        self._servers = servers
        self._cluster = cluster
        self._started: list[Coordinator] = []

    def controller(self, center: CenterName) -> Coordinator:
        coordinator = ZooKeeperCoordinator(
            hosts=self._servers.hosts,
            root="/drctl",
            cluster=self._cluster,
            center=center,
            incarnation=f"{center}#{len(self._started)}",
            session_timeout_s=2.0,
            groups={LIS: Policy()},
            clock=MonotonicClock(),
        )
        coordinator.start(deadline_s=5.0)
        self._started.append(coordinator)
        return coordinator

    def until(self, condition: Callable[[], bool], what: str) -> None:
        wait_until(condition, 3.0, what)

    def close(self) -> None:
        for coordinator in self._started:
            coordinator.close()


@pytest.mark.parametrize("scene", SCENES, ids=lambda scene: scene.__name__)
def test_zookeeper_keeps_the_contract(scene: Callable[[World], None], servers: Servers):
    world = RealWorld(servers, scene.__name__.replace("_", "-"))
    try:
        scene(world)
    finally:
        world.close()
