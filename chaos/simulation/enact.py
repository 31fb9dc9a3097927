"""What `drctl/controller/perform.py` does with ports at once, done in virtual time: an effect is sent, happens, is answered."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, assert_never

from chaos.simulation.coordinator import Client
from chaos.simulation.host import Answer
from chaos.simulation.kernel import Future, Steps, Wait
from chaos.simulation.look import facts_of
from chaos.simulation.network import KEEP_S
from chaos.simulation.sabotage import Sabotage
from drctl.controller.effect import (
    AnswerRequest,
    BeginRun,
    Campaign,
    ChangeRecord,
    Effect,
    FinishRun,
    GuardFence,
    HostCall,
    Inspect,
    MarkerCall,
    PoolCall,
    Probe,
    Publish,
    QueryCall,
    Result,
    SaveRun,
    SetPaused,
    Stored,
    StoreEffect,
    WatchMarker,
    WebCall,
)
from drctl.model.command import Fence, HostCommand
from drctl.model.errors import EffectRefused, EffectUnknown, Unreachable
from drctl.model.evidence import Evidence, MarkerAcked
from drctl.model.identity import CenterName, Epoch, MemberName
from drctl.model.report import HostReport, MemberReport, Reachability
from drctl.model.topology import Member

if TYPE_CHECKING:
    from chaos.simulation.world import World

CONNECT_S = 2.0
FAULTY = 0.002
LOST = 0.005


class Hands:
    """One start of one controller: how its effects reach the world."""

    def __init__(self, world: World, center: CenterName, client: Client) -> None:
        self.world = world
        self.center = center
        self.client = client
        self._markers: dict[MemberName, tuple[Future[bool], float, int, int]] = {}
        """The marker that still waits, by member: since when, in which life of the server, after how many cuts of the link."""

    def perform(self, effect: Effect) -> Steps[Result]:
        """Let `effect` happen. Raises what the ports raise."""
        match effect:
            case Probe(member=member, deadline_s=deadline_s):
                return (yield from self._probe(member, deadline_s))
            case Inspect(member=member, deadline_s=deadline_s):
                return (yield from self._inspect(member, deadline_s))
            case WatchMarker() | MarkerCall():
                return (yield from self._mark(effect.member, effect.sequence, effect.deadline_s))
            case HostCall():
                return (yield from self._call(effect.member, effect.epoch, effect.command, effect.deadline_s))
            case GuardFence():
                return (yield from self._call(effect.member, effect.epoch, Fence(), effect.deadline_s))
            case Publish(report=report, deadline_s=deadline_s):
                yield from self.client.publish(report, deadline_s)
            case Campaign(wish=wish):
                self.client.campaign(wish=wish)
            case AnswerRequest(group=group, answer=answer, deadline_s=deadline_s):
                yield from self.client.answer(group, answer, deadline_s)
            case SetPaused(group=group, paused=paused, answer=answer, deadline_s=deadline_s):
                ensemble = self.world.ensemble
                yield from self.client.write(lambda: ensemble.set_paused(group, paused=paused), deadline_s)
                yield from self.client.answer(group, answer, deadline_s)
            case BeginRun() | SaveRun() | ChangeRecord() | FinishRun():
                return (yield from self._store(effect))
            case PoolCall() | QueryCall() | WebCall():
                raise EffectRefused("the simulated hospital runs the playbooks as they are shipped")
            case _:
                assert_never(effect)
        return None

    def _store(self, effect: StoreEffect) -> Steps[Stored]:
        record = None if isinstance(effect, SaveRun) else effect.record
        finish = isinstance(effect, FinishRun)
        if isinstance(effect, ChangeRecord) and record is not None and Sabotage.JOINT in self.world.sabotage:
            record = self.world.without_the_old_rule(record)
        record, run = yield from self.client.store(
            record,
            effect.run,
            ended=effect.ended if isinstance(effect, BeginRun) else None,
            finish=finish,
            deadline_s=effect.deadline_s,
        )
        return Stored(record=None if isinstance(effect, SaveRun) else record, run=None if finish else run)

    # Databases

    def _probe(self, member: Member, deadline_s: float) -> Steps[MemberReport]:
        world, database = self.world, self.world.databases[member.name]
        answer: Future[MemberReport] = Future()

        def there() -> None:
            if world.powered(database.center) and not database.process.frozen:
                report = facts_of(database, member)
                if world.kernel.chance(FAULTY):
                    report = MemberReport(
                        member=member.name, at_s=0.0, reachability=Reachability.FAULTY, detail="too many connections"
                    )
                world.network.carry(database.center, self.center, answer.set, report, keep_s=0.0)

        if not world.kernel.chance(LOST):
            world.network.carry(self.center, database.center, there, keep_s=0.0)
        came = yield Wait(answer, deadline_s)
        now_s = world.kernel.now_s
        if not came or answer.value is None:
            return MemberReport(
                member=member.name, at_s=now_s, reachability=Reachability.SILENT, detail=f"no answer in {deadline_s} s"
            )
        return world.dated(answer.value, now_s)

    def _mark(self, member: Member, sequence: int, deadline_s: float) -> Steps[MarkerAcked]:
        world, database = self.world, self.world.databases[member.name]
        end_s = world.kernel.now_s + deadline_s
        if Sabotage.MARKER in world.sabotage:
            yield 0.01
            return MarkerAcked(sequence=sequence, position=database.wal.position, elapsed_s=0.01)
        if member.name in self._markers:
            waiting, sent_at_s, life, cuts = self._markers[member.name]
            line_lives = database.process.life == life and world.network.cuts(self.center, database.center) == cuts
            if not waiting.done and (line_lives or world.kernel.now_s - sent_at_s < KEEP_S):
                yield Wait(waiting, deadline_s)
            if not waiting.done and (line_lives or world.kernel.now_s - sent_at_s < KEEP_S):
                raise EffectRefused(f"an earlier marker on {member.name} still waits: none was added")
        path = world.network.both(self.center, database.center)
        if not path or not world.powered(database.center):
            yield min(CONNECT_S, max(0.01, end_s - world.kernel.now_s))
            raise Unreachable(f"{member.name} does not answer")
        ended: Future[bool] = Future()
        cuts = world.network.cuts(self.center, database.center)
        self._markers[member.name] = (ended, world.kernel.now_s, database.process.life, cuts)

        def told(acknowledged: bool) -> None:  # noqa: FBT001 - what a database says of a commit
            world.network.carry(database.center, self.center, ended.set, acknowledged)

        world.network.carry(self.center, database.center, self._arrive, database, told)
        came = yield Wait(ended, max(0.01, end_s - world.kernel.now_s))
        if not came:
            raise EffectUnknown(f"the marker on {member.name} is not acknowledged")
        if not ended.value:
            raise EffectUnknown(f"the session with {member.name} broke")
        return MarkerAcked(sequence=sequence, position=database.wal.position, elapsed_s=0.01)

    @staticmethod
    def _arrive(database: object, told: Callable[[bool], None]) -> None:
        from chaos.simulation.database import Database  # noqa: PLC0415 - for the type alone

        assert isinstance(database, Database), "markers go to databases"
        if database.process.alive:
            database.process.arrive(database.commit, told)
        elif database.world.powered(database.center):
            told(False)  # noqa: FBT003 - nothing listens there

    # Hosts

    def _inspect(self, member: Member, deadline_s: float) -> Steps[HostReport]:
        world, agent = self.world, self.world.agents[member.name]
        answer: Future[HostReport] = Future()

        def there() -> None:
            if agent.process.runs:
                report = agent.inspect(world.kernel.now_s)
                world.network.carry(agent.center, self.center, answer.set, report, keep_s=0.0)

        if not agent.deaf:
            world.network.carry(self.center, agent.center, there, keep_s=0.0)
        came = yield Wait(answer, 0.05 if agent.deaf else deadline_s)
        if not came or answer.value is None:
            return HostReport(member=member.name, at_s=world.kernel.now_s, answers=False, detail="timeout")
        return answer.value

    def _call(self, member: Member, epoch: Epoch, command: HostCommand, deadline_s: float) -> Steps[Evidence]:
        world, agent = self.world, self.world.agents[member.name]
        path = world.network.both(self.center, agent.center)
        if agent.deaf or not world.powered(agent.center) or (not path and world.kernel.chance(0.5)):
            yield 0.05 if agent.deaf else min(CONNECT_S, deadline_s)
            raise Unreachable(f"the host of {member.name} does not answer")
        answer: Future[Answer] = Future()
        world.network.carry(
            self.center,
            agent.center,
            agent.process.arrive,
            agent.serve,
            self.center,
            epoch,
            command,
            deadline_s,
            answer,
        )
        came = yield Wait(answer, deadline_s)
        if not came or answer.value is None:
            raise EffectUnknown(f"{member.name}: {command.name}: no answer in {deadline_s:g} s")
        evidence, error = answer.value
        if error is not None:
            raise error
        assert evidence is not None, "an answer is evidence or an error"
        return evidence
