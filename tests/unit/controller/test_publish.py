from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace

from chaos.lab.waiting import wait_until
from drctl.controller.publish import Publisher
from drctl.controller.tick import Coordination
from drctl.decision.memory import Memory
from drctl.model.errors import Unreachable
from drctl.model.identity import CenterName, GroupName, RunId
from drctl.model.run import Outcome, Run
from drctl.model.snapshot import ClusterSnapshot
from drctl.model.topology import Address, Center, Topology
from tests.unit.decision.world import UTC, A, B, C, group, record, rule, view
from tests.unit.zookeeper.nouns import a_run

LIS = GroupName("lis")


class History:
    """The coordinator's ended runs; `broken` while it does not answer."""

    def __init__(self) -> None:
        self.runs: list[Run] = []
        self.broken = False

    def history(self, _group, *, limit, deadline_s):
        assert limit > 0
        assert deadline_s > 0
        if self.broken:
            raise Unreachable("no answer", remedy="wait")
        return tuple(self.runs)


class Stage:
    """A publisher, and a controller that has just passed."""

    def __init__(self) -> None:
        self.past = History()
        self.published: list[ClusterSnapshot] = []
        self.now_s = 1000.0
        address = Address(host="10.0.0.1", port=1)
        centers = tuple(
            Center(name=CenterName(name), label=name, zookeeper=address, http=address)
            for name in ("zhaohui", "yuecheng", "fuyang")
        )
        self.publisher = Publisher(
            topology=Topology(cluster="test", centers=centers, groups=(group(),)),
            coordinator=self.past,
            sink=SimpleNamespace(emit=lambda event: None),
            publish=self.published.append,
            center=CenterName("yuecheng"),
            version="0",
            config_digest="0",
        )

    def passes(self, epoch: int, **changes: object) -> None:
        self.now_s += 0.1
        seen = view(record=record(rule(A, B, C), epoch=epoch), now_s=self.now_s, **changes)
        controller = SimpleNamespace(views={LIS: seen}, memory=lambda name: Memory())
        self.publisher.passed(
            controller,
            Coordination(connected=True, leading=True, leader=CenterName("yuecheng"), groups={}, observers={}),
        )

    def told(self, epoch: int) -> list[RunId]:
        self.passes(epoch)
        return [run.id for run in self.published[-1].groups[0].history]


def ended(epoch: int) -> Run:
    return replace(a_run(epoch), ended_utc=UTC, ended_s=1.0, outcome=Outcome.DONE)


def test_a_run_that_began_and_ended_between_two_looks_is_told():
    stage = Stage()
    stage.passes(1)
    stage.past.runs.append(ended(2))
    wait_until(lambda: stage.told(2) == [ended(2).id], deadline_s=5.0, what="the run is told")


def test_a_history_that_could_not_be_read_is_read_again():
    stage = Stage()
    stage.past.broken = True
    stage.passes(1)
    stage.past.runs.append(ended(1))
    wait_until(stage.publisher._fetches[LIS].done, deadline_s=5.0, what="the reading has failed")
    stage.past.broken = False
    wait_until(lambda: stage.told(1) == [ended(1).id], deadline_s=5.0, what="the run is told")
