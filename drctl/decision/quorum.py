"""Rules, sealed sets and the heir: why no acknowledged commit is lost.

A commit that a primary acknowledged under the rule `(p, S, k)` is flushed by `p` and by at least `k` members of `S`. Once
`p` is sealed, or `|S| - k + 1` members of `S` are, no `k` members of `S` are left that could acknowledge a further one, and
any `k` of them that acknowledged an earlier one include a sealed member. So the most advanced sealed member has them all.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

from drctl.model.evidence import Sealed, SealedRole
from drctl.model.identity import MemberName
from drctl.model.position import Position
from drctl.model.rule import Rule, SyncSet
from drctl.model.run import Run
from drctl.model.topology import Member


def satisfied(rule: Rule, sealed: Collection[MemberName]) -> bool:
    """Whether no further commit can be acknowledged under `rule`, and one of `sealed` has every commit that was."""
    if rule.primary in sealed:
        return True
    return len(rule.sync.members.intersection(sealed)) >= len(rule.sync.members) - rule.sync.count + 1


def unmet(rules: Iterable[Rule], sealed: Collection[MemberName]) -> tuple[Rule, ...]:
    """The rules that `sealed` does not satisfy yet."""
    return tuple(rule for rule in rules if not satisfied(rule, sealed))


def missing(rules: Iterable[Rule], sealed: Collection[MemberName]) -> tuple[MemberName, ...]:
    """The members whose seal would bring `sealed` nearer to satisfying every rule, by name; empty when it does."""
    wanted: set[MemberName] = set()
    for rule in unmet(rules, sealed):
        wanted |= (rule.sync.members | {rule.primary}) - set(sealed)
    return tuple(sorted(wanted))


def choose_heir(
    sealed: Mapping[MemberName, Position],
    members: Iterable[Member],
    *,
    candidate: MemberName | None,
    down: Collection[MemberName] = (),
) -> MemberName | None:
    """The sealed member with the greatest position; None when none of `members` is sealed.

    Never by position alone: a longer log on an older timeline holds what was never acknowledged. Among equals one that runs
    wins over one that is `down` and would have to start first, then the wanted candidate, then priority, then name, so that
    every controller picks the same heir.
    """
    ranked = sorted(
        (member for member in members if member.name in sealed),
        key=lambda member: (-member.priority, member.name),
    )
    if not ranked:
        return None
    best = max(sealed[member.name] for member in ranked)
    equals = [member.name for member in ranked if sealed[member.name] == best]
    equals = [name for name in equals if name not in down] or equals
    return candidate if candidate in equals else equals[0]


def down_when_sealed(run: Run) -> frozenset[MemberName]:
    """The members that were down when `run` sealed them: one of them starts before it is promoted."""
    return frozenset(
        member
        for member, evidence in run.evidence("seal")
        if member is not None and isinstance(evidence, Sealed) and evidence.role is SealedRole.DOWN
    )


def sync_set_for(
    heir: MemberName, *, followers: Collection[MemberName], told: Collection[MemberName], count: int
) -> SyncSet | None:
    """The sync set that an heir brings: those that will follow it at once, else those whose hosts know of the run.

    With nobody to follow, commits wait for the first of them that comes back: never an empty set. None when no other host
    has heard of the run: a member that has not still obeys an earlier one, which may rewind it, and with it the only copy
    of what it acknowledges to the heir.
    """
    members = frozenset(followers) - {heir} or frozenset(told) - {heir}
    if not members:
        return None
    return SyncSet(count=min(count, len(members)), members=members)
