"""What a decision must remember from one look to the next: since when things are as they are."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from drctl.model.identity import MemberName
from drctl.model.position import Lsn
from drctl.model.report import MemberFacts, Reachability, StandbyFacts
from drctl.model.rule import GroupRecord
from drctl.model.run import Outcome, Run
from drctl.model.view import GroupView


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """A standby that streams and is not known to have caught up."""

    since_s: float
    wanted: Lsn
    """The primary's position when it was first seen streaming: once flushed, the standby has all that came before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Times are this controller's monotonic seconds."""

    absent_since_s: Mapping[MemberName, float] = field(default_factory=dict)
    """Since when the primary has not seen a member streaming."""
    joining: Mapping[MemberName, Joining] = field(default_factory=dict)
    caught_up_since_s: Mapping[MemberName, float] = field(default_factory=dict)
    """Since when a member streams and has all that the primary had when it began."""
    astray_since_s: Mapping[MemberName, float] = field(default_factory=dict)
    """Since when a member is not where the record wants it; what is wrong is read from the view."""
    primary: MemberName | None = None
    """Whose start `proven_start_s` is of; None before the first look."""
    written_lsn: Lsn | None = None
    """How far the primary had written when it answered last; None when it never did."""
    seen_start_s: float | None = None
    """When the primary's postmaster started, as it said last."""
    proven_start_s: float | None = None
    """The start of the primary's postmaster since when the sync set is known to have all that can be read from it.
    After a restart in place it may show commits that no standby has; None, or another start, until they have them."""
    sync_right_at_s: float | None = None
    """When the primary was last asked and its `synchronous_standby_names` was as recorded; None when it was not since then."""
    failures: int = 0
    """Runs that failed one after the other."""
    failed_at_s: float | None = None


def remember(memory: Memory, view: GroupView) -> Memory:
    """`memory` brought up to date with what is seen now."""
    if view.record is None:
        return Memory()
    primary = view.record.primary
    facts = primary_facts(view)
    if facts is None:
        # What the primary says of its standbys is not known: neither absence nor presence can be told.
        return replace(memory, joining={}, astray_since_s=_astray(memory, view))
    if memory.seen_start_s != facts.started_at_s:
        # What caught up with an earlier start of the primary may lack what this one made visible.
        memory = replace(memory, joining={}, caught_up_since_s={}, seen_start_s=facts.started_at_s)
    if memory.primary != primary:
        memory = replace(memory, sync_right_at_s=None)
    absent: dict[MemberName, float] = {}
    joining: dict[MemberName, Joining] = {}
    caught_up: dict[MemberName, float] = {}
    for member in view.group.members:
        if member.name == primary:
            continue
        standby = streaming(facts, member.name)
        if standby is None:
            absent[member.name] = memory.absent_since_s.get(member.name, view.now_s)
        elif member.name in memory.caught_up_since_s:
            caught_up[member.name] = memory.caught_up_since_s[member.name]
        else:
            waits = memory.joining.get(member.name, Joining(since_s=view.now_s, wanted=facts.written_lsn))
            if standby.flushed_lsn is not None and standby.flushed_lsn >= waits.wanted:
                caught_up[member.name] = view.now_s
            else:
                joining[member.name] = waits
    sync = view.record.rule.sync
    # A promoted heir has not restarted: all that it shows stands under the rules that it was promoted by.
    proven = memory.primary not in {None, primary} or len(sync.members & caught_up.keys()) >= sync.count
    return replace(
        memory,
        absent_since_s=absent,
        joining=joining,
        caught_up_since_s=caught_up,
        astray_since_s=_astray(memory, view),
        primary=primary,
        written_lsn=facts.written_lsn,
        proven_start_s=facts.started_at_s if proven else memory.proven_start_s,
        sync_right_at_s=view.reports[primary].asked_at_s
        if set_as_recorded(view.record, facts)
        else memory.sync_right_at_s,
    )


def set_as_recorded(record: GroupRecord, facts: MemberFacts) -> bool:
    """Whether the recorded primary's `synchronous_standby_names` is that of a rule: of either, while one replaces another."""
    return any(rule.sync.is_set_by(facts.sync_names) for rule in record.rules if rule.primary == record.primary)


def routable(view: GroupView, memory: Memory) -> bool:
    """Whether clients may be sent to the primary: not before the sync set has what a restart in place made visible."""
    facts = primary_facts(view)
    return facts is not None and memory.proven_start_s == facts.started_at_s


def remember_end(memory: Memory, run: Run, now_s: float) -> Memory:
    """`memory` after `run` ended: failures in a row make the next try wait longer."""
    # A run that a second failure made pointless counts too, or runs that outrun each other would never pause for breath.
    if run.outcome in {Outcome.FAILED, Outcome.REFUSED, Outcome.ROLLED_BACK, Outcome.SUPERSEDED}:
        return replace(memory, failures=memory.failures + 1, failed_at_s=now_s)
    return replace(memory, failures=0, failed_at_s=None)


def primary_facts(view: GroupView) -> MemberFacts | None:
    """What the recorded primary says now; None when it does not answer as a primary."""
    if view.record is None:
        return None
    report = view.report(view.record.primary)
    if report is None or report.reachability is not Reachability.ANSWERS or report.facts is None:
        return None
    return None if report.facts.in_recovery else report.facts


def streaming(facts: MemberFacts, name: MemberName) -> StandbyFacts | None:
    """The standby called `name` as its primary sees it streaming; None when it is not, or when two claim the name."""
    claims = [standby for standby in facts.standbys if standby.name == name and standby.state == "streaming"]
    return claims[0] if len(claims) == 1 else None


def _astray(memory: Memory, view: GroupView) -> Mapping[MemberName, float]:
    return {
        member.name: memory.astray_since_s.get(member.name, view.now_s)
        for member in view.group.members
        if view.record is not None and member.name != view.record.primary and astray(view, member.name)
    }


def astray(view: GroupView, name: MemberName) -> str:
    """Why a member that should follow the primary does not; empty when it does, or when it cannot be told."""
    assert view.record is not None, "astray from what"
    upstream = view.group.member(view.record.primary)
    report, host = view.report(name), view.host(name)
    if report is not None and report.answers and report.facts is not None:
        facts = report.facts
        if not facts.in_recovery:
            return f"{name} runs as a primary, which the record says is {upstream.name}"
        if facts.receiver is None and not facts.upstream:
            return f"{name} is sealed and follows nobody"
        wrong = [
            member.name
            for member in view.group.members
            if member.name != upstream.name and facts.upstream == f"{member.host}:{member.port}"
        ]
        if wrong:
            return f"{name} follows {wrong[0]} instead of {upstream.name}"
        if facts.receiver is None:
            return f"{name} receives nothing from {upstream.name}"
        return ""
    if (
        host is not None
        and host.answers
        and host.postmaster is not None
        and host.postmaster.value in {"down", "orphans"}
    ):
        return f"{name} is down, and its host answers"
    return ""
