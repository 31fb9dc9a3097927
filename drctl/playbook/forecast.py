"""What a playbook would do now: the members that each step is about, and how long it took before."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from statistics import median

from drctl.model.identity import MemberName
from drctl.model.playbook import MOVES, Playbook, RunKind, Step
from drctl.model.run import StepStatus
from drctl.model.snapshot import RunSnapshot


@dataclass(frozen=True, slots=True, kw_only=True)
class Cast:
    """Who plays what, if the operation began now."""

    primary: MemberName
    candidate: MemberName | None
    """The heir, or the member that rejoins; None when nobody can be named."""
    peers: tuple[MemberName, ...]
    members: tuple[MemberName, ...] = ()
    """All of the group, satellites too."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """A step as it would be."""

    step: Step
    members: tuple[MemberName, ...]
    """Empty when it is about no member, or nobody can be named."""
    towards: MemberName | None = None
    """Whom `members` would follow."""
    usual_s: float | None
    """The median of its past durations; None when it never ended well."""


def forecast(playbook: Playbook, cast: Cast, history: Iterable[RunSnapshot]) -> tuple[Forecast, ...]:
    """Every step of the way forward."""
    # A run that was taken over did some steps twice: it says nothing of what they usually take.
    past = [run for run in history if run.kind is playbook.kind and not run.adoptions]
    return tuple(_forecast(playbook.kind, step, cast, past) for step in playbook.steps)


def _forecast(kind: RunKind, step: Step, cast: Cast, past: Sequence[RunSnapshot]) -> Forecast:
    members, towards = _members(kind, step, cast)
    took = [
        done.elapsed_s
        for run in past
        for done in run.steps
        if done.id == step.id and done.status is StepStatus.DONE and done.elapsed_s is not None
    ]
    return Forecast(step=step, members=members, towards=towards, usual_s=median(took) if took else None)


def _members(kind: RunKind, step: Step, cast: Cast) -> tuple[tuple[MemberName, ...], MemberName | None]:
    stays = step.params.get("on") == "primary" or kind not in MOVES
    target = cast.primary if stays else cast.candidate
    match step.uses:
        case "checkpoint" | "fence" | "stop" | "start":
            return (cast.primary,), None
        case "seal":
            return tuple(name for name in cast.peers if name != cast.primary), None
        case "follow":
            # A lost primary does not follow, it rejoins later.
            lost = cast.primary if kind is RunKind.FAILOVER else None
            told = tuple(name for name in cast.peers if name not in {target, lost})
            return (told, target) if target else ((), None)
        case "ready" | "rejoin" | "streaming":
            return (cast.candidate,) if cast.candidate else (), None
        case "command" | "sql" | "wait_until":
            return _subject(kind, str(step.params.get("on", "")), cast), None
        case "http" | "approve":
            return (), None
        case _:
            return (target,) if target else (), None


def _subject(kind: RunKind, word: str, cast: Cast) -> tuple[MemberName, ...]:
    """The member that a hospital's own step would be about; empty when nobody of the group, or nobody can be named."""
    known = {"primary": cast.primary, "old_primary": cast.primary}
    if word in {"heir", "returning"}:
        fits = (word == "heir") is (kind in MOVES or kind is RunKind.DRILL)
        return (cast.candidate,) if cast.candidate and fits else ()
    member = known.get(word, MemberName(word))
    return (member,) if member in {cast.primary, *cast.members} else ()


def usual_s(forecasts: Sequence[Forecast]) -> float | None:
    """How long all of it usually takes, along its longest path; None when that of a step that counts is not known."""
    ends_s: dict[str, float] = {}
    for place, each in enumerate(forecasts):
        step = each.step
        if not step.waited_for:
            ends_s[step.id] = 0.0
            continue
        if each.usual_s is None:
            return None
        needed = step.needs if step.needs or step.first else tuple(one.step.id for one in forecasts[:place][-1:])
        ends_s[step.id] = max((ends_s[name] for name in needed), default=0.0) + each.usual_s
    return max(ends_s.values(), default=0.0)
