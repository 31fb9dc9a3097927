"""What becomes of an operator's request: a run, or a no with its reason."""

from __future__ import annotations

from typing import assert_never

from drctl.decision.diagnosis import Diagnosis, Health
from drctl.decision.memory import Memory, primary_facts, streaming
from drctl.decision.returning import home_member
from drctl.decision.verdict import Begin, Decision, Hear, Pause, Refuse
from drctl.model.identity import MemberName
from drctl.model.playbook import RunKind
from drctl.model.request import ABOUT_A_RUN, Request, RequestKind
from drctl.model.view import GroupView


def answer_request(view: GroupView, memory: Memory, diagnosis: Diagnosis) -> Decision | None:
    """What to do about the oldest request that is due; None when there is none."""
    assert view.record is not None, "requests are of groups that have a record"
    due = [request for request in view.requests if request.not_before_utc <= view.now_utc]
    if not due:
        return None
    request = due[0]
    if request.kind in {RequestKind.PAUSE, RequestKind.RESUME}:
        return Pause(request=request, paused=request.kind is RequestKind.PAUSE)
    if request.kind in ABOUT_A_RUN:
        if view.run is not None:
            return Hear(request=request)
        return Refuse(request=request, message=f"no run is under way in {view.group.name}")
    if view.record.paused:
        return Refuse(request=request, message=f"{view.group.name} is paused; type: drctl resume {view.group.name}")
    if view.run is not None:
        return Refuse(
            request=request,
            message=f"run {view.run.id} ({view.run.kind}) is under way; type: drctl watch {view.run.id}",
        )
    match request.kind:
        case RequestKind.SWITCHOVER:
            return _switch(view, memory, diagnosis, request, RunKind.SWITCHOVER, request.candidate)
        case RequestKind.EVACUATE:
            return _switch(view, memory, diagnosis, request, RunKind.EVACUATE, request.candidate)
        case RequestKind.SWITCHBACK:
            home = home_member(view)
            if home is None:
                return Refuse(request=request, message=f"{view.group.name} has no member in {view.group.home}")
            return _switch(view, memory, diagnosis, request, RunKind.SWITCHBACK, home)
        case RequestKind.FAILOVER:
            return Begin(
                kind=RunKind.FAILOVER,
                reason=request.reason or "asked for by an operator",
                candidate=request.candidate,
                request=request,
            )
        case RequestKind.REJOIN | RequestKind.REINIT:
            return _rejoin(view, diagnosis, request)
        case RequestKind.ABORT | RequestKind.CONTINUE | RequestKind.APPROVE | RequestKind.REJECT:
            raise AssertionError(f"{request.kind} is about a run")
        case _:
            assert_never(request.kind)


def _switch(
    view: GroupView,
    memory: Memory,
    diagnosis: Diagnosis,
    request: Request,
    kind: RunKind,
    candidate: MemberName | None,
) -> Decision:
    assert view.record is not None, "asked by answer_request"
    if view.record.joint:
        return Refuse(request=request, message="an interrupted change of rules is being settled; try again in a moment")
    candidate = candidate or best_candidate(view, memory)
    problem = unready(view, memory, diagnosis, candidate)
    if problem or candidate is None:
        return Refuse(request=request, message=problem or "no standby is ready to take over")
    return Begin(kind=kind, reason=request.reason or "asked for by an operator", candidate=candidate, request=request)


def best_candidate(view: GroupView, memory: Memory) -> MemberName | None:
    """The standby that a switchover goes to when nobody is named: home first, then priority, then name."""
    assert view.record is not None, "a switchover has a record"
    ready = [
        member
        for member in view.group.peers
        if member.name in view.record.rule.sync.members and member.name in memory.caught_up_since_s
    ]
    ready.sort(key=lambda member: (member.center != view.group.home, -member.priority, member.name))
    return ready[0].name if ready else None


def unready(view: GroupView, memory: Memory, diagnosis: Diagnosis, candidate: MemberName | None) -> str:
    """Why a switchover to `candidate` must not begin; empty when it may."""
    assert view.record is not None, "a switchover has a record"
    if diagnosis.health is not Health.ALIVE:
        return f"the primary is not well ({diagnosis.reason}); if it is lost, a failover is decided, not a switchover"
    if candidate is None:
        return "no standby of the sync set has caught up"
    names = [member.name for member in view.group.peers]
    if candidate not in names:
        return f"{candidate} is no member of {view.group.name} that may be primary; members: {', '.join(names)}"
    if candidate == view.record.primary:
        return f"{candidate} is the primary already"
    if candidate not in view.record.rule.sync.members:
        return f"{candidate} is not in the sync set {view.record.rule.sync}"
    facts = primary_facts(view)
    standby = None if facts is None else streaming(facts, candidate)
    if facts is None or standby is None or candidate not in memory.caught_up_since_s:
        return f"{candidate} does not stream, or has not caught up"
    lag_bytes = facts.written_lsn - (standby.flushed_lsn or 0)
    if lag_bytes > view.group.policy.lag_bytes_max:
        return f"{candidate} is {lag_bytes} bytes behind, more than lag_max = {view.group.policy.lag_bytes_max}"
    host = view.host(candidate)
    if host is None or not host.answers:
        return f"the host of {candidate} does not answer: {host.detail if host else 'never asked'}"
    return ""


def _rejoin(view: GroupView, diagnosis: Diagnosis, request: Request) -> Decision:
    assert view.record is not None, "asked by answer_request"
    if request.candidate is None or request.candidate not in [member.name for member in view.group.members]:
        return Refuse(request=request, message=f"name a member of {view.group.name}")
    if request.candidate == view.record.primary:
        return Refuse(request=request, message=f"{request.candidate} is the primary: there is nothing it could rejoin")
    if diagnosis.health is not Health.ALIVE:
        return Refuse(request=request, message=f"there is no healthy primary to follow: {diagnosis.reason}")
    return Begin(
        kind=RunKind.REJOIN,
        reason=request.reason or f"{request.kind} asked for by an operator",
        candidate=request.candidate,
        request=request,
    )
