"""Drives one run: journal the intent, let the effect happen, journal what it proved, go on.

Nothing here touches the world: effects go out as data and come back as `EffectEnded`. Whatever is not certain about the
journal itself (a write whose outcome is unknown, a newer epoch somewhere) ends the driving, not the run: the decision
adopts what the coordinator holds, with a higher epoch, as it would after the death of this controller.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import assert_never

from drctl.controller.actions import judge, plan
from drctl.controller.calls import effect_of
from drctl.controller.effect import (
    AnswerRequest,
    BeginRun,
    ChangeRecord,
    Effect,
    EffectEnded,
    FinishRun,
    HostCall,
    MarkerCall,
    PoolCall,
    QueryCall,
    SaveRun,
    StepEffect,
    Stored,
    StoreEffect,
    WebCall,
)
from drctl.controller.plan import (
    Broken,
    Calls,
    Change,
    Impossible,
    Instant,
    Nothing,
    NotYet,
    Pending,
    Situation,
    Succeeded,
)
from drctl.controller.pool_steps import resume_after_late_pause
from drctl.model.errors import DrctlError, EffectRefused, InvalidInput, StaleEpoch
from drctl.model.event import Alarm, Event, RunAdopted, RunEnded, RunStarted, Severity, StepChanged
from drctl.model.event import EffectEnded as EffectEndedEvent
from drctl.model.evidence import Evidence, Recorded
from drctl.model.playbook import Step
from drctl.model.request import Request, RequestAnswer
from drctl.model.rule import GroupRecord
from drctl.model.run import Outcome, Run, StepStatus, Task, TaskStatus
from drctl.model.view import GroupView
from drctl.playbook.conditions import holds
from drctl.playbook.people import waiting_words
from drctl.playbook.progress import (
    AskOperator,
    AskPeople,
    Await,
    Deny,
    Dispatch,
    Expire,
    Finished,
    Unanswered,
    abandoned,
    asked,
    asks,
    closed,
    dispatched,
    next_move,
    settled,
    task_ended,
    waits,
)
from drctl.playbook.word import Unheeded, heard

STORE_TIMEOUT_S = 5.0
"""For one write to the coordinator."""
ANSWER_TIMEOUT_S = 5.0
MOVES_MAX = 1000
"""Moves of one run within one tick: more would mean that it goes in circles."""


class Driver:
    """The run of one group that this controller drives; at most one at a time."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self.run: Run | None = None
        """None when nothing is driven."""
        self.record: GroupRecord | None = None
        """The newest record that this driver stored; None before it stored one."""
        self.ended: Run | None = None
        """The last run that ended here, until it is taken by `take_ended`."""
        self._saving: StoreEffect | None = None
        self._held: list[StepEffect | AnswerRequest] = []
        self.heard: set[str] = set()
        """Requests that the run heeds already, by id; answered when the run that heeds them is stored."""
        self._saved: Run | None = None
        self._outcome: Finished | None = None
        self._events: list[Event] = []

    # Beginning and ending

    def begin(self, record: GroupRecord, run: Run, ended: Run | None) -> Effect:
        """Store the raised epoch and the journal; the run begins when that went through."""
        assert self._saving is None, "one write at a time"
        self._reset()
        self._saving = BeginRun(record=record, run=run, ended=ended, deadline_s=STORE_TIMEOUT_S)
        return self._saving

    @property
    def busy(self) -> bool:
        """Whether a run is driven, or is about to be."""
        return self.run is not None or self._saving is not None

    @property
    def storing(self) -> bool:
        """Whether a write to the coordinator is on its way."""
        return self._saving is not None

    def drop(self, why: str) -> None:
        """Stop driving. The journal stays as it is in the coordinator, for whoever adopts it."""
        if self.run is not None:
            self._emit(
                Alarm(
                    group=self.run.group,
                    severity=Severity.WARNING,
                    code="run_dropped",
                    message=f"{self.run.id} is no longer driven from here: {why}",
                )
            )
        self._reset()

    def take_ended(self) -> Run | None:
        """The run that ended since this was asked last; None when none did."""
        ended, self.ended = self.ended, None
        return ended

    def _reset(self) -> None:
        self.run = None
        self._saving = None
        self._held = []
        self.heard = set()
        self._saved = None
        self._outcome = None
        self._events = []

    # What came of effects

    def stored(self, ended: EffectEnded) -> tuple[Effect, ...]:
        """Take the outcome of a write to the coordinator; the effects that waited for it go out."""
        effect = ended.effect
        if self._saving is not effect:
            return ()
        self._saving = None
        if ended.error is not None:
            self.drop(f"{effect.name}: {ended.error.message}")
            return ()
        assert isinstance(ended.result, Stored), "a store effect ends with what was stored"
        if ended.result.record is not None:
            self.record = ended.result.record
        stored = ended.result.run
        if isinstance(effect, BeginRun):
            assert stored is not None, "a run that began is stored"
            self.run = self._saved = stored
            self._announce(effect, stored)
        elif isinstance(effect, FinishRun):
            for event in self._events:
                self._emit(event)
            self._emit_end(effect.run)
            self.ended = effect.run
            answers = tuple(self._held)
            assert all(isinstance(held, AnswerRequest) for held in answers), "no step is left when a run ends"
            self._reset()
            return answers
        else:
            assert self.run is not None, "a run that is saved is driven"
            assert stored is not None, "a run that is saved is stored"
            self.run = replace(self.run, journal_version=stored.journal_version)
            self._saved = replace(effect.run, journal_version=stored.journal_version)
        for event in self._events:
            self._emit(event)
        released, self._held, self._events = tuple(self._held), [], []
        return released

    def effect_ended(self, ended: EffectEnded, now_s: float) -> tuple[Effect, ...]:
        """Take the outcome of a step's effect; one of another run or an earlier epoch changes nothing here.

        The effects that undo what no epoch has kept from happening; see `resume_after_late_pause`.
        """
        effect = ended.effect
        assert isinstance(effect, HostCall | MarkerCall | PoolCall | QueryCall | WebCall), (
            "only a step's effects end here"
        )
        if self.run is None or effect.run != self.run.id:
            late = resume_after_late_pause(effect)
            return (late,) if late is not None else ()
        if effect.epoch != self.run.epoch:
            return ()
        member = None if effect.member is None else effect.member.name
        self._emit(
            EffectEndedEvent(
                group=effect.group,
                run=effect.run,
                step=effect.step,
                effect=effect.name,
                member=member,
                elapsed_s=ended.elapsed_s,
                error=ended.error.message if ended.error else "",
            )
        )
        if isinstance(ended.error, StaleEpoch):
            self.drop(f"{member} refused {effect.name}: {ended.error.message}")
            return ()
        self.run = task_ended(
            self.run,
            effect.step,
            member,
            effect.attempt,
            status=_status(ended.error),
            evidence=_evidence(ended),
            error=ended.error.message if ended.error else "",
            now_s=now_s,
        )
        return ()

    # Going on

    def tick(self, view: GroupView) -> tuple[Effect, ...]:
        """What the run wants done now."""
        if self.run is None:
            return ()
        self._watch_budget(self.run, view)
        if self._saving is not None:
            return ()
        for _ in range(MOVES_MAX):
            stop = self._judge_running(view) or self._move(view)
            if stop:
                return self._save()
        raise AssertionError(f"{self.run.id} goes in circles")

    def _move(self, view: GroupView) -> bool:
        """Make one move; True when nothing more can be done in this tick."""
        assert self.run is not None, "asked by tick"
        move = next_move(self.run, view.now_s)
        match move:
            case Dispatch(step=step) | AskPeople(step=step) if self._left_out(step, view):
                self._settle(step, StepStatus.SKIPPED, f"not {step.when}".replace("not not ", ""), view)
                return False
            case Dispatch(step=step):
                return self._dispatch(step, view)
            case AskPeople(step=step):
                self._ask(step, view)
                return False
            case Deny(step=step, note=note):
                self._settle(step, StepStatus.FAILED, note, view)
                return False
            case Unanswered(step=step):
                self.run = abandoned(self.run, f"nobody, who was asked about {step.id}")
                return False
            case Expire(step=step):
                open_tasks = [str(task.member) for task in self.run.step(step.id).tasks if task.open]
                note = self.run.step(step.id).note or f"no answer from {', '.join(open_tasks)}"
                self._settle(step, StepStatus.FAILED, f"{step.timeout_s:g} s are over: {note}", view)
                return False
            case Await() | AskOperator():
                return True
            case Finished():
                self._outcome = move
                return True
            case _:
                assert_never(move)

    def _dispatch(self, step: Step, view: GroupView) -> bool:
        assert self.run is not None, "asked by tick"
        situation = self._situation(step, view)
        planned = plan(situation)
        match planned:
            case Calls(calls=calls):
                self._begin_step(step)
                self.run = dispatched(
                    self.run, step, [call.member for call in calls], now_s=view.now_s, now_utc=view.now_utc
                )
                attempt = self.run.step(step.id).attempt
                self._held += [effect_of(call, situation, attempt) for call in calls]
            case Instant(evidence=evidence):
                self._begin_step(step)
                self._prove(step, evidence, view)
            case Change(record=record):
                self._begin_step(step)
                self._change(step, record, view)
                return True
            case NotYet(note=note, after_s=after_s):
                return self._look_later(step, note, after_s, view)
            case Nothing(note=note):
                self._settle(step, StepStatus.SKIPPED, note, view)
            case Impossible(note=note):
                # It counts as a try, so that the next one waits its delay, and the last one is the last.
                self._begin_step(step)
                self.run = dispatched(self.run, step, [], now_s=view.now_s, now_utc=view.now_utc)
                self._settle(step, StepStatus.FAILED, note, view)
            case _:
                assert_never(planned)
        return False

    def _left_out(self, step: Step, view: GroupView) -> bool:
        """Whether a step whose turn has come is not to be done; asked once, before anything of it."""
        assert self.run is not None, "asked by tick"
        return self.run.step(step.id).status is StepStatus.PENDING and not holds(step.when, self.run, view)

    def _look_later(self, step: Step, note: str, after_s: float, view: GroupView) -> bool:
        """Look at a waiting step again later; its time goes on running."""
        assert self.run is not None, "asked by tick"
        record = self.run.step(step.id)
        if record.attempt_started_s is None:
            self._begin_step(step)
            self.run = dispatched(self.run, step, [], now_s=view.now_s, now_utc=view.now_utc)
            record = self.run.step(step.id)
        assert record.attempt_started_s is not None, "a waiting step has begun"
        if view.now_s - record.attempt_started_s >= step.timeout_s:
            self._settle(step, StepStatus.FAILED, f"{step.timeout_s:g} s are over: {note}", view)
            return False
        self.run = waits(self.run, step, again_at_s=view.now_s + after_s, note=note)
        return False

    def _judge_running(self, view: GroupView) -> bool:
        assert self.run is not None, "asked by tick"
        for record in self.run.steps:
            if record.status is not StepStatus.RUNNING or not record.tasks or record.again_at_s is not None:
                continue
            step = self.run.playbook.step(record.id)
            judgement = judge(self._situation(step, view), record)
            match judgement:
                case Pending():
                    continue
                case Succeeded(note=note):
                    self._settle(step, StepStatus.DONE, note, view)
                case Broken(note=note):
                    self._settle(step, StepStatus.FAILED, note, view)
                case NotYet(note=note, after_s=after_s):
                    if any(task.open for task in record.tasks):
                        continue
                    self._look_later(step, note, after_s, view)
                case _:
                    assert_never(judgement)
        return False

    def _situation(self, step: Step, view: GroupView) -> Situation:
        assert self.run is not None, "a situation is of a run"
        assert self.record is not None, "a run has a record"
        return Situation(run=self.run, record=self.record, view=view, step=step)

    # People

    @property
    def listens(self) -> bool:
        """Whether the run can hear people now: not while it is being stored."""
        return self.run is not None and self._saving is None

    def hear(self, request: Request, view: GroupView) -> str:
        """Let the run hear what a person says. Why it is not heeded; empty when it is, and then the answer goes out when
        the run that heeds it is stored.
        """
        assert self.run is not None, "asked while it listens"
        word = heard(self.run, request, now_utc=view.now_utc)
        if isinstance(word, Unheeded):
            return word.message
        self.run = word.run
        self.heard.add(request.id)
        answer = RequestAnswer(request=request.id, accepted=True, message=word.message, run=self.run.id)
        self._held.append(AnswerRequest(group=self.run.group, answer=answer, deadline_s=ANSWER_TIMEOUT_S))
        return ""

    def _ask(self, step: Step, view: GroupView) -> None:
        """Let people know that a step waits for them."""
        assert self.run is not None, "asked by tick"
        self.run = asked(self.run, step, now_s=view.now_s, now_utc=view.now_utc)
        assert step.approval is not None, "only a step with an approval waits for people"
        self._events.append(
            StepChanged(group=self.run.group, run=self.run.id, step=step.id, status=StepStatus.WAITING, elapsed_s=0.0)
        )
        self._call_people(
            f"{step.id} of {self.run.id} ({self.run.kind}) begins only when people agree within "
            f"{step.approval.timeout_s:g} s: {waiting_words(self.run, step)}",
            f"drctl run approve {self.run.id}, or drctl run reject {self.run.id}",
        )

    def _call_people(self, message: str, remedy: str) -> None:
        assert self.run is not None, "asked about a run"
        self._events.append(
            Alarm(group=self.run.group, severity=Severity.ALARM, code="run_waits", message=message, remedy=remedy)
        )

    # Changing the run

    def _begin_step(self, step: Step) -> None:
        assert self.run is not None, "a step is of a run"
        if self.run.step(step.id).started_s is None:
            self._events.append(
                StepChanged(
                    group=self.run.group, run=self.run.id, step=step.id, status=StepStatus.RUNNING, elapsed_s=0.0
                )
            )

    def _prove(self, step: Step, evidence: Evidence, view: GroupView) -> None:
        """End a step that was done by thinking, with its evidence."""
        assert self.run is not None, "a step is of a run"
        self.run = _with_evidence(self.run, step, evidence, view)
        self._settle(step, StepStatus.DONE, "", view)

    def _change(self, step: Step, record: GroupRecord, view: GroupView) -> None:
        """Store a changed record and the step that ends with it in one write."""
        assert self.run is not None, "a step is of a run"
        evidence = Recorded(version=record.version + 1, rules=record.rules)
        self.run = _with_evidence(self.run, step, evidence, view)
        self._settle(step, StepStatus.DONE, "", view)
        self._saving = ChangeRecord(record=record, run=self.run, step=step.id, deadline_s=STORE_TIMEOUT_S)

    def _settle(self, step: Step, status: StepStatus, note: str, view: GroupView) -> None:
        assert self.run is not None, "a step is of a run"
        self.run = settled(self.run, step, status, note, now_s=view.now_s, now_utc=view.now_utc)
        record = self.run.step(step.id)
        if asks(self.run, record):
            self._call_people(
                f"{step.id} of {self.run.id} ({self.run.kind}) failed, and a person decides within "
                f"{step.answer_within_s:g} s: {note}",
                f"drctl run continue {self.run.id}, or drctl run abort {self.run.id}",
            )
        if record.ended:
            elapsed_s = view.now_s - record.started_s if record.started_s is not None else 0.0
            self._events.append(
                StepChanged(
                    group=self.run.group, run=self.run.id, step=step.id, status=status, elapsed_s=elapsed_s, note=note
                )
            )

    def _save(self) -> tuple[Effect, ...]:
        """Write what changed. Effects that were planned wait until their intent is stored."""
        assert self.run is not None, "asked by tick"
        if self._saving is not None:
            return (self._saving,)
        if self._outcome is not None:
            return (self._finish(self._outcome),)
        if self.run == self._saved:
            assert not self._held, "an effect is held only by an intent that is not stored"
            return ()
        self._saving = SaveRun(run=self.run, deadline_s=STORE_TIMEOUT_S)
        return (self._saving,)

    def _finish(self, finished: Finished) -> Effect:
        assert self.run is not None, "a run ends that was driven"
        assert self.record is not None, "a run has a record"
        ended_s = max((step.ended_s for step in self.run.steps if step.ended_s is not None), default=self.run.started_s)
        ended_utc = max(step.ended_utc for step in self.run.steps)
        run = replace(
            closed(self.run), outcome=finished.outcome, note=finished.note, ended_s=ended_s, ended_utc=ended_utc
        )
        self._saving = FinishRun(record=replace(self.record, run=None), run=run, deadline_s=STORE_TIMEOUT_S)
        return self._saving

    # Telling

    def _watch_budget(self, run: Run, view: GroupView) -> None:
        """Call for a person once when the run takes longer than was promised. It goes on: stopping would be worse."""
        if run.over_budget_utc or view.now_s - run.started_s <= run.playbook.budget_s:
            return
        self.run = replace(run, over_budget_utc=view.now_utc)
        at = [
            f"{step.id} ({step.note})" if step.note else step.id
            for step in run.steps
            if step.status in {StepStatus.RUNNING, StepStatus.WAITING}
        ]
        self._emit(
            Alarm(
                group=run.group,
                severity=Severity.ALARM,
                code="budget_exceeded",
                message=f"{run.id} ({run.kind}) takes longer than its {run.playbook.budget_s:g} s "
                f"and goes on; it is at {', '.join(at) or 'no step'}",
                remedy=f"see where it stands: drctl watch {run.id}",
            )
        )

    def _announce(self, effect: BeginRun, run: Run) -> None:
        if run.adoptions:
            self._emit(RunAdopted(group=run.group, run=run.id, epoch=run.epoch))
        else:
            self._emit(
                RunStarted(
                    group=run.group,
                    run=run.id,
                    kind=run.kind,
                    epoch=run.epoch,
                    reason=run.reason,
                    actor=run.requested_by,
                )
            )
        if effect.ended is not None:
            self._emit_end(effect.ended)

    def _emit_end(self, run: Run) -> None:
        elapsed_s = (run.ended_s if run.ended_s is not None else run.started_s) - run.started_s
        outcome = run.outcome or Outcome.SUPERSEDED
        self._emit(
            RunEnded(group=run.group, run=run.id, kind=run.kind, outcome=outcome, elapsed_s=elapsed_s, note=run.note)
        )


def _with_evidence(run: Run, step: Step, evidence: Evidence, view: GroupView) -> Run:
    run = dispatched(run, step, [], now_s=view.now_s, now_utc=view.now_utc)
    record = run.step(step.id)
    task = Task(
        member=None,
        status=TaskStatus.DONE,
        attempt=record.attempt,
        started_s=view.now_s,
        ended_s=view.now_s,
        evidence=evidence,
    )
    return replace(run, steps=tuple(replace(each, tasks=(task,)) if each.id == step.id else each for each in run.steps))


def _status(error: DrctlError | None) -> TaskStatus:
    if error is None:
        return TaskStatus.DONE
    return TaskStatus.FAILED if isinstance(error, EffectRefused | InvalidInput) else TaskStatus.UNKNOWN


def _evidence(ended: EffectEnded) -> Evidence | None:
    if ended.error is not None or ended.result is None:
        return None
    assert isinstance(ended.result, Evidence), "a step's effect ends with evidence"
    return ended.result
