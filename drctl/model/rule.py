"""The rules that say which members hold every acknowledged commit."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.model.identity import Epoch, GroupName, MemberName, RunId
from drctl.model.position import NO_TIMELINE, Timeline

RULES_MAX = 8
"""Changes interrupted one after the other before a person is asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SyncSet:
    """`synchronous_standby_names = 'ANY count (members)'`.

    Never without members: with no standby left, commits wait. A count of zero is the policy `on_no_standby: degrade`, for
    a limited time: nobody need acknowledge, and by the same arithmetic as for any other rule only the sealed primary
    itself satisfies one with such a set.
    """

    count: int
    members: frozenset[MemberName]

    def __post_init__(self) -> None:
        assert self.members, "a sync set is never empty"
        assert 0 <= self.count <= len(self.members), f"ANY {self.count} of {len(self.members)} members"

    def __str__(self) -> str:
        return "nobody" if self.alone else f"ANY {self.count} ({', '.join(sorted(self.members))})"

    @property
    def setting(self) -> str:
        """`synchronous_standby_names` as PostgreSQL reads it."""
        names = ", ".join('"' + name.replace('"', '""') + '"' for name in sorted(self.members))
        return "" if self.alone else f"ANY {self.count} ({names})"

    @property
    def alone(self) -> bool:
        """Whether nobody need acknowledge: degraded by policy. Only the sealed primary satisfies such a rule."""
        return self.count == 0

    def is_set_by(self, setting: str) -> bool:
        """Whether a server's `synchronous_standby_names` says the same, whatever its spaces, quotes and order."""
        if self.alone:
            return not setting.strip()
        head, parenthesis, tail = setting.strip().partition("(")
        if not parenthesis or head.upper().split() != ["ANY", str(self.count)] or not tail.endswith(")"):
            return False
        names = [name.strip().strip('"') for name in tail[:-1].split(",")]
        return len(names) == len(self.members) and set(names) == self.members


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """Every commit that `primary` acknowledges is flushed by it and by at least `sync.count` of `sync.members`."""

    primary: MemberName
    sync: SyncSet

    def __post_init__(self) -> None:
        assert self.primary not in self.sync.members, "a primary does not stand by for itself"

    def __str__(self) -> str:
        return f"{self.primary} with {self.sync}"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataLossAccepted:
    """An operator's override: the rules could not be met, and a person chose to go on. Reported for ever after."""

    epoch: Epoch
    operator: str
    reason: str
    at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupRecord:
    """What the controllers agree on about a group; changed only by compare-and-set on `version`.

    One rule at rest; two while something changes, the older first; more when changes were interrupted one after the other.
    A promotion or a change of the sync set *adds* the new rule before its effect, and the older ones are removed only when
    a marker commit was acknowledged under the new setting.
    """

    group: GroupName
    version: int
    """The version of the znode that was read; -1 for a record that is not stored yet."""
    epoch: Epoch
    primary: MemberName
    rules: tuple[Rule, ...]
    run: RunId | None = None
    """The run that is under way; None at rest."""
    paused: bool = False
    degraded_since_utc: str | None = None
    """Since when commits are acknowledged without any standby by the policy `on_no_standby: degrade`; None when never."""
    data_loss_accepted: tuple[DataLossAccepted, ...] = ()
    timeline: Timeline = NO_TIMELINE
    """The highest timeline number that was given to an heir, promoted or not: no two histories bear the same one. 0 before
    the first."""
    failovers_utc: tuple[str, ...] = ()
    """When the last automatic failovers began, oldest first; bounded by the policy's limit an hour."""

    def __post_init__(self) -> None:
        assert 1 <= len(self.rules) <= RULES_MAX, f"{len(self.rules)} rules, the bound is {RULES_MAX}"

    @property
    def rule(self) -> Rule:
        """The rule that the group is at, or moves towards."""
        return self.rules[-1]

    @property
    def joint(self) -> bool:
        """Whether a change of rules is under way or was interrupted."""
        return len(self.rules) > 1
