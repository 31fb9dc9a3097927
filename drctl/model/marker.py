"""The newest marker that is known to have been acknowledged: what a discarded piece of history is compared with."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.model.identity import Epoch, MemberName
from drctl.model.position import Position


@dataclass(frozen=True, slots=True, kw_only=True)
class AckedMarker:
    """A marker commit that the sync set acknowledged to drctl, as it acknowledges commits to clients."""

    member: MemberName
    """The primary of that moment."""
    epoch: Epoch
    sequence: int
    position: Position
    """All WAL up to here was acknowledged."""
    at_utc: str


def contradiction(acked: AckedMarker | None, fork: Position | None) -> str:
    """What proves that acknowledged history was discarded behind `fork`; empty when nothing does.

    That nothing proves it is no proof of the contrary: a client may have been answered after the last marker.
    """
    if acked is None or fork is None or acked.position <= fork:
        return ""
    return (
        f"marker {acked.sequence} of epoch {acked.epoch} was acknowledged by {acked.member} at {acked.position}, "
        f"and its history was discarded from {fork} on: acknowledged commits are lost"
    )
