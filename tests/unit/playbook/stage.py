"""A stage for runs: a driver, a coordinator in memory, and a hospital whose hosts do at once what they are told."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from drctl.controller.driver import Driver
from drctl.controller.effect import (
    AnswerRequest,
    BeginRun,
    ChangeRecord,
    Effect,
    EffectEnded,
    FinishRun,
    HostCall,
    MarkerCall,
    QueryCall,
    SaveRun,
    Stored,
    WebCall,
)
from drctl.model.command import (
    Checkpoint,
    Fence,
    Follow,
    HostCommand,
    IfPrimary,
    Promote,
    Rejoin,
    RunAllowed,
    Seal,
    SetSync,
    Start,
    Stop,
)
from drctl.model.errors import DrctlError, EffectUnknown, StaleEpoch
from drctl.model.event import Event
from drctl.model.evidence import (
    Checked,
    CommandRan,
    Evidence,
    Fenced,
    Following,
    HttpAnswered,
    MarkerAcked,
    Promoted,
    Queried,
    Rejoined,
    Sealed,
    SealedRole,
    Started,
    Stopped,
    SyncChanged,
)
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, run_id
from drctl.model.playbook import Playbook, RunKind
from drctl.model.position import Lsn, Position, Timeline
from drctl.model.report import Postmaster
from drctl.model.request import Request, RequestAnswer
from drctl.model.rule import GroupRecord, SyncSet
from drctl.model.run import Run, StepRecord
from drctl.model.view import GroupView
from drctl.playbook.adoption import adopted
from drctl.zookeeper.records import decode_run, encode_run
from tests.unit.decision.world import (
    NOW_S,
    UTC,
    A,
    B,
    C,
    group,
    host_answers,
    host_silent,
    primary_answers,
    record,
    silent,
    standby_answers,
    view,
)

TICK_S = 0.5
LONG_S = 3 * 3600.0
END = Position(timeline=Timeline(1), lsn=Lsn(100))
PROMOTED = Position(timeline=Timeline(2), lsn=Lsn(100))
Answer = Callable[[Effect, int], Evidence | DrctlError | None]
"""What the outside says to a call, which is the n-th of its step; None leaves it to the hospital."""


@dataclass
class Hospital:
    """Three members; what a host is told to do is done, once its epoch is not over."""

    role: dict[MemberName, str] = field(default_factory=lambda: {A: "primary", B: "standby", C: "standby"})
    """primary, standby, down or dead (its host too)."""
    upstream: dict[MemberName, MemberName | None] = field(default_factory=lambda: {A: None, B: A, C: A})
    sync: SyncSet | None = None
    epoch: dict[MemberName, Epoch] = field(default_factory=dict)

    def followers(self, name: MemberName) -> tuple[MemberName, ...]:
        return tuple(sorted(each for each, up in self.upstream.items() if up == name and self.role[each] == "standby"))

    def call(self, name: MemberName, epoch: Epoch, command: HostCommand) -> Evidence:
        if self.role[name] == "dead":
            raise EffectUnknown(f"{name} is silent")
        if epoch < self.epoch.get(name, 0):
            raise StaleEpoch(f"epoch {epoch} is over")
        self.epoch[name] = epoch
        return self.do(name, command)

    def do(self, name: MemberName, command: HostCommand) -> Evidence:
        match command:
            case Seal(if_primary=if_primary):
                if self.role[name] == "primary" and if_primary is IfPrimary.REPORT:
                    return Sealed(role=SealedRole.PRIMARY, sealed=False, position=None)
                self.upstream[name] = None
                return Sealed(role=SealedRole.STANDBY, sealed=True, position=END)
            case Fence():
                self.role[name] = "down"
                return Fenced(position=END)
            case Stop():
                self.role[name] = "down"
                return Stopped(final=END, clean=True)
            case Start():
                self.role[name] = "primary"
                return Started(in_recovery=False)
            case Promote(sync=sync):
                already = self.role[name] == "primary"
                self.role[name], self.sync = "primary", sync
                return Promoted(position=PROMOTED, already=already)
            case SetSync(sync=sync):
                self.sync = sync
                return SyncChanged(value=sync.setting)
            case Follow(upstream=upstream) | Rejoin(upstream=upstream):
                self.role[name], self.upstream[name] = "standby", upstream
                if isinstance(command, Rejoin):
                    return Rejoined(state="done", phase="done", method="rewind")
                return Following(upstream=upstream, streaming=True)
            case Checkpoint():
                return Checked(detail="checkpoint written")
            case RunAllowed(allowed=allowed):
                return CommandRan(command=allowed, code=0, output="")

    def mark(self, name: MemberName, sequence: int) -> Evidence:
        assert self.sync is not None
        following = set(self.followers(name)) & self.sync.members
        if self.role[name] != "primary" or len(following) < self.sync.count:
            raise EffectUnknown(f"the marker on {name} was not acknowledged")
        return MarkerAcked(sequence=sequence, position=PROMOTED, elapsed_s=0.01)

    def seen(self, now_s: float, now_utc: str, held: GroupRecord | None, run: Run | None) -> GroupView:
        reports, hosts = {}, {}
        for name, role in self.role.items():
            up = self.upstream[name]
            if role == "primary":
                reports[name] = primary_answers(name, *self.followers(name), sync=self.sync)
            elif role == "standby":
                reports[name] = standby_answers(name, up or A, heard_s=None if up is None else 0.1)
            else:
                reports[name] = silent(name, 5.0)
            hosts[name] = (
                host_silent(name)
                if role == "dead"
                else host_answers(name, **({"postmaster": Postmaster.DOWN} if role == "down" else {}))
            )
        return view(now_s=now_s, now_utc=now_utc, record=held, run=run, reports=reports, hosts=hosts)

    @property
    def state(self) -> object:
        """What must be the same at the end, whoever drove the run there."""
        return (self.role, self.upstream, self.sync)


class Died(Exception):
    """The controller is gone."""


class Stage:
    """One run from its beginning to its end, under one controller or several."""

    def __init__(
        self,
        playbook: Playbook,
        *,
        hospital: Hospital | None = None,
        answer: Answer = lambda _effect, _count: None,
        candidate: MemberName | None = None,
        sync: SyncSet | None = None,
        requested_by: str = "mei@lis-1",
    ) -> None:
        self.hospital = hospital or Hospital()
        self.now_s = NOW_S
        self.held = record()
        self.hospital.sync = self.held.rule.sync
        self.journal = b""
        self.ended: Run | None = None
        self.events: list[tuple[float, Event]] = []
        self.answers: list[RequestAnswer] = []
        self.performed: list[str] = []
        """Every effect that happened, by its name and member."""
        self.dies_at: int | None = None
        """The controller dies when so many effects have happened, before it hears of the last one."""
        self._answer = answer
        self._asked: dict[str, int] = {}
        self.driver = Driver(self._emit)
        self._begin(playbook, candidate, sync, requested_by)

    @property
    def at_s(self) -> float:
        return self.now_s - NOW_S

    @property
    def utc(self) -> str:
        return (datetime.fromisoformat(UTC) + timedelta(seconds=self.at_s)).isoformat(timespec="milliseconds")

    def _emit(self, event: Event) -> None:
        self.events.append((self.at_s, event))

    def _begin(self, playbook: Playbook, candidate: MemberName | None, sync: SyncSet | None, requested_by: str) -> None:
        epoch = Epoch(self.held.epoch + 1)
        handover = playbook.kind in {RunKind.SWITCHOVER, RunKind.SWITCHBACK, RunKind.EVACUATE}
        run = Run(
            id=run_id(GroupName("lis"), epoch),
            group=GroupName("lis"),
            kind=playbook.kind,
            epoch=epoch,
            owner="yuecheng#1",
            center=CenterName("yuecheng"),
            playbook=playbook,
            reason="",
            requested_by=requested_by,
            request="1" if requested_by != "policy" else "",
            old_primary=self.held.primary,
            candidate=candidate or (B if handover else None),
            sync=sync,
            started_utc=self.utc,
            started_s=self.now_s,
            steps=tuple(StepRecord(id=step.id) for step in playbook.steps),
        )
        self._let(self.driver.begin(replace(self.held, epoch=epoch, run=run.id), run, None))

    def adopt(self) -> None:
        """Another controller finds the journal, as it was stored."""
        self.driver = Driver(self._emit)
        self.dies_at = None
        found = decode_run(self.journal, path="/run", version=-1)
        epoch = Epoch(self.held.epoch + 1)
        run = adopted(found, epoch=epoch, owner="fuyang#2", now_s=self.now_s, now_utc=self.utc)
        self._let(self.driver.begin(replace(self.held, epoch=epoch), run, None))

    # Effects

    def _let(self, *effects: Effect) -> None:
        waiting = list(effects)
        while waiting:
            effect = waiting.pop(0)
            waiting += self._happen(effect)

    def _happen(self, effect: Effect) -> tuple[Effect, ...]:
        result, error = None, None
        try:
            result = self._perform(effect)
        except DrctlError as raised:
            error = raised
        member = getattr(effect, "member", None)
        self.performed.append(effect.name if member is None else f"{effect.name} {member.name}")
        if self.dies_at is not None and len(self.performed) >= self.dies_at:
            raise Died
        ended = EffectEnded(effect=effect, result=result, error=error)
        if isinstance(effect, HostCall | MarkerCall | QueryCall | WebCall):
            self.driver.effect_ended(ended, self.now_s)
            return ()
        if isinstance(effect, AnswerRequest):
            return ()
        return self.driver.stored(ended)

    def _perform(self, effect: Effect) -> Evidence | Stored | None:
        if isinstance(effect, HostCall | MarkerCall | QueryCall | WebCall):
            self._asked[effect.step] = self._asked.get(effect.step, 0) + 1
            scripted = self._answer(effect, self._asked[effect.step])
            if isinstance(scripted, DrctlError):
                raise scripted
            if scripted is not None:
                return scripted
        if isinstance(effect, SaveRun | ChangeRecord | FinishRun) and effect.run.epoch < self.held.epoch:
            raise StaleEpoch("another controller owns the run")
        match effect:
            case BeginRun(record=held, run=run) | ChangeRecord(record=held, run=run):
                self.held, self.journal = replace(held, version=held.version + 1), encode_run(run)
                return Stored(record=self.held, run=run)
            case SaveRun(run=run):
                self.journal = encode_run(run)
                return Stored(record=None, run=run)
            case FinishRun(record=held, run=run):
                self.held, self.journal, self.ended = replace(held, version=held.version + 1), b"", run
                return Stored(record=self.held, run=None)
            case HostCall(member=member, epoch=epoch, command=command):
                return self.hospital.call(member.name, epoch, command)
            case MarkerCall(member=member, sequence=sequence):
                return self.hospital.mark(member.name, sequence)
            case QueryCall():
                return Queried(value="1", rows=1)
            case WebCall():
                return HttpAnswered(status=200, body="")
            case AnswerRequest(answer=answer):
                self.answers.append(answer)
                return None
            case _:
                raise AssertionError(effect)

    # Time

    def seen(self) -> GroupView:
        return self.hospital.seen(self.now_s, self.utc, self.held, self.driver.run)

    def say(self, request: Request) -> str:
        """A person says something; why it is not heeded, or nothing."""
        return self.driver.hear(request, self.seen())

    def tick(self) -> None:
        self._let(*self.driver.tick(self.seen()))

    def ticks(self) -> Iterator[float]:
        """One pass after the other until the run has ended; the seconds since the beginning, before each."""
        while self.ended is None:
            assert self.at_s < LONG_S, self.driver.run
            yield self.at_s
            before = len(self.performed)
            self.tick()
            if len(self.performed) == before:
                self.now_s += TICK_S

    def play(self) -> Run:
        """To the end."""
        for _ in self.ticks():
            pass
        assert self.ended is not None
        return self.ended


def outcome(stage: Stage) -> Mapping[str, object]:
    """What a run comes to: the group's record, the members, how it ended."""
    assert stage.ended is not None
    return {
        "outcome": stage.ended.outcome,
        "primary": stage.held.primary,
        "rules": stage.held.rules,
        "run": stage.held.run,
        "hospital": stage.hospital.state,
        "steps": {step.id: step.status for step in stage.ended.steps},
    }


__all__ = ["A", "B", "C", "Died", "Hospital", "Stage", "group", "outcome"]
