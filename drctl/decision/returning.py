"""Coming back: members that rejoin, and groups that go home."""

from __future__ import annotations

from datetime import datetime

from drctl.decision.memory import Memory, astray
from drctl.model.identity import MemberName
from drctl.model.policy import Switchback
from drctl.model.view import GroupView

RECEIVES_NOTHING_PATIENCE_S = 30.0
"""A standby that is told the right upstream reconnects by itself; only much later its data is looked at."""
ASTRAY_PATIENCE_S = 1.0
"""What was seen once may be a moment between two steps of somebody else."""


def who_rejoins(view: GroupView, memory: Memory) -> tuple[MemberName, str] | None:
    """The member that should be brought back next, and why; None when all follow or cannot be reached."""
    for member in view.group.members:
        since_s = memory.astray_since_s.get(member.name)
        if view.record is None or since_s is None or member.name == view.record.primary:
            continue
        why = astray(view, member.name)
        patience_s = RECEIVES_NOTHING_PATIENCE_S if "receives nothing" in why else ASTRAY_PATIENCE_S
        if why and view.now_s - since_s >= patience_s and _host_answers(view, member.name):
            return member.name, why
    return None


def wants_home(view: GroupView, memory: Memory) -> tuple[MemberName, str] | None:
    """The home member that should be primary again by policy, and why; None when it should not, or not yet."""
    policy = view.group.policy
    if view.record is None or policy.switchback in {Switchback.NEVER, Switchback.MANUAL}:
        return None
    home = home_member(view)
    if home is None or home == view.record.primary or home not in view.record.rule.sync.members:
        return None
    since_s = memory.caught_up_since_s.get(home)
    if since_s is None or view.now_s - since_s < policy.switchback_after_s:
        return None
    if policy.switchback is Switchback.WINDOW and not in_window(policy.switchback_window, view.now_utc):
        return None
    return home, f"{home} has been in sync for {view.now_s - since_s:.0f} s"


def home_member(view: GroupView) -> MemberName | None:
    """The member in the group's home center; None when there is none."""
    return next((member.name for member in view.group.peers if member.center == view.group.home), None)


def in_window(window: str, now_utc: str) -> bool:
    """Whether the local time of day is inside `HH:MM-HH:MM`; a window may cross midnight."""
    local = datetime.fromisoformat(now_utc).astimezone().strftime("%H:%M")
    begin, _, end = window.partition("-")
    return begin <= local < end if begin <= end else local >= begin or local < end


def _host_answers(view: GroupView, name: MemberName) -> bool:
    host = view.host(name)
    return host is not None and host.answers
