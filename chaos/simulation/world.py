"""The simulated world: three centers, and everything in them, made from one seed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path

from chaos.simulation.clients import ClientProgram
from chaos.simulation.controller import ControllerProcess
from chaos.simulation.database import Database, Server
from chaos.simulation.ensemble import Ensemble
from chaos.simulation.host import HostAgent
from chaos.simulation.kernel import Kernel
from chaos.simulation.network import Network
from chaos.simulation.oracle import Oracle
from chaos.simulation.sabotage import Sabotage
from chaos.simulation.wal import Branch
from drctl.config.playbooks import load_playbooks
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName
from drctl.model.playbook import Playbook, RunKind
from drctl.model.policy import Policy
from drctl.model.position import Position, Timeline
from drctl.model.report import MemberReport
from drctl.model.rule import GroupRecord, Rule, SyncSet
from drctl.model.topology import Address, Center, Group, Member, Topology

GROUP = GroupName("lis")
CENTERS = (CenterName("zhaohui"), CenterName("yuecheng"), CenterName("fuyang"))
BEGIN = datetime(2026, 1, 1, tzinfo=UTC)
LOOK_S = 0.25
POLICY = Policy(failovers_per_hour=10_000, retry_after_max_s=8.0, standby_lost_s=3.0)
"""As users have it, but no person is asked after many failovers, and nobody waits a minute for the next try."""


class World:
    """Everything there is. Nothing in it looks at a real clock or throws real dice."""

    def __init__(
        self,
        seed: int,
        *,
        policy: Policy = POLICY,
        sabotage: frozenset[Sabotage] = frozenset(),
        tracing: bool = False,
    ) -> None:
        self.kernel = Kernel(seed)
        self.sabotage = sabotage
        self.tracing = tracing
        self.trace: list[str] = []
        self.centers = CENTERS
        self.topology = topology(policy)
        self.group = self.topology.groups[0]
        self.members = {member.name: member for member in self.group.members}
        self.names = tuple(self.members)
        self.playbooks = playbooks()
        self.network = Network(self.kernel)
        self.oracle = Oracle(self)
        self.first_branch = Branch(number=1)
        self._off: set[CenterName] = set()
        self._frozen: set[CenterName] = set()
        self.ensemble = Ensemble(self)
        self.databases = {name: Database(self, name, member.center) for name, member in self.members.items()}
        self.agents = {name: HostAgent(self, database) for name, database in self.databases.items()}
        self.controllers = {center: ControllerProcess(self, center) for center in CENTERS}
        self.clients = tuple(ClientProgram(self, center) for center in CENTERS)
        self._utc = (-1.0, "")
        self._begin()

    def _begin(self) -> None:
        """A healthy group whose first record stands."""
        first, *others = self.names
        rule = Rule(primary=first, sync=SyncSet(count=self.group.policy.sync_count, members=frozenset(others)))
        for name, database in self.databases.items():
            database.server = Server.RUNNING
            database.in_recovery = database.standby_signal = name != first
            database.upstream = None if name == first else first
            if name == first:
                database.sync = database.sync_on_disk = rule.sync
        record = GroupRecord(group=GROUP, version=-1, epoch=Epoch(1), primary=first, rules=(rule,))
        self.ensemble.create(record)
        self.oracle.begun(record)
        for controller in self.controllers.values():
            controller.start()
        self.kernel.after(0.01, self._look)

    def _look(self) -> None:
        """Now and then: what happens everywhere without anybody's doing."""
        self.kernel.after(LOOK_S, self._look)
        self.ensemble.look()
        for controller in self.controllers.values():
            if controller.process.runs:
                controller.client.beat()
        for database in self.databases.values():
            for stream in tuple(database.senders):
                stream.look()
            if database.receiver is not None:
                database.receiver.look()
            elif database.upstream is not None and self.kernel.chance(0.5):
                database.dial()

    # Asked by everybody

    def powered(self, center: CenterName) -> bool:
        """Whether the center's machines have power."""
        return center not in self._off

    def frozen(self, center: CenterName) -> bool:
        """Whether all of the center sleeps."""
        return center in self._frozen

    def utc(self) -> str:
        """Wall time."""
        if self._utc[0] != self.kernel.now_s:
            at = BEGIN + timedelta(seconds=self.kernel.now_s)
            self._utc = (self.kernel.now_s, at.isoformat(timespec="milliseconds"))
        return self._utc[1]

    def told(self, position: Position) -> Position:
        """A position as a host tells it."""
        return replace(position, timeline=Timeline(1)) if Sabotage.TIMELINE in self.sabotage else position

    def dated(self, report: MemberReport, now_s: float) -> MemberReport:
        """A report by the clock of whoever asked."""
        answered_at_s = now_s if report.facts is not None else None
        return replace(report, at_s=now_s, answered_at_s=answered_at_s)

    def forgiven(self, database: Database) -> bool:
        """Whether commits that are acknowledged now are a person's fault, and reported as exposed."""
        return database.emptied and database.sync is None

    def without_the_old_rule(self, record: GroupRecord) -> GroupRecord:
        """What a sabotaged record becomes."""
        return replace(record, rules=record.rules[-1:])

    def connections_broke(self, database: Database) -> None:
        """Sockets of a server were closed by a living kernel: whoever is connected is told."""
        for center, controller in self.controllers.items():
            process = controller.process
            if process.alive:
                self.network.carry(
                    database.center, center, process.arrive, controller.lost_connection, database.name, keep_s=0.0
                )

    def note(self, what: str, *words: object) -> None:
        """A line of the story, when somebody reads it."""
        if self.tracing:
            self.trace.append(
                f"{self.kernel.now_s:9.3f} {what:11} {' '.join(str(word) for word in words if word != '')}"
            )

    # Done to centers

    def power_off(self, center: CenterName) -> None:
        """Everything in a center ends at once, and nobody is told."""
        if not self.powered(center):
            return
        if self.frozen(center):
            self.thaw(center)
        self._off.add(center)
        self.ensemble.servers[center].alive = False
        self.controllers[center].stop()
        for name, database in self.databases.items():
            if database.center == center:
                database.die(quietly=True)
                database.server = Server.DOWN
                agent = self.agents[name]
                agent.process.kill()
                if agent.job is not None and agent.job.process.alive:
                    agent.job.process.kill()

    def power_on(self, center: CenterName) -> None:
        """A center comes back."""
        if self.powered(center):
            return
        self._off.discard(center)
        self.ensemble.servers[center].alive = True
        for agent in self.agents.values():
            if agent.center == center:
                agent.boot()
        if not self.controllers[center].process.alive:
            self.controllers[center].start()

    def freeze(self, center: CenterName) -> None:
        """Everything in a center sleeps."""
        if not self.powered(center) or self.frozen(center):
            return
        self._frozen.add(center)
        self.ensemble.servers[center].alive = False
        self.controllers[center].stall()
        for agent in self.agents.values():
            if agent.center == center:
                agent.process.freeze()
                agent.database.process.freeze()
                if agent.job is not None:
                    agent.job.process.freeze()

    def thaw(self, center: CenterName) -> None:
        """And goes on."""
        if not self.frozen(center):
            return
        self._frozen.discard(center)
        self.ensemble.servers[center].alive = True
        self.controllers[center].wake()
        for agent in self.agents.values():
            if agent.center == center:
                agent.process.thaw()
                agent.database.process.thaw()
                if agent.job is not None:
                    agent.job.process.thaw()


@cache
def playbooks() -> Mapping[RunKind, Playbook]:
    """The shipped ones."""
    return load_playbooks(Path(__file__).parent.parent.parent / "playbooks")


def topology(policy: Policy) -> Topology:
    """One group over three centers."""
    centers = tuple(
        Center(
            name=name,
            label=name,
            zookeeper=Address(host=f"10.0.0.{number}", port=2181),
            http=Address(host=f"10.0.0.{number}", port=8008),
        )
        for number, name in enumerate(CENTERS, 1)
    )
    members = tuple(
        Member(name=MemberName(f"{GROUP}-{name}"), group=GROUP, center=name, host=f"10.0.0.{number}", port=5432)
        for number, name in enumerate(CENTERS, 1)
    )
    return Topology(
        cluster="simulated",
        centers=centers,
        groups=(Group(name=GROUP, home=CENTERS[0], members=members, policy=policy),),
    )
