"""What would happen if the primary died now: the decision, asked in advance."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.model.identity import MemberName


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """The answer that the very decision of the controller gives to a view in which the primary is dead."""

    would: str
    """A sentence for people."""
    heir: MemberName | None = None
    """The standby that would most likely be promoted, by what is known now; None when nobody would."""
    seconds: float | None = None
    """From the death to the first acknowledged write; None when nobody would be promoted, or it cannot be told."""
    missing: tuple[MemberName, ...] = ()
    """Members whose return would let a failover happen; empty when one would happen, or when no return helps."""
