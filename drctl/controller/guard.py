"""The guard: an isolated center's primary is fenced by its own controller, so that its clients get an error, not a hang.

Safety needs no guard: without its standbys a primary acknowledges nothing. While they acknowledge, the coordinator's
absence changes nothing: no demotion.
"""

from __future__ import annotations

from drctl.controller.effect import GuardFence
from drctl.decision.memory import primary_facts
from drctl.model.view import GroupView

FENCE_TIMEOUT_S = 10.0


class Guard:
    """Watches one group for a local primary that is alone."""

    def __init__(self) -> None:
        self._alone_since_s: float | None = None
        self._fencing = False

    def look(self, view: GroupView) -> GuardFence | None:
        """The fence that is due; None while the local primary is not alone, or not for long enough."""
        if not self._alone(view):
            self._alone_since_s = None
            return None
        if self._alone_since_s is None:
            self._alone_since_s = view.now_s
        if self._fencing or view.now_s - self._alone_since_s < view.group.policy.guard_s:
            return None
        assert view.record is not None, "alone is said of a recorded primary"
        self._fencing = True
        return GuardFence(
            group=view.group.name,
            member=view.group.member(view.record.primary),
            epoch=view.record.epoch,
            deadline_s=FENCE_TIMEOUT_S,
        )

    def fenced(self) -> None:
        """A fence ended, well or not: the next look decides anew."""
        self._fencing = False
        self._alone_since_s = None

    @staticmethod
    def _alone(view: GroupView) -> bool:
        if view.connected or view.record is None or view.record.degraded_since_utc is not None:
            return False
        if view.group.member(view.record.primary).center != view.center:
            return False
        facts = primary_facts(view)
        return facts is not None and not any(standby.state == "streaming" for standby in facts.standbys)
