"""The RPO watch of one group: tells each place where the promise is not kept once, and that it is mended."""

from __future__ import annotations

from collections.abc import Callable

from drctl.decision.exposure import exposures
from drctl.model.event import Alarm, Event, Severity
from drctl.model.view import GroupView


class RpoWatch:
    """Looks at a group in every pass. The controller that leads tells; while nobody can lead, each does."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._since_s: dict[tuple[str, str], float] = {}

    def look(self, view: GroupView) -> None:
        """Emit what has changed."""
        found = exposures(view)
        if view.connected and not view.leading:
            # Another tells. Should this one come to lead, it tells again what still holds.
            self._since_s.clear()
            return
        if found is None:
            return
        now = {(exposure.code, exposure.what): exposure.remedy for exposure in found}
        for key in now.keys() - self._since_s.keys():
            self._since_s[key] = view.now_s
            self._tell(view, key[0], Severity.ALARM, key[1], now[key])
        for key in self._since_s.keys() - now.keys():
            for_s = view.now_s - self._since_s.pop(key)
            self._tell(view, key[0], Severity.INFO, f"mended after {for_s:.1f} s: {key[1]}", "")

    def _tell(self, view: GroupView, code: str, severity: Severity, message: str, remedy: str) -> None:
        self._emit(Alarm(group=view.group.name, severity=severity, code=code, message=message, remedy=remedy))
