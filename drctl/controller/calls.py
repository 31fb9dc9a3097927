"""A step's call as an effect: to a host, to a database, to a server outside."""

from __future__ import annotations

from drctl.controller.effect import HostCall, MarkerCall, PoolCall, QueryCall, StepEffect, WebCall
from drctl.controller.plan import Call, Situation
from drctl.model.command import Query, Rejoin, TellPools, WebRequest


def effect_of(call: Call, situation: Situation, attempt: int) -> StepEffect:
    """The effect that makes `call` for the try `attempt` of the situation's step."""
    run, step, policy = situation.run, situation.step, situation.view.group.policy
    if isinstance(call.command, WebRequest):
        return WebCall(
            group=run.group,
            run=run.id,
            step=step.id,
            attempt=attempt,
            epoch=run.epoch,
            request=call.command,
            deadline_s=step.timeout_s,
        )
    if isinstance(call.command, TellPools):
        return PoolCall(
            group=run.group,
            run=run.id,
            step=step.id,
            attempt=attempt,
            epoch=run.epoch,
            command=call.command,
            deadline_s=step.timeout_s,
        )
    assert call.member is not None, "only a request to a server outside is about no member"
    member = situation.members[call.member]
    if isinstance(call.command, Query):
        return QueryCall(
            group=run.group,
            run=run.id,
            step=step.id,
            attempt=attempt,
            epoch=run.epoch,
            member=member,
            query=call.command,
            deadline_s=step.timeout_s,
        )
    if call.command is None:
        return MarkerCall(
            group=run.group,
            run=run.id,
            step=step.id,
            attempt=attempt,
            epoch=run.epoch,
            member=member,
            sequence=int(run.epoch) * 1000 + attempt,
            deadline_s=min(step.timeout_s, policy.host_timeout_s),
        )
    return HostCall(
        group=run.group,
        run=run.id,
        step=step.id,
        attempt=attempt,
        epoch=run.epoch,
        member=member,
        command=call.command,
        # A rejoin is a job of the host's: it is begun, and asked about, and never waited for on the line.
        deadline_s=policy.host_timeout_s if isinstance(call.command, Rejoin) else step.timeout_s,
    )
