"""One effect, one call of a port."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

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
    Result,
    SaveRun,
    SetPaused,
    Stored,
    WatchMarker,
    WebCall,
)
from drctl.model.command import Fence
from drctl.model.errors import DrctlError
from drctl.ports import Clock, Coordinator, Database, Host, Outside, Pools


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """The outside world of one controller."""

    coordinator: Coordinator
    database: Database
    host: Host
    outside: Outside
    pools: Pools
    clock: Clock


def perform(effect: Effect, ports: Ports) -> EffectEnded:
    """Let `effect` happen, and say what came of it. Blocks for at most the effect's deadline."""
    began_s = ports.clock.now_s()
    try:
        result = _call(effect, ports)
    except DrctlError as error:
        return EffectEnded(effect=effect, error=error, elapsed_s=ports.clock.now_s() - began_s)
    return EffectEnded(effect=effect, result=result, elapsed_s=ports.clock.now_s() - began_s)


def _call(effect: Effect, ports: Ports) -> Result:
    match effect:
        case Probe(member=member, deadline_s=deadline_s):
            return ports.database.probe(member, deadline_s=deadline_s)
        case Inspect(member=member, deadline_s=deadline_s):
            return ports.host.inspect(member, deadline_s=deadline_s)
        case WatchMarker() | MarkerCall():
            return ports.database.write_marker(
                effect.member, sequence=effect.sequence, epoch=effect.epoch, deadline_s=effect.deadline_s
            )
        case HostCall():
            return ports.host.call(
                effect.member, epoch=effect.epoch, command=effect.command, deadline_s=effect.deadline_s
            )
        case QueryCall(member=member, query=query, deadline_s=deadline_s):
            return ports.database.query(member, query, deadline_s=deadline_s)
        case WebCall(request=request, deadline_s=deadline_s):
            key = f"{effect.run}/{effect.step}"
            return ports.outside.request(request, key=key, deadline_s=deadline_s)
        case PoolCall(command=command, deadline_s=deadline_s):
            return ports.pools.tell(command, deadline_s=deadline_s)
        case GuardFence(member=member, epoch=epoch, deadline_s=deadline_s):
            return ports.host.call(member, epoch=epoch, command=Fence(), deadline_s=deadline_s)
        case Publish(report=report, deadline_s=deadline_s):
            ports.coordinator.publish(report, deadline_s=deadline_s)
        case Campaign(wish=wish):
            ports.coordinator.campaign(wish=wish)
        case AnswerRequest(group=group, answer=answer, deadline_s=deadline_s):
            ports.coordinator.answer(answer, group, deadline_s=deadline_s)
        case SetPaused(group=group, paused=paused, answer=answer, deadline_s=deadline_s):
            ports.coordinator.set_paused(group, paused=paused, deadline_s=deadline_s)
            ports.coordinator.answer(answer, group, deadline_s=deadline_s)
        case BeginRun() | SaveRun() | ChangeRecord() | FinishRun():
            return _store(effect, ports.coordinator)
        case _:
            assert_never(effect)
    return None


def _store(effect: BeginRun | SaveRun | ChangeRecord | FinishRun, coordinator: Coordinator) -> Stored:
    match effect:
        case BeginRun(record=record, run=run, ended=ended, deadline_s=deadline_s):
            began, opened = coordinator.begin_run(record, run, ended=ended, deadline_s=deadline_s)
            return Stored(record=began, run=opened)
        case SaveRun(run=run, deadline_s=deadline_s):
            return Stored(record=None, run=coordinator.save_run(run, deadline_s=deadline_s))
        case ChangeRecord(record=record, run=run, deadline_s=deadline_s):
            changed, saved = coordinator.change_record(record, run, deadline_s=deadline_s)
            return Stored(record=changed, run=saved)
        case FinishRun(record=record, run=run, deadline_s=deadline_s):
            return Stored(record=coordinator.finish_run(record, run, deadline_s=deadline_s), run=None)
        case _:
            assert_never(effect)
