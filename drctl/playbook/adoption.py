"""A run in the hands of another controller: what is proved anew, what stays done, what is never done again."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from drctl.model.identity import CenterName, Epoch
from drctl.model.run import Adoption, Run, StepRecord, StepStatus
from drctl.playbook.catalogue import CATALOGUE
from drctl.playbook.progress import forgotten, gives_up

ADOPTIONS_MAX = 50
"""That a journal tells of; the newest."""


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
        over = gives_up(run, record.id)
        proven_anew = CATALOGUE[step.uses].proven_by_epoch and not committed and not over
        if record.status is StepStatus.RUNNING and over and not step.always:
            steps.append(_rebased(_left(record, now_s, now_utc), now_s, now_utc))
        elif record.status is StepStatus.RUNNING or (record.status is StepStatus.DONE and proven_anew):
            # That it began once is kept: it may be the point of no return.
            steps.append(StepRecord(id=record.id, started_utc=record.started_utc))
        else:
            steps.append(_rebased(record, now_s, now_utc))
    return replace(
        run,
        epoch=epoch,
        owner=owner,
        center=CenterName(owner.partition("#")[0]),
        started_s=now_s - _age_s(run.started_utc, now_utc),
        steps=tuple(steps),
        adoptions=(*run.adoptions, Adoption(epoch=epoch, owner=owner, at_utc=now_utc))[-ADOPTIONS_MAX:],
    )


def _left(record: StepRecord, now_s: float, now_utc: str) -> StepRecord:
    return replace(
        record,
        status=StepStatus.SKIPPED,
        note="the run leads no further here",
        tasks=forgotten(record, now_s),
        ended_utc=now_utc,
    )


def _rebased(record: StepRecord, now_s: float, now_utc: str) -> StepRecord:
    """The times of another controller's clock mean nothing here: durations are kept, ages are told by the wall clocks."""
    if record.started_s is None:
        return record
    if record.status is StepStatus.WAITING:
        return replace(record, started_s=now_s - _age_s(record.started_utc, now_utc))
    took_s = (record.ended_s if record.ended_s is not None else record.started_s) - record.started_s
    ended_s = now_s - _age_s(record.ended_utc, now_utc)
    return replace(
        record, started_s=ended_s - took_s, ended_s=ended_s, attempt_started_s=ended_s - took_s, again_at_s=None
    )


def _age_s(at_utc: str, now_utc: str) -> float:
    """Between two wall times; never negative, for clocks of different hosts differ."""
    if not at_utc:
        return 0.0
    return max(0.0, (datetime.fromisoformat(now_utc) - datetime.fromisoformat(at_utc)).total_seconds())
