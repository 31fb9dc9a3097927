"""A controller that answers from a snapshot, a configuration that names it, and a coordinator that takes requests."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import ModuleType
from typing import Self

import pytest
from click.testing import CliRunner, Result

from drctl.cli import follow, wish
from drctl.cli.main import program
from drctl.config import Configuration, load
from drctl.model.errors import EffectRefused
from drctl.model.identity import CenterName, GroupName, RunId
from drctl.model.picture import cluster_snapshot
from drctl.model.request import Request, RequestAnswer
from drctl.model.run import Run
from drctl.model.snapshot import ClusterSnapshot, GroupSnapshot
from drctl.model.takeover import AdminAccess, Finding, Takeover
from drctl.model.topology import Address
from drctl.telemetry.answers import Answers
from drctl.telemetry.http import HttpServer
from drctl.telemetry.publication import Published
from tests.unit.telemetry.example import CENTERS, NOW_UTC, TOPOLOGY, picture
from tests.unit.telemetry.test_answers import FakeClock


class FakeController:
    """A center's controller, as far as HTTP shows it."""

    def __init__(self, center: str) -> None:
        self.center = CenterName(center)
        self._published = Published(FakeClock())
        self.configuration: dict[str, str] = {}
        router = Answers(
            self._published, metrics=lambda: b"", metrics_type="text/plain", configuration=self.configuration
        )
        self._answers = router
        self.server = HttpServer(Address(host="127.0.0.1", port=0), self, key=f"centers.{center}.http")
        self.asked: list[str] = []
        self.server.start()

    def answer(self, path: str, query: dict[str, str]):
        self.asked.append(path)
        return self._answers.answer(path, query)

    def tell(self, *groups: GroupSnapshot, connected: bool = True, controllers: Sequence[str] = tuple(CENTERS)) -> None:
        self.publish(
            cluster_snapshot(
                TOPOLOGY,
                center=self.center,
                version="0.1.0",
                at_utc=NOW_UTC,
                leader=CenterName("zhaohui") if connected else None,
                connected=connected,
                controllers={CenterName(name) for name in controllers},
                groups=groups or (picture(),),
            )
        )

    def publish(self, snapshot: ClusterSnapshot) -> None:
        self._published.publish(snapshot)


@dataclass
class FakeCoordinator:
    """Takes requests and answers them as the test says."""

    answers: dict[str, RequestAnswer | None] = field(default_factory=dict)
    default: RequestAnswer | None = field(
        default_factory=lambda: RequestAnswer(request="", accepted=True, message="accepted")
    )
    submitted: list[Request] = field(default_factory=list)
    runs: dict[RunId, Run] = field(default_factory=dict)
    refuse: str = ""
    closed: bool = False

    def submit(self, request: Request, *, deadline_s: float) -> Request:
        if self.refuse:
            raise EffectRefused(self.refuse)
        self.submitted.append(replace(request, id=f"r{len(self.submitted)}"))
        return self.submitted[-1]

    def answered(self, request: Request, *, deadline_s: float) -> RequestAnswer | None:
        return self.answers.get(request.group, self.default)

    def run(self, run: RunId, *, deadline_s: float) -> Run | None:
        return self.runs.get(run)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.closed = True


class FakeBootstrap(ModuleType):
    """Stands in for the composition root."""

    def __init__(self) -> None:
        super().__init__("drctl.bootstrap")
        self.coordinator = FakeCoordinator()
        self.controllers: list[str] = []
        self.takeover = Takeover(group=GroupName("lis"), primary=None, findings=(), changes=())
        self.initialised: list[GroupName] = []
        self.access: AdminAccess | None = None
        self.findings: tuple[Finding, ...] = ()

    def coordinator_client(self, configuration: Configuration) -> FakeCoordinator:
        return self.coordinator

    def run_controller(self, configuration: Configuration, center: CenterName) -> None:
        self.controllers.append(center)

    def examine(self, configuration: Configuration, group: GroupName, access: AdminAccess) -> Takeover:
        self.access = access
        return self.takeover

    def initialise(self, configuration: Configuration, takeover: Takeover, access: AdminAccess, progress) -> None:
        self.initialised.append(takeover.group)
        progress("created role drctl")

    def doctor(
        self, configuration: Configuration, groups: tuple[GroupName, ...], access: AdminAccess | None = None
    ) -> tuple[Finding, ...]:
        self.access = access
        return self.findings


@dataclass
class Deployment:
    """Controllers, coordinator and configuration; `drctl` runs the program on them."""

    controllers: dict[str, FakeController]
    bootstrap: FakeBootstrap
    file: Path

    @property
    def zhaohui(self) -> FakeController:
        return self.controllers["zhaohui"]

    @property
    def coordinator(self) -> FakeCoordinator:
        return self.bootstrap.coordinator

    @property
    def configuration(self) -> Configuration:
        return load(self.file)

    def stop(self, *centers: str) -> None:
        for center in centers:
            self.controllers[center].server.close(deadline_s=5.0)

    def drctl(self, *args: str, input: str | None = None) -> Result:  # noqa: A002 - click's word
        return CliRunner().invoke(program, ["--config", str(self.file), *args], input=input, prog_name="drctl")


@pytest.fixture
def deployment(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Deployment]:
    controllers = {center: FakeController(center) for center in CENTERS}
    for controller in controllers.values():
        controller.tell()
    centers = "\n".join(
        f"  {name}: {{label: {CENTERS[name]}, zookeeper: 10.77.0.{n}:2181, http: 127.0.0.1:{controller.server.port}}}"
        for n, (name, controller) in enumerate(controllers.items(), start=11)
    )
    members = "\n".join(
        f"      lis-{name}: {{center: {name}, host: 10.77.0.{n}}}" for n, name in enumerate(CENTERS, start=11)
    )
    file = tmp_path / "cluster.yaml"
    file.write_text(
        f"cluster: lab\ncenters:\n{centers}\nssh: {{identity: /x/id, known_hosts: /x/known}}\n"
        f"groups:\n  lis:\n    home: zhaohui\n    members:\n{members}\n",
        encoding="utf-8",
    )
    fake = FakeBootstrap()
    monkeypatch.setitem(sys.modules, "drctl.bootstrap", fake)
    monkeypatch.setattr(wish, "POLL_S", 0.01)
    monkeypatch.setattr(follow, "POLL_S", 0.01)
    yield Deployment(controllers, fake, file)
    for controller in controllers.values():
        controller.server.close(deadline_s=5.0)
