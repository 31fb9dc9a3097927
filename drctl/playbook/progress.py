"""What a run does next, and how it changes when something happened: pure functions from run to run."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace

from drctl.model.evidence import Evidence
from drctl.model.identity import MemberName
from drctl.model.playbook import OnFailure, Step
from drctl.model.run import Outcome, Run, StepRecord, StepStatus, Task, TaskStatus
from drctl.playbook.people import agreed, refused, waiting_words


@dataclass(frozen=True, slots=True, kw_only=True)
class Dispatch:
    """Begin a step, or try it again."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class AskPeople:
    """A step's turn has come, and people must agree before it begins."""

    step: Step


@dataclass(frozen=True, slots=True, kw_only=True)
class Deny:
    """People did not agree, and why."""

    step: Step
    note: str


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
    """A step failed, and its playbook leaves what follows to a person, until `until_s`."""

    step: Step
    until_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A person was asked about a failed step, and did not answer in time."""

    step: Step


Move = Dispatch | AskPeople | Deny | Expire | Await | Finished | AskOperator | Unanswered


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
        elif record.status is StepStatus.WAITING:
            decided = _decided(run, record, now_s)
            if decided is not None:
                return decided
            assert step.approval is not None, "a step that waits for people has an approval"
            until_s.append(_began_s(record) + step.approval.timeout_s)
        elif record.status is StepStatus.PENDING and _may_begin(run, record):
            return AskPeople(step=step) if step.approval and not agreed(run, step) else Dispatch(step=step)
    asking = [record for record in run.steps if asks(run, record)]
    for record in asking:
        assert record.ended_s is not None, "what failed has ended"
        step = run.playbook.step(record.id)
        if now_s >= record.ended_s + step.answer_within_s:
            return Unanswered(step=step)
    if asking:
        step = run.playbook.step(asking[0].id)
        return AskOperator(step=step, until_s=(asking[0].ended_s or 0.0) + step.answer_within_s)
    if until_s:
        return Await(until_s=min(until_s))
    waited_for = [record for record in run.steps if run.playbook.step(record.id).waited_for]
    assert all(record.ended for record in waited_for), f"{run.id} can neither go on nor end"
    return _finished(run)


def _decided(run: Run, record: StepRecord, now_s: float) -> Move | None:
    """What follows for a step that waits for people; None while they have not decided."""
    step = run.playbook.step(record.id)
    assert step.approval is not None, "a step that waits for people has an approval"
    no = refused(run, step)
    if no is not None:
        return Deny(step=step, note=f"{no.operator} said no{f': {no.reason}' if no.reason else ''}")
    if agreed(run, step):
        return Dispatch(step=step)
    if now_s >= _began_s(record) + step.approval.timeout_s:
        return Deny(step=step, note=f"{step.approval.timeout_s:g} s are over: {waiting_words(run, step)}")
    return None


def _began_s(record: StepRecord) -> float:
    assert record.started_s is not None, "a step that waits has begun to"
    return record.started_s


def asks(run: Run, record: StepRecord) -> bool:
    """Whether a person is to say what follows after the failure of a step."""
    return (
        record.status is StepStatus.FAILED
        and run.playbook.step(record.id).on_failure is OnFailure.ASK
        and not record.overruled_by
        and not gives_up(run, record.id)
    )


def _may_begin(run: Run, record: StepRecord) -> bool:
    step = run.playbook.step(record.id)
    back = run.playbook.goes_back(record.id)
    # A stop that is still under way must not meet the start that takes it back; what is done always comes last.
    other_way = [each for each in run.steps if run.playbook.goes_back(each.id) is not back]
    if back and any(each.status is StepStatus.RUNNING and run.playbook.step(each.id).waited_for for each in other_way):
        return False
    if run.rolling_back and not back and not all(each.ended for each in other_way):
        return False
    for needed in run.playbook.needs(step):
        before = run.step(needed)
        if asks(run, before):
            return False
        if before.ended:
            continue
        if before.status is StepStatus.RUNNING and not run.playbook.step(needed).waited_for:
            continue
        return False
    return True


def _finished(run: Run) -> Finished:
    failed = [record for record in run.steps if record.status is StepStatus.FAILED and not _tolerated(run, record)]
    words = [f"aborted by {run.aborted_by}"] if run.aborted_by else []
    note = "; ".join([*words, *(f"{record.id}: {record.note}" for record in failed)])
    if run.rolling_back:
        stuck = [record for record in failed if run.playbook.goes_back(record.id)]
        return Finished(outcome=Outcome.FAILED if stuck else Outcome.ROLLED_BACK, note=note)
    if failed or run.aborted_by:
        return Finished(outcome=Outcome.FAILED, note=note)
    weak = [
        record for record in run.steps if record.status is StepStatus.FAILED and run.playbook.step(record.id).waited_for
    ]
    if weak:
        note = "; ".join(f"{record.id}: {record.note}" for record in weak)
        return Finished(outcome=Outcome.DEGRADED, note=note)
    return Finished(outcome=Outcome.DONE, note="")


def _tolerated(run: Run, record: StepRecord) -> bool:
    """Whether the run goes on although this step failed."""
    return run.playbook.step(record.id).on_failure is OnFailure.CONTINUE or bool(record.overruled_by)


def asked(run: Run, step: Step, *, now_s: float, now_utc: str) -> Run:
    """`run` with `step` waiting for people to agree."""
    record = replace(
        run.step(step.id),
        status=StepStatus.WAITING,
        started_s=now_s,
        started_utc=now_utc,
        note=waiting_words(run, step),
    )
    return _with_step(run, record)


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
    if status is StepStatus.FAILED and _tries_again(run, step, record):
        return _with_step(
            run,
            replace(
                record,
                attempt_started_s=None,
                again_at_s=now_s + step.delay_s,
                note=note,
                tasks=forgotten(record, now_s),
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
        tasks=forgotten(record, now_s),
    )
    over = gives_up(run, step.id)
    run = _with_step(run, ended)
    if status is not StepStatus.FAILED or over:
        return run
    if step.on_failure is OnFailure.ROLLBACK:
        return turned_back(run, f"{step.id} failed")
    if step.on_failure is OnFailure.ABORT:
        return _skip_rest(run, f"{step.id} failed")
    return run


def _tries_again(run: Run, step: Step, record: StepRecord) -> bool:
    """Whether there are tries left; none for people who did not agree, nor on a way that leads no further."""
    return (
        record.status is StepStatus.RUNNING
        and record.attempt <= step.retries
        and (step.always or not gives_up(run, step.id))
    )


def turned_back(run: Run, why: str) -> Run:
    """`run` on its way back, where there is one and it may still be taken; else nothing more of it begins."""
    # Adopted after the promotion, what came before it is done again, and may fail where only forward is left.
    if not run.playbook.rollback or run.rolling_back or passed_no_return(run):
        return _skip_rest(run, why)
    run = _skip_rest(run, f"{why}, rolling back")
    return replace(
        run, rolling_back=True, steps=(*run.steps, *(StepRecord(id=each.id) for each in run.playbook.rollback))
    )


def abandoned(run: Run, who: str) -> Run:
    """`run` after a person ended it, or nobody answered: it goes back where it took something away, else it stops."""
    run = replace(run, aborted_by=who)
    why = f"aborted by {who}"
    return turned_back(run, why) if run.began("stop", "seal", "fence") else _skip_rest(run, why)


def overruled(run: Run, step: Step, who: str) -> Run:
    """`run` going on although `step` failed, because a person said so."""
    return _with_step(run, replace(run.step(step.id), overruled_by=who))


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


def forgotten(record: StepRecord, now_s: float) -> tuple[Task, ...]:
    """The tasks of `record`, of which nobody waits for any longer."""
    return tuple(
        replace(task, status=TaskStatus.UNKNOWN, error="not waited for any longer", ended_s=now_s)
        if task.open
        else task
        for task in record.tasks
    )


def _skip_rest(run: Run, note: str) -> Run:
    """`run` with all that has not begun left out, and what only waits to be looked at or tried again too."""
    return replace(
        run,
        steps=tuple(
            replace(record, status=StepStatus.SKIPPED, note=note)
            if _idle(record) and not run.playbook.step(record.id).always
            else record
            for record in run.steps
        ),
    )


def _idle(record: StepRecord) -> bool:
    if record.status in {StepStatus.PENDING, StepStatus.WAITING}:
        return True
    between = record.again_at_s is not None and not any(task.open for task in record.tasks)
    return record.status is StepStatus.RUNNING and between


def _with_step(run: Run, changed: StepRecord) -> Run:
    return replace(run, steps=tuple(changed if record.id == changed.id else record for record in run.steps))


def gives_up(run: Run, step_id: str) -> bool:
    """Whether the way that `step_id` is on leads no further: the run goes back, or a failure or a person ended it."""
    back = run.playbook.goes_back(step_id)
    if not back and (run.rolling_back or run.aborted_by):
        return True
    ending = {OnFailure.ABORT, OnFailure.ROLLBACK}
    return any(
        record.status is StepStatus.FAILED
        and run.playbook.step(record.id).on_failure in ending
        and run.playbook.goes_back(record.id) == back
        for record in run.steps
    )
