"""One controller without threads: messages come in, it observes, decides and acts, effects go out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import assert_never

from drctl.controller.actions import recent_failovers
from drctl.controller.driver import Driver
from drctl.controller.effect import (
    AnswerRequest,
    BeginRun,
    Campaign,
    ChangeRecord,
    Effect,
    EffectEnded,
    FinishRun,
    GuardFence,
    HostCall,
    Inspect,
    MarkerCall,
    PoolCall,
    Probe,
    Publish,
    QueryCall,
    SaveRun,
    SetPaused,
    WatchMarker,
    WebCall,
)
from drctl.controller.guard import Guard
from drctl.controller.leadership import Candidacy
from drctl.controller.observe import Observation
from drctl.controller.request_watch import RequestWatch
from drctl.controller.rpo import RpoWatch
from drctl.controller.witness import Witness
from drctl.decision.decide import decide
from drctl.decision.memory import Memory, remember, remember_end
from drctl.decision.verdict import Adopt, Ask, Begin, Decision, Hear, Pause, Refuse, Stay, Why
from drctl.model.command import RejoinMethod
from drctl.model.event import Alarm, CoordinatorChanged, Decided, Event, LeadershipChanged, MemberChanged, Severity
from drctl.model.identity import CenterName, Epoch, GroupName, MemberName, run_id
from drctl.model.playbook import MOVES, Playbook, RunKind
from drctl.model.report import ObserverReport
from drctl.model.request import Request, RequestAnswer, RequestKind
from drctl.model.rule import GroupRecord
from drctl.model.run import Outcome, Run, StepRecord
from drctl.model.topology import Group, Topology
from drctl.model.view import GroupView
from drctl.playbook.adoption import adopted
from drctl.ports import GroupState, Ledger

ANSWER_TIMEOUT_S = 5.0
AFTER_PATIENCE_S = 30.0
"""How long a group waits for those that it comes `after`; then its own service matters more than the order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Coordination:
    """What the coordinator says, read from memory at the beginning of a tick."""

    connected: bool
    leading: bool
    leader: CenterName | None
    groups: Mapping[GroupName, GroupState]
    observers: Mapping[CenterName, ObserverReport]


class _GroupDesk:
    """What the controller keeps of one group from tick to tick."""

    def __init__(self, group: Group, emit: Callable[[Event], None]) -> None:
        self.group = group
        self.memory = Memory()
        self.driver = Driver(emit)
        self.decision: Decision | None = None
        self.newest: GroupRecord | None = None
        self.guard = Guard()
        self.waits_since_s: float | None = None
        """Since when an operation waits for the groups that this one comes after; None when none waits."""
        self.rpo = RpoWatch(emit)
        self.requests = RequestWatch(emit)
        self.answering: set[str] = set()
        """Requests whose answer is on its way, or that a run has taken up."""


class Controller:
    """Observes every group; decides and acts where it leads. The caller performs its effects and reports their ends."""

    def __init__(
        self,
        topology: Topology,
        *,
        center: CenterName,
        incarnation: str,
        playbooks: Mapping[RunKind, Playbook],
        version: str,
        emit: Callable[[Event], None],
        ledger: Ledger | None = None,
    ) -> None:
        """`ledger` keeps the markers that were acknowledged; None keeps none."""
        self.topology = topology
        self._witness = Witness(ledger, emit)
        self.center = center
        self.owner = f"{center}#{incarnation}"
        self._playbooks = playbooks
        self._emit = emit
        self.observation = Observation(topology, center, version)
        self._candidacy = Candidacy(center)
        self._desks = {group.name: _GroupDesk(group, emit) for group in topology.groups}
        self._connected: bool | None = None
        self._leading = False
        self._wish: bool | None = None
        self.views: Mapping[GroupName, GroupView] = {}
        """The views of the last tick, for those who only look."""

    def decision(self, group: GroupName) -> Decision | None:
        """What was decided about `group` last; None before the first tick."""
        return self._desks[group].decision

    def memory(self, group: GroupName) -> Memory:
        """What is remembered of `group`."""
        return self._desks[group].memory

    # Messages

    def effect_ended(self, ended: EffectEnded, now_s: float) -> tuple[Effect, ...]:
        """Take the outcome of an effect; effects that waited for it go out."""
        if isinstance(ended.effect, WatchMarker | MarkerCall):
            self._witness.hear(ended, self.views[ended.effect.member.group].now_utc)
        match ended.effect:
            case Probe() | Inspect() | WatchMarker() | Publish():
                self._looked(ended, now_s)
            case BeginRun() | SaveRun() | ChangeRecord() | FinishRun():
                desk = self._desks[ended.effect.run.group]
                released = desk.driver.stored(ended)
                desk.answering |= {each.answer.request for each in released if isinstance(each, AnswerRequest)}
                return released
            case HostCall() | MarkerCall() | PoolCall() | QueryCall() | WebCall():
                if isinstance(ended.effect, HostCall):
                    self.observation.outdate(ended.effect.member.name, now_s)
                return self._desks[ended.effect.group].driver.effect_ended(ended, now_s)
            case AnswerRequest() | SetPaused():
                desk = self._desks[ended.effect.group]
                desk.answering.discard(ended.effect.answer.request)
                if ended.error is None:
                    desk.requests.answered(ended.effect.answer)
            case GuardFence(group=group, why=why):
                self._desks[group].guard.fenced()
                self._guarded(ended, group, why)
            case Campaign():
                pass
            case _:
                assert_never(ended.effect)
        return ()

    def _guarded(self, ended: EffectEnded, group: GroupName, why: str) -> None:
        failure = f", which failed: {ended.error.message}" if ended.error else ""
        self._emit(
            Alarm(
                group=group,
                severity=Severity.ALARM,
                code="guard",
                message=f"{why}: fenced{failure}",
                remedy="restore this center's network; the member rejoins by itself",
            )
        )

    def _looked(self, ended: EffectEnded, now_s: float) -> None:
        before = self.observation.absorb(ended, now_s)
        if isinstance(ended.effect, Inspect):
            self.observation.inspected_late(ended, now_s, leading=self._leading)
        if isinstance(ended.effect, Probe):
            member = ended.effect.member
            after = self.observation.reports[member.name]
            if before is None or before.reachability is not after.reachability:
                self._emit(
                    MemberChanged(
                        group=member.group,
                        member=member.name,
                        before=before.reachability if before else None,
                        after=after.reachability,
                        detail=after.detail,
                    )
                )

    def connection_lost(self, member: MemberName) -> None:
        """An idle connection to a member's database broke."""
        self.observation.connection_lost(member)

    # One pass

    def tick(self, coordination: Coordination, *, now_s: float, now_utc: str) -> tuple[Effect, ...]:
        """Observe, decide, act: once."""
        effects: list[Effect] = []
        self._notice(coordination)
        views: dict[GroupName, GroupView] = {}
        for desk in self._desks.values():
            view = self._view(desk, coordination, now_s=now_s, now_utc=now_utc)
            views[desk.group.name] = view
            desk.memory = remember(desk.memory, view)
            effects += self._act(desk, view)
            guard = desk.guard.look(view)
            effects += [guard] if guard else []
            desk.rpo.look(view)
        self.views = views
        effects += self.observation.probes_due(now_s)
        effects += self.observation.inspections_due(now_s, leading=coordination.leading)
        if coordination.connected:
            publication = self.observation.publication_due(now_s)
            effects += [publication] if publication else []
            effects += self._campaign(coordination, now_s)
        return tuple(effects)

    def _notice(self, coordination: Coordination) -> None:
        if coordination.connected != self._connected:
            self._emit(CoordinatorChanged(connected=coordination.connected))
            self._connected = coordination.connected
            self.observation.republish()
        if coordination.leading != self._leading:
            self._emit(LeadershipChanged(leading=coordination.leading, leader=coordination.leader))
            self._leading = coordination.leading
            if not coordination.leading:
                for desk in self._desks.values():
                    desk.driver.drop("this controller no longer leads")

    def _view(self, desk: _GroupDesk, coordination: Coordination, *, now_s: float, now_utc: str) -> GroupView:
        state = coordination.groups[desk.group.name]
        newest = _newer(_newer(desk.newest, state.record), desk.driver.record)
        if newest is not None and state.record is not None:
            newest = replace(newest, paused=state.record.paused)
        if newest is not None and (desk.newest is None or newest.primary != desk.newest.primary):
            self.observation.outdate(newest.primary, now_s)
        desk.newest = newest
        run = state.run
        if desk.driver.run is not None:
            run = desk.driver.run
        elif newest is None or run is None or newest.run != run.id or run.epoch != newest.epoch:
            run = None
        requests = tuple(request for request in state.requests if request.id not in desk.answering | desk.driver.heard)
        return self.observation.view(
            desk.group,
            GroupState(record=newest, run=run, requests=requests),
            coordination.observers,
            now_s=now_s,
            now_utc=now_utc,
            connected=coordination.connected,
            leading=coordination.leading,
        )

    def _act(self, desk: _GroupDesk, view: GroupView) -> list[Effect]:
        driver = desk.driver
        if driver.run is not None and view.record is not None and view.record.epoch > driver.run.epoch:
            driver.drop(f"the record is at epoch {view.record.epoch}")
            return []
        if not (view.connected and view.leading):
            self._decided(desk, decide(view, desk.memory, desk.group.policy))
            return []
        desk.requests.see(view.requests)
        effects: list[Effect] = list(driver.tick(view))
        ended = driver.take_ended()
        if ended is not None:
            desk.memory = remember_end(desk.memory, ended, view.now_s)
            self._witness.testify(ended)
        marker = self.observation.marker_due(view)
        effects += [marker] if marker else []
        if driver.busy and driver.run is None:
            return effects  # the beginning of a run is being stored
        decision = decide(
            view, desk.memory, desk.group.policy, driving=driver.run.id if driver.run is not None else None
        )
        self._decided(desk, decision)
        return effects + self._carry_out(desk, view, decision)

    def _decided(self, desk: _GroupDesk, decision: Decision) -> None:
        before, desk.decision = desk.decision, decision
        if _gist(before) != _gist(decision):
            name = type(decision).__name__.lower()
            self._emit(Decided(group=desk.group.name, decision=name, reason=_reason(decision)))
            if isinstance(decision, Ask):
                self._emit(
                    Alarm(
                        group=desk.group.name,
                        severity=Severity.ALARM,
                        code="person_needed",
                        message=decision.reason,
                        remedy=decision.remedy,
                    )
                )

    def _carry_out(self, desk: _GroupDesk, view: GroupView, decision: Decision) -> list[Effect]:
        match decision:
            case Stay() | Ask():
                return []
            case Begin() if desk.driver.storing:
                # A journal that is on its way would make the beginning stale.
                return []
            case Begin():
                return [] if self._must_wait(desk, decision, view.now_s) else self._begin(desk, view, decision)
            case Adopt():
                return self._adopt(desk, view)
            case Refuse(request=request, message=message):
                return self._refuse(desk, request, message)
            case Hear(request=request):
                message = desk.driver.hear(request, view) if desk.driver.listens else ""
                return self._refuse(desk, request, message) if message else []
            case Pause(request=request, paused=paused):
                desk.answering.add(request.id)
                message = f"{desk.group.name} is {'paused' if paused else 'resumed'}"
                answer = RequestAnswer(request=request.id, accepted=True, message=message)
                return [SetPaused(group=desk.group.name, paused=paused, answer=answer, deadline_s=ANSWER_TIMEOUT_S)]
            case _:
                assert_never(decision)

    def _refuse(self, desk: _GroupDesk, request: Request, message: str) -> list[Effect]:
        desk.answering.add(request.id)
        answer = RequestAnswer(request=request.id, accepted=False, message=message)
        return [AnswerRequest(group=desk.group.name, answer=answer, deadline_s=ANSWER_TIMEOUT_S)]

    def _must_wait(self, desk: _GroupDesk, begin: Begin, now_s: float) -> bool:
        """Whether groups that this one comes after must be served first; not for ever, and never for its standbys."""
        if begin.kind not in MOVES:
            return False
        if not any(_unsettled(self._desks[name]) for name in desk.group.after):
            desk.waits_since_s = None
            return False
        if desk.waits_since_s is None:
            desk.waits_since_s = now_s
        return now_s - desk.waits_since_s < AFTER_PATIENCE_S

    def _begin(self, desk: _GroupDesk, view: GroupView, begin: Begin) -> list[Effect]:
        assert view.record is not None, "a run changes a record"
        driver, effects = desk.driver, list[Effect]()
        superseded = view.run
        if superseded is not None:
            superseded = replace(
                superseded,
                outcome=Outcome.SUPERSEDED,
                note=begin.reason,
                ended_utc=view.now_utc,
                ended_s=view.now_s,
            )
            desk.memory = remember_end(desk.memory, superseded, view.now_s)
            if driver.run is not None:
                driver.drop(f"superseded: {begin.reason}")
        run = self._new_run(view, view.record, begin)
        record = replace(view.record, epoch=run.epoch, run=run.id)
        if begin.kind is RunKind.FAILOVER and begin.request is None and not view.record.joint:
            record = replace(record, failovers_utc=(*recent_failovers(record, view.now_utc), view.now_utc))
        effects.append(driver.begin(record, run, superseded))
        if begin.request is not None:
            desk.answering.add(begin.request.id)
            answer = RequestAnswer(request=begin.request.id, accepted=True, message=f"{run.id} began", run=run.id)
            effects.append(AnswerRequest(group=desk.group.name, answer=answer, deadline_s=ANSWER_TIMEOUT_S))
        return effects

    def _new_run(self, view: GroupView, record: GroupRecord, begin: Begin) -> Run:
        epoch = Epoch(record.epoch + 1)
        playbook = self._playbooks[begin.kind]
        request = begin.request
        return Run(
            id=run_id(view.group.name, epoch),
            group=view.group.name,
            kind=begin.kind,
            epoch=epoch,
            owner=self.owner,
            center=self.center,
            playbook=playbook,
            reason=begin.reason,
            requested_by=request.operator if request else "policy",
            request=request.id if request else "",
            old_primary=record.primary,
            candidate=begin.candidate,
            sync=begin.sync,
            method=_method(request),
            accept_data_loss=request.accept_data_loss if request else False,
            acknowledged=self._witness.newest(begin, record),
            started_utc=view.now_utc,
            started_s=view.now_s,
            steps=tuple(StepRecord(id=step.id) for step in playbook.steps),
        )

    def _adopt(self, desk: _GroupDesk, view: GroupView) -> list[Effect]:
        assert view.record is not None, "a run is named by a record"
        assert view.run is not None, "only a run that is known is adopted"
        epoch = Epoch(view.record.epoch + 1)
        run = adopted(view.run, epoch=epoch, owner=self.owner, now_s=view.now_s, now_utc=view.now_utc)
        record = replace(view.record, epoch=epoch)
        return [desk.driver.begin(record, run, None)]

    def _campaign(self, coordination: Coordination, now_s: float) -> list[Effect]:
        primaries: dict[MemberName, CenterName] = {}
        for desk in self._desks.values():
            if desk.newest is not None:
                primaries[desk.newest.primary] = desk.group.member(desk.newest.primary).center
        wish = self._candidacy.wish(
            coordination.observers,
            primaries,
            leading=coordination.leading,
            busy=any(desk.driver.busy for desk in self._desks.values()),
            now_s=now_s,
        )
        if wish == self._wish:
            return []
        self._wish = wish
        return [Campaign(wish=wish)]


def _unsettled(desk: _GroupDesk) -> bool:
    """Whether a group is being moved, or is about to be."""
    if desk.driver.run is not None:
        return desk.driver.run.kind in MOVES | {RunKind.RESTART}
    match desk.decision:
        case Begin(kind=kind):
            return kind in MOVES | {RunKind.RESTART}
        case Adopt():
            return True
        case Stay(why=Why.SUSPECT):
            return True
        case _:
            return False


def _newer(one: GroupRecord | None, other: GroupRecord | None) -> GroupRecord | None:
    if one is None or other is None:
        return one or other
    return other if other.version > one.version else one


def _method(request: Request | None) -> RejoinMethod:
    if request is not None and request.kind is RequestKind.REINIT:
        return RejoinMethod.BASEBACKUP
    return RejoinMethod.AUTO


def _reason(decision: Decision) -> str:
    match decision:
        case Stay(reason=reason) | Begin(reason=reason) | Adopt(reason=reason) | Ask(reason=reason):
            return reason
        case Refuse(message=message):
            return message
        case Pause(paused=paused):
            return "pause" if paused else "resume"
        case Hear(request=request):
            return f"{request.operator}: {request.kind}"
        case _:
            assert_never(decision)


def _gist(decision: Decision | None) -> tuple[str, str]:
    """What must change before a decision is told again: not the seconds in its words."""
    match decision:
        case None:
            return ("", "")
        case Stay(why=why):
            return ("stay", why.value)
        case Begin(kind=kind):
            return ("begin", kind.value)
        case Ask(missing=missing):
            return ("ask", ",".join(missing))
        case Refuse(request=request) | Pause(request=request) | Hear(request=request):
            return ("answer", request.id)
        case Adopt():
            return ("adopt", "")
        case _:
            assert_never(decision)
