"""Negative controls: what can be taken out of the protocol, so that the proof must fail."""

from __future__ import annotations

from enum import StrEnum


class Sabotage(StrEnum):
    """A rule that is not kept in this world."""

    EPOCH = "epoch"
    """Hosts obey lower epochs."""
    SEAL = "seal"
    """Sealing changes nothing and says that it did."""
    RECEIVER_GONE = "receiver-gone"
    """The position is read before the receiver is gone."""
    JOINT = "joint"
    """The new rule replaces the old one before the change, instead of standing beside it."""
    MARKER = "marker"
    """A marker is called acknowledged without a commit."""
    TIMELINE = "timeline"
    """Hosts tell positions without their timelines: the heir is chosen by position alone."""
    NUMBERS = "numbers"
    """PostgreSQL numbers the timelines: two heirs in a row may give two histories the same number."""
