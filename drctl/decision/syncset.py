"""Which standbys should be in the sync set."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.decision.memory import Memory, primary_facts, streaming
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
    if not any(streaming(facts, name) for name in members):
        # Nobody is left that could acknowledge: keep the set, so that the next one that comes back settles what waits.
        return None
    sync = SyncSet(count=min(policy.sync_count, len(members)), members=members)
    if sync != now:
        changes = [f"{name} is lost" for name in sorted(lost)] + [f"{name} has caught up" for name in sorted(joined)]
        return SyncChange(sync=sync, reason=", ".join(changes) or f"the policy asks for {policy.sync_count}")
    if not same_setting(facts.sync_names, now):
        return SyncChange(
            sync=now, reason=f"synchronous_standby_names is {facts.sync_names!r}, the record says {sync_setting(now)!r}"
        )
    return None


def sync_setting(sync: SyncSet) -> str:
    """`synchronous_standby_names` for `sync`, as PostgreSQL reads it."""
    names = ", ".join('"' + name.replace('"', '""') + '"' for name in sorted(sync.members))
    return f"ANY {sync.count} ({names})"


def same_setting(setting: str, sync: SyncSet) -> bool:
    """Whether a server's `synchronous_standby_names` says the same as `sync`, whatever its spaces and order."""
    head, parenthesis, tail = setting.strip().partition("(")
    if not parenthesis or head.upper().split() != ["ANY", str(sync.count)] or not tail.endswith(")"):
        return False
    names = [name.strip().strip('"') for name in tail[:-1].split(",")]
    return len(names) == len(sync.members) and set(names) == sync.members
