"""The guard: what a controller may fence in its own center outside of any run, so that clients get an error, not a hang.

Safety needs no guard: without its standbys a primary acknowledges nothing. While they acknowledge, the coordinator's
absence changes nothing: no demotion. But a primary that is cut off makes its clients wait for ever, and one that was
replaced while nobody else could reach its host goes on to serve reads that are older and older.
"""

from __future__ import annotations

from drctl.controller.effect import GuardFence
from drctl.decision.memory import primary_facts
from drctl.model.identity import MemberName
from drctl.model.view import GroupView

FENCE_TIMEOUT_S = 10.0
REPLACED_S = 3.0
"""How long a replaced primary may be seen running: the leader, who would rejoin it, is to be first."""


class Guard:
    """Watches one group for a local primary that is alone, or that was replaced."""

    def __init__(self) -> None:
        self._since_s: float | None = None
        self._what = ""
        self._fencing = False

    def look(self, view: GroupView) -> GuardFence | None:
        """The fence that is due; None while none is, or not for long enough."""
        member, what, patience_s = _found(view)
        if member is None:
            self._since_s = None
            return None
        if self._since_s is None or self._what != what:
            self._since_s, self._what = view.now_s, what
        if self._fencing or view.now_s - self._since_s < patience_s:
            return None
        assert view.record is not None, "both are said of a group that has a record"
        self._fencing = True
        return GuardFence(
            group=view.group.name,
            member=view.group.member(member),
            epoch=view.record.epoch,
            why=f"{member} {what}",
            deadline_s=FENCE_TIMEOUT_S,
        )

    def fenced(self) -> None:
        """A fence ended, well or not: the next look decides anew."""
        self._fencing = False
        self._since_s = None


def _found(view: GroupView) -> tuple[MemberName | None, str, float]:
    """The local member to fence, why, and after how long; no member when all is well."""
    if view.record is None:
        return None, "", 0.0
    if _alone(view):
        what = "was alone, without standbys and without the coordinator"
        return view.record.primary, what, view.group.policy.guard_s
    replaced = _replaced(view)
    return replaced, f"was replaced by {view.record.primary} and still ran as a primary", REPLACED_S


def _alone(view: GroupView) -> bool:
    if view.connected or view.record is None or view.record.degraded_since_utc is not None:
        return False
    if view.group.member(view.record.primary).center != view.center:
        return False
    facts = primary_facts(view)
    return facts is not None and not any(standby.state == "streaming" for standby in facts.standbys)


def _replaced(view: GroupView) -> MemberName | None:
    """The local member that runs as a primary although no rule speaks of it as one; None when there is none.

    Its host has the last word: it refuses the fence when it has seen a later epoch than this controller's record.
    """
    assert view.record is not None, "asked of a group that has a record"
    if not view.connected or view.record.paused:
        return None
    entitled = {view.record.primary, *(rule.primary for rule in view.record.rules)}
    for member in view.group.members:
        report = view.report(member.name)
        if member.center != view.center or member.name in entitled or report is None or report.facts is None:
            continue
        if report.answers and not report.facts.in_recovery:
            return member.name
    return None
