"""A run as people see it: seconds, and what each step proved as a sentence. Pure."""

from __future__ import annotations

from datetime import datetime
from typing import assert_never

from drctl.model.evidence import (
    Checked,
    Chosen,
    CommandRan,
    Evidence,
    Fenced,
    Following,
    HttpAnswered,
    MarkerAcked,
    PoolsTold,
    Promoted,
    Queried,
    Recorded,
    Rejoined,
    Sealed,
    Started,
    Stopped,
    SyncChanged,
)
from drctl.model.identity import MemberName
from drctl.model.run import Run, StepRecord, StepStatus, TaskStatus
from drctl.model.snapshot import RunSnapshot, StepSnapshot

SAID_LENGTH_MAX = 160
_BEGUN = {StepStatus.RUNNING, StepStatus.DONE, StepStatus.FAILED}


def picture_run(run: Run, *, now_utc: str) -> RunSnapshot:
    """The run as it stands at `now_utc`."""
    steps = tuple(_step(run, record, now_utc) for record in run.steps)
    chosen = [found for _, found in run.evidence("choose") if isinstance(found, Chosen)]
    return RunSnapshot(
        id=run.id,
        group=run.group,
        kind=run.kind,
        epoch=run.epoch,
        center=run.center,
        reason=run.reason,
        requested_by=run.requested_by,
        old_primary=run.old_primary,
        heir=chosen[-1].heir if chosen else run.candidate,
        started_utc=run.started_utc,
        ended_utc=run.ended_utc,
        elapsed_s=_seconds(run.started_utc, run.ended_utc or now_utc),
        rto_s=run.playbook.rto_s,
        budget_s=run.playbook.budget_s,
        outcome=run.outcome,
        note=run.note,
        adoptions=len(run.adoptions),
        lost_possible=any(found.lost_possible for found in chosen),
        irrevocable=any(step.point_of_no_return and step.status in _BEGUN for step in steps),
        steps=steps,
    )


def _step(run: Run, record: StepRecord, now_utc: str) -> StepSnapshot:
    step = run.playbook.step(record.id)
    elapsed_s = None
    if record.started_utc:
        elapsed_s = _seconds(record.started_utc, record.ended_utc or run.ended_utc or now_utc)
    return StepSnapshot(
        id=record.id,
        title=step.name or step.uses,
        status=record.status,
        elapsed_s=elapsed_s,
        worst_s=step.worst_s,
        started_utc=record.started_utc,
        note=record.note,
        # Of a step that failed, the note says what its tasks came to.
        facts=tuple(
            fact for fact in _facts(record) if record.status is not StepStatus.FAILED or fact not in record.note
        ),
        point_of_no_return=step.point_of_no_return,
    )


def _seconds(start_utc: str, end_utc: str) -> float:
    """Between two wall times: the only ones that all controllers can compare. Never negative, their clocks differ."""
    return max(0.0, (datetime.fromisoformat(end_utc) - datetime.fromisoformat(start_utc)).total_seconds())


def _facts(record: StepRecord) -> list[str]:
    found: list[str] = []
    for task in record.tasks:
        if task.status is TaskStatus.DONE and task.evidence is not None:
            found.append(_of(task.member, sentence(task.evidence)))
        elif task.error:
            found.append(_of(task.member, task.error))
    return found


def _of(member: MemberName | None, what: str) -> str:
    return f"{member}: {what}" if member else what


def sentence(evidence: Evidence) -> str:
    """What `evidence` proves, for people."""
    match evidence:
        case Sealed():
            where = str(evidence.position) if evidence.position else "an unknown position"
            return f"sealed at {where}" if evidence.sealed else f"is a {evidence.role}, left alone"
        case Fenced():
            return f"fenced at {evidence.position}" if evidence.position else "fenced"
        case Stopped():
            return f"stopped {'cleanly' if evidence.clean else 'uncleanly'} at {evidence.final}"
        case Started():
            return "started as a standby" if evidence.in_recovery else "started as a primary"
        case Chosen():
            return f"{evidence.heir} is the heir; the new rule is {evidence.rule}"
        case Recorded():
            return f"recorded: {'; '.join(str(rule) for rule in evidence.rules)}"
        case Promoted():
            return f"{'was promoted already' if evidence.already else 'promoted'} at {evidence.position}"
        case Following():
            return (
                f"follows {evidence.upstream}{'' if evidence.streaming else f', not streaming yet ({evidence.detail})'}"
            )
        case SyncChanged():
            return f"synchronous_standby_names = {evidence.value}"
        case MarkerAcked():
            return f"marker {evidence.sequence} acknowledged in {evidence.elapsed_s * 1000:.0f} ms"
        case Rejoined():
            return _rejoined(evidence)
        case CommandRan() | Queried() | HttpAnswered() | PoolsTold():
            return _own(evidence)
        case Checked():
            return evidence.detail
        case _:
            assert_never(evidence)


def _told(evidence: PoolsTold) -> str:
    ways = ((f"{evidence.word}d", evidence.done), ("not certain", evidence.unsure), ("not reached", evidence.away))
    return "; ".join(f"{word}: {', '.join(pools)}" for word, pools in ways if pools)


def _own(evidence: CommandRan | Queried | HttpAnswered | PoolsTold) -> str:
    """Of a step that is about something else than databases and the record."""
    match evidence:
        case CommandRan():
            return f"{evidence.command} ended with {evidence.code}{_said(evidence.output)}"
        case Queried():
            found = "nothing" if evidence.rows == 0 else "null" if evidence.value is None else repr(evidence.value)
            return f"answered {found}"
        case HttpAnswered():
            return f"answered {evidence.status}{_said(evidence.body)}"
        case PoolsTold():
            return _told(evidence)
        case _:
            assert_never(evidence)


def _said(text: str) -> str:
    """What was said, in a line; empty when nothing was."""
    line = " ".join(text.split())
    return f": {line[:SAID_LENGTH_MAX]}" if line else ""


def _rejoined(evidence: Rejoined) -> str:
    if evidence.state != "done":
        return " ".join(part for part in (evidence.state, evidence.phase, evidence.progress, evidence.detail) if part)
    if evidence.fork is None:
        return f"rejoined by {evidence.method}, nothing was discarded"
    return (
        f"rejoined by {evidence.method}; left the history at {evidence.fork}, "
        f"{evidence.commits} unacknowledged commits discarded, kept in {evidence.kept_in}"
    )
