"""A person's word to a run that is under way: what becomes of the run, or why it is not heeded."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import assert_never

from drctl.model.playbook import Step
from drctl.model.request import Request, RequestKind
from drctl.model.run import Run, StepStatus, Vote
from drctl.playbook.people import counts, person, waiting_words
from drctl.playbook.progress import abandoned, asks, gives_up, overruled, passed_no_return


@dataclass(frozen=True, slots=True, kw_only=True)
class Heeded:
    """The run as it is after a person's word, and the answer to that person."""

    run: Run
    message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unheeded:
    """Why a person's word changes nothing."""

    message: str


def heard(run: Run, request: Request, *, now_utc: str) -> Heeded | Unheeded:
    """What a request about a run does to it."""
    if request.run is not None and request.run != run.id:
        return Unheeded(message=f"{request.run} is not under way; {run.id} ({run.kind}) is")
    if request.step and all(record.id != request.step for record in run.steps):
        return Unheeded(message=f"{run.id} has no step {request.step}")
    match request.kind:
        case RequestKind.APPROVE | RequestKind.REJECT:
            return _voted(run, request, now_utc)
        case RequestKind.CONTINUE:
            return _continued(run, request)
        case RequestKind.ABORT:
            return _aborted(run, request)
        case (
            RequestKind.SWITCHOVER
            | RequestKind.FAILOVER
            | RequestKind.SWITCHBACK
            | RequestKind.EVACUATE
            | RequestKind.REJOIN
            | RequestKind.REINIT
            | RequestKind.PAUSE
            | RequestKind.RESUME
        ):
            raise AssertionError(f"{request.kind} is not about a run")
        case _:
            assert_never(request.kind)


def _voted(run: Run, request: Request, now_utc: str) -> Heeded | Unheeded:
    step = _waiting(run, request.step)
    if step is None:
        what = f"{run.id} waits for nobody's approval" + (f" of {request.step}" if request.step else "")
        return Unheeded(message=f"{what}; type: drctl watch {run.id}")
    if not counts(run, request.operator):
        return Unheeded(message=f"{person(request.operator)} asked for {run.id}: somebody else must decide about it")
    said = [vote for vote in run.votes if vote.step == step.id and person(vote.operator) == person(request.operator)]
    if said:
        return Unheeded(message=f"{person(request.operator)} has decided about {step.id} already")
    vote = Vote(
        step=step.id,
        operator=request.operator,
        agrees=request.kind is RequestKind.APPROVE,
        at_utc=now_utc,
        reason=request.reason,
    )
    run = replace(run, votes=(*run.votes, vote))
    words = waiting_words(run, step)
    steps = tuple(replace(record, note=words) if record.id == step.id else record for record in run.steps)
    message = f"{step.id}: {words}" if vote.agrees else f"{step.id} will not begin: {person(vote.operator)} said no"
    return Heeded(run=replace(run, steps=steps), message=message)


def _waiting(run: Run, wanted: str) -> Step | None:
    """The step that waits for people: the wanted one, else the first; None when there is none."""
    waiting = [record.id for record in run.steps if record.status is StepStatus.WAITING and wanted in {"", record.id}]
    return run.playbook.step(waiting[0]) if waiting else None


def _continued(run: Run, request: Request) -> Heeded | Unheeded:
    asking = [record for record in run.steps if asks(run, record) and request.step in {"", record.id}]
    if not asking:
        return Unheeded(message=f"{run.id} asks nobody what to do; type: drctl watch {run.id}")
    step = run.playbook.step(asking[0].id)
    message = f"{run.id} goes on although {step.id} failed"
    return Heeded(run=overruled(run, step, request.operator), message=message)


def _aborted(run: Run, request: Request) -> Heeded | Unheeded:
    if passed_no_return(run):
        return Unheeded(message=f"{run.id} is past its point of no return: the only way is forward")
    if run.rolling_back or any(gives_up(run, record.id) for record in run.steps):
        return Unheeded(message=f"{run.id} is ending already")
    ended = abandoned(run, request.operator)
    way = "goes back" if ended.rolling_back else "ends"
    return Heeded(run=ended, message=f"{run.id} {way}; what is under way is waited for")
