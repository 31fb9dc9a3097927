"""What a run does next, and how it changes when something happened: pure functions from run to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from drctl.model.evidence import Evidence
from drctl.model.identity import Epoch, MemberName
from drctl.model.playbook import OnFailure, Step
from drctl.model.run import Adoption, Outcome, Run, StepRecord, StepStatus, Task, TaskStatus
from drctl.playbook.catalogue import CATALOGUE


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Begin a step, or try it again."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Expire:
    """A try of a step has run out of time."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Await:
    """Nothing to begin: steps are under way. `until_s` is when one of them runs out of time or is due again."""

    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Every step has ended."""

    outcome: Outcome
    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AskOperator:
    """A step failed, and its playbook leaves what follows to a person."""

    step: Step


Move = Dispatch | Expire | Await | Finished | AskOperator


def next_move(run: Run, now_s: float) -> Move:
    """The next thing to do about `run`. Steps that wait for nothing come first, in the order of the playbook."""
    until_s: list[float] = []
    for record in run.steps:
        step = run.playbook.step(record.id)
        if record.status is StepStatus.RUNNING:
            if record.again_at_s is not None:
                if now_s >= record.again_at_s:
                    return Dispatch(step=step)
                until_s.append(record.again_at_s)
                continue
            assert record.attempt_started_s is not None, "a try that is under way has begun"
            if now_s >= record.attempt_started_s + step.timeout_s:
                return Expire(step=step)
            if step.waited_for:
                until_s.append(record.attempt_started_s + step.timeout_s)
        elif record.status is StepStatus.PENDING and _may_begin(run, record):
            return Dispatch(step=step)
    asking = [
        record
        for record in run.steps
        if record.status is StepStatus.FAILED and run.playbook.step(record.id).on_failure is OnFailure.ASK
    ]
    if asking and any(record.status is StepStatus.PENDING for record in run.steps):
        return AskOperator(step=run.playbook.step(asking[0].id))
    if until_s:
        return Await(until_s=min(until_s))
    waited_for = [record for record in run.steps if run.playbook.step(record.id).waited_for]
    assert all(record.ended for record in waited_for), f"{run.id} can neither go on nor end"
    return _finished(run)


def _may_begin(run: Run, record: StepRecord) -> bool:
    step = run.playbook.step(record.id)
    if _goes_back(run, record.id) and any(
        each.status is StepStatus.RUNNING and run.playbook.step(each.id).waited_for and not _goes_back(run, each.id)
        for each in run.steps
    ):
        # A stop that is still under way must not meet the start that takes it back.
        return False
    for needed in needs_of(run, step):
        before = run.step(needed)
        if before.status is StepStatus.FAILED and run.playbook.step(needed).on_failure is OnFailure.ASK:
            return False
        if before.ended:
            continue
        if before.status is StepStatus.RUNNING and not run.playbook.step(needed).waited_for:
            continue
        return False
    return True


def needs_of(run: Run, step: Step) -> tuple[str, ...]:
    """The steps that must have ended first: those that the file names, else the one before."""
    if step.needs:
        return step.needs
    ids = [record.id for record in run.steps]
    place = ids.index(step.id)
    return (ids[place - 1],) if place else ()


def _goes_back(run: Run, step_id: str) -> bool:
    return any(step.id == step_id for step in run.playbook.rollback)


def _finished(run: Run) -> Finished:
    failed = [
        record
        for record in run.steps
        if record.status is StepStatus.FAILED and run.playbook.step(record.id).on_failure is not OnFailure.CONTINUE
    ]
    if run.rolling_back:
        stuck = [record for record in failed if _goes_back(run, record.id)]
        outcome = Outcome.FAILED if stuck else Outcome.ROLLED_BACK
        return Finished(outcome=outcome, note="; ".join(f"{record.id}: {record.note}" for record in failed))
    if failed:
        return Finished(outcome=Outcome.FAILED, note="; ".join(f"{record.id}: {record.note}" for record in failed))
    weak = [
        record for record in run.steps if record.status is StepStatus.FAILED and run.playbook.step(record.id).waited_for
    ]
    if weak:
        note = "; ".join(f"{record.id}: {record.note}" for record in weak)
        return Finished(outcome=Outcome.DEGRADED, note=note)
    return Finished(outcome=Outcome.DONE, note="")


def dispatched(run: Run, step: Step, members: Iterable[MemberName | None], *, now_s: float, now_utc: str) -> Run:
    """`run` with a new try of `step`, one task for each of `members`; a due look at a running try is no new one."""
    record = run.step(step.id)
    looks_again = record.status is StepStatus.RUNNING and record.attempt_started_s is not None
    attempt = record.attempt if looks_again else record.attempt + 1
    tasks = tuple(
        Task(member=member, status=TaskStatus.STARTED, attempt=attempt, started_s=now_s) for member in members
    )
    return _with_step(
        run,
        replace(
            record,
            status=StepStatus.RUNNING,
            attempt=attempt,
            attempt_started_s=record.attempt_started_s if looks_again else now_s,
            again_at_s=None,
            started_s=now_s if record.started_s is None else record.started_s,
            started_utc=record.started_utc or now_utc,
            tasks=tasks,
            note="",
        ),
    )


def task_ended(
    run: Run,
    step_id: str,
    member: MemberName | None,
    attempt: int,
    *,
    status: TaskStatus,
    evidence: Evidence | None,
    error: str,
    now_s: float,
) -> Run:
    """`run` with the outcome of one task; an outcome of an earlier try changes nothing."""
    record = run.step(step_id)
    tasks = tuple(
        replace(task, status=status, evidence=evidence, error=error, ended_s=now_s)
        if task.member == member and task.attempt == attempt and task.open
        else task
        for task in record.tasks
    )
    return _with_step(run, replace(record, tasks=tasks))


def waits(run: Run, step: Step, *, again_at_s: float, note: str) -> Run:
    """`run` with `step` to be looked at again at `again_at_s`, within the same try."""
    return _with_step(run, replace(run.step(step.id), again_at_s=again_at_s, note=note))


def settled(run: Run, step: Step, status: StepStatus, note: str, *, now_s: float, now_utc: str) -> Run:
    """`run` after `step` ended with `status`; a failure is tried again, or takes the way that the playbook says."""
    record = run.step(step.id)
    if status is StepStatus.FAILED and record.attempt <= step.retries:
        return _with_step(
            run,
            replace(
                record,
                attempt_started_s=None,
                again_at_s=now_s + step.delay_s,
                note=note,
                tasks=_closed(record, now_s),
            ),
        )
    ended = replace(
        record,
        status=status,
        note=note,
        again_at_s=None,
        ended_s=now_s,
        ended_utc=now_utc,
        started_s=now_s if record.started_s is None else record.started_s,
        started_utc=record.started_utc or now_utc,
        tasks=_closed(record, now_s),
    )
    run = _with_step(run, ended)
    if status is not StepStatus.FAILED or (run.rolling_back and not _goes_back(run, step.id)):
        return run
    # Adopted after the promotion, what came before it is done again, and may fail where only forward is left.
    back = step.on_failure is OnFailure.ROLLBACK and not run.rolling_back and not passed_no_return(run)
    if back:
        run = _skip_rest(run, f"{step.id} failed, rolling back")
        return replace(
            run,
            rolling_back=True,
            steps=(*run.steps, *(StepRecord(id=each.id) for each in run.playbook.rollback)),
        )
    if step.on_failure in {OnFailure.ABORT, OnFailure.ROLLBACK}:
        return _skip_rest(run, f"{step.id} failed")
    return run


def passed_no_return(run: Run) -> bool:
    """Whether a step has begun, here or under an earlier owner, after which the only way is forward."""
    return any(run.playbook.step(record.id).point_of_no_return and record.started_utc for record in run.steps)


def closed(run: Run) -> Run:
    """`run` with the steps that nobody waits for any longer marked so."""
    return replace(
        run,
        steps=tuple(
            record if record.ended else replace(record, status=StepStatus.SKIPPED, note="not waited for")
            for record in run.steps
        ),
    )


def _closed(record: StepRecord, now_s: float) -> tuple[Task, ...]:
    return tuple(
        replace(task, status=TaskStatus.UNKNOWN, error="not waited for any longer", ended_s=now_s)
        if task.open
        else task
        for task in record.tasks
    )


def _skip_rest(run: Run, note: str) -> Run:
    return replace(
        run,
        steps=tuple(
            replace(record, status=StepStatus.SKIPPED, note=note)
            if record.status is StepStatus.PENDING and not run.playbook.step(record.id).always
            else record
            for record in run.steps
        ),
    )


def _with_step(run: Run, changed: StepRecord) -> Run:
    return replace(run, steps=tuple(changed if record.id == changed.id else record for record in run.steps))


def adopted(run: Run, *, epoch: Epoch, owner: str, now_s: float, now_utc: str) -> Run:
    """`run` in the hands of another controller, with a higher epoch.

    Until the commit, what the protocol proved under the old epoch is proved anew: sealing again is quick, and nothing
    of it is undone by doing it twice. Everything else that is done stays done, and what was under way begins again.
    A run that has given up, or that goes back, does nothing of its way forward again.
    """
    committed = any(
        run.playbook.step(record.id).uses == "commit" and record.status is StepStatus.DONE for record in run.steps
    )
    steps = []
    for record in run.steps:
        step = run.playbook.step(record.id)
        over = run.rolling_back and not _goes_back(run, record.id) and not step.always
        proven_anew = CATALOGUE[step.uses].proven_by_epoch and not committed and not _given_up(run, record.id)
        if record.status is StepStatus.RUNNING and over:
            steps.append(_rebased(_abandoned(record, now_s, now_utc), now_s))
        elif record.status is StepStatus.RUNNING or (record.status is StepStatus.DONE and proven_anew):
            # That it began once is kept: it may be the point of no return.
            steps.append(StepRecord(id=record.id, started_utc=record.started_utc))
        else:
            steps.append(_rebased(record, now_s))
    return replace(
        run,
        epoch=epoch,
        owner=owner,
        started_s=now_s,
        steps=tuple(steps),
        adoptions=(*run.adoptions, Adoption(epoch=epoch, owner=owner, at_utc=now_utc)),
    )


def _abandoned(record: StepRecord, now_s: float, now_utc: str) -> StepRecord:
    return replace(
        record,
        status=StepStatus.SKIPPED,
        note="the run goes back",
        tasks=_closed(record, now_s),
        ended_utc=now_utc,
    )


def _given_up(run: Run, step_id: str) -> bool:
    """Whether the way that `step_id` is on leads no further: the run goes back, or a failure ended it."""
    if run.rolling_back and not _goes_back(run, step_id):
        return True
    ending = {OnFailure.ABORT, OnFailure.ROLLBACK}
    return any(
        record.status is StepStatus.FAILED
        and run.playbook.step(record.id).on_failure in ending
        and _goes_back(run, record.id) == _goes_back(run, step_id)
        for record in run.steps
    )


def _rebased(record: StepRecord, now_s: float) -> StepRecord:
    """The times of another controller's clock mean nothing here: keep the durations, end them now."""
    if record.started_s is None:
        return record
    took_s = (record.ended_s if record.ended_s is not None else record.started_s) - record.started_s
    return replace(record, started_s=now_s - took_s, ended_s=now_s, attempt_started_s=now_s - took_s, again_at_s=None)
