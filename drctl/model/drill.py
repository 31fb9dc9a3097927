"""The kinds of drills."""

from __future__ import annotations

from enum import StrEnum


class DrillKind(StrEnum):
    """How near to the real thing."""

    LIVE = "live"
    """The group is moved to another center, and back."""
    BUBBLE = "bubble"
    """A copy of a standby is recovered and promoted in isolation; nothing that serves is touched."""
    TABLETOP = "tabletop"
    """People go through the plan, and confirm their parts."""
