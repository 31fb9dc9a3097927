"""Which standbys should be in the sync set."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from drctl.decision.memory import Memory, primary_facts, set_as_recorded, streaming
from drctl.model.policy import OnNoStandby
from drctl.model.report import MemberFacts
from drctl.model.rule import SyncSet
from drctl.model.view import GroupView


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncChange:
    """What the sync set should become, and why."""

    sync: SyncSet
    reason: str


def wanted_change(view: GroupView, memory: Memory) -> SyncChange | None:
    """How the sync set should change; None when it is right, or when the primary does not say."""
    facts = primary_facts(view)
    if view.record is None or facts is None:
        return None
    policy, now = view.group.policy, view.record.rule.sync
    lost = {
        name
        for name in now.members
        if view.now_s - memory.absent_since_s.get(name, view.now_s) >= policy.standby_lost_s
    }
    joined = {
        member.name
        for member in view.group.peers
        if member.name not in now.members and member.name in memory.caught_up_since_s
    }
    members = (now.members - lost) | joined
    if any(streaming(facts, name) for name in members):
        sync = SyncSet(count=min(policy.sync_count, len(members)), members=members)
        if sync != now:
            changes = [f"{name} is lost" for name in sorted(lost)] + [
                f"{name} has caught up" for name in sorted(joined)
            ]
            changes += [] if set_as_recorded(view.record, facts) else [_wrong(view, memory, facts)]
            return SyncChange(sync=sync, reason=", ".join(changes) or f"the policy asks for {policy.sync_count}")
    elif degraded := _without_standbys(view, memory, now):
        return degraded
    if not now.is_set_by(facts.sync_names):
        return SyncChange(sync=now, reason=_wrong(view, memory, facts))
    return None


def _wrong(view: GroupView, memory: Memory, facts: MemberFacts) -> str:
    """What the history keeps of a setting that somebody changed: for how long the promise may have been broken, too."""
    assert view.record is not None, "asked of a group with a record"
    right_at_s = memory.sync_right_at_s
    since = "not seen right before" if right_at_s is None else f"last seen right {view.now_s - right_at_s:.1f} s before"
    return f"synchronous_standby_names is {facts.sync_names!r}, the record says {view.record.rule.sync.setting!r} ({since})"


def _without_standbys(view: GroupView, memory: Memory, now: SyncSet) -> SyncChange | None:
    """What the policy wants when nobody is left that could acknowledge; None to let commits wait.

    The set itself is kept, so that the first one that comes back settles what waits.
    """
    assert view.record is not None, "asked of a group with a record"
    policy, since_utc = view.group.policy, view.record.degraded_since_utc
    if policy.on_no_standby is not OnNoStandby.DEGRADE:
        return None
    if now.alone:
        assert since_utc is not None, "a degraded group is recorded so"
        if _age_s(since_utc, view.now_utc) >= policy.degrade_limit_s:
            return SyncChange(
                sync=SyncSet(count=min(policy.sync_count, len(now.members)), members=now.members),
                reason=f"degraded since {since_utc}, and the policy allows no longer: commits wait from here",
            )
        return None
    alone_for_s = min(view.now_s - memory.absent_since_s.get(name, view.now_s) for name in now.members)
    if since_utc is None and alone_for_s >= policy.degrade_after_s:
        return SyncChange(
            sync=SyncSet(count=0, members=now.members),
            reason=f"no standby for {alone_for_s:.0f} s, and the policy lets the primary acknowledge alone",
        )
    return None


def _age_s(since_utc: str, now_utc: str) -> float:
    return (datetime.fromisoformat(now_utc) - datetime.fromisoformat(since_utc)).total_seconds()
