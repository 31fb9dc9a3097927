"""Steps about the PgBouncers before a group: clients wait in them while the primary changes, and no statement fails."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

from drctl.controller.effect import PoolCall, StepEffect
from drctl.controller.plan import Broken, Call, Calls, Judgement, Nothing, Pending, Plan, Situation, Succeeded
from drctl.model.command import PoolWord, TellPools
from drctl.model.evidence import PoolsTold
from drctl.model.run import StepRecord
from drctl.model.topology import Pool

LATE_RESUME_S = 10.0
"""For a RESUME outside of its run; it waits for the way to lead to a primary."""


def _pause(situation: Situation) -> Plan:
    pools = situation.view.group.pools
    if not pools:
        return Nothing(note="no PgBouncer is configured")
    return Calls(calls=(Call(member=None, command=TellPools(word=PoolWord.PAUSE, pools=pools)),))


def _resume(situation: Situation) -> Plan:
    pools = situation.view.group.pools
    if not pools:
        return Nothing(note="no PgBouncer is configured")
    # All of them: a pool that did not answer may have been paused all the same, and by an earlier run too.
    return Calls(calls=(Call(member=None, command=TellPools(word=PoolWord.RESUME, pools=pools)),))


def _paused(_situation: Situation, record: StepRecord) -> Judgement:
    """Whatever came of it the run goes on: a pool that is not paused is like no pool."""
    return Pending() if any(task.open for task in record.tasks) else Succeeded()


def _resumed(situation: Situation, record: StepRecord) -> Judgement:
    if any(task.open for task in record.tasks):
        return Pending()
    told = [evidence for _, evidence in record.evidence if isinstance(evidence, PoolsTold)]
    done = {name for each in told for name in each.done}
    pools = situation.view.group.pools
    waiting = [pool for pool in pools if pool.name not in done and _may_be_paused(situation, pool)]
    if not waiting:
        return Succeeded()
    return Broken(
        note="; ".join(f"{pool.name} may still keep its clients waiting: {_by_hand(pool)}" for pool in waiting)
    )


def resume_after_late_pause(effect: StepEffect) -> PoolCall | None:
    """The RESUME for a PAUSE whose run is no longer driven from here; None for any other effect.

    PgBouncer knows no epochs: who wakes late may pause what its successor has resumed. A RESUME too many costs at most a
    moment's errors, a PAUSE too many keeps clients waiting until somebody notices.
    """
    if not isinstance(effect, PoolCall) or effect.command.word is not PoolWord.PAUSE:
        return None
    return replace(effect, command=replace(effect.command, word=PoolWord.RESUME), deadline_s=LATE_RESUME_S)


def _may_be_paused(situation: Situation, pool: Pool) -> bool:
    """Whether this run may have paused it."""
    told = [evidence for _, evidence in situation.run.evidence("pause_pools") if isinstance(evidence, PoolsTold)]
    away = [name for each in told for name in each.away]
    return situation.run.began("pause_pools") and not any(name.startswith(f"{pool.name} ") for name in away)


def _by_hand(pool: Pool) -> str:
    words = [f"RESUME {name}" for name in pool.databases] or ["RESUME"]
    return f"psql -h {pool.address.host} -p {pool.address.port} pgbouncer -c '{'; '.join(words)}'"


POOL_PLANS: Mapping[str, Callable[[Situation], Plan]] = {"pause_pools": _pause, "resume_pools": _resume}

POOL_JUDGES: Mapping[str, Callable[[Situation, StepRecord], Judgement]] = {
    "pause_pools": _paused,
    "resume_pools": _resumed,
}
