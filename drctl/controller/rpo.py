"""The RPO watch of one group: tells each place where the promise is not kept once, and that it is mended."""

from __future__ import annotations

from collections.abc import Callable

from drctl.decision.exposure import Exposure, exposures
from drctl.model.event import Alarm, Event, Severity
from drctl.model.view import GroupView


class RpoWatch:
    """Looks at a group in every pass. The controller that leads tells; while nobody can lead, each does."""

    def __init__(self, emit: Callable[[Event], None]) -> None:
        self._emit = emit
        self._since_s: dict[Exposure, float] = {}

    def look(self, view: GroupView) -> None:
        """Emit what has changed."""
        found = exposures(view)
        if view.connected and not view.leading:
            # Another tells. Should this one come to lead, it tells again what still holds.
            self._since_s.clear()
            return
        if found is None:
            return
        known = {(exposure.code, exposure.what) for exposure in self._since_s}
        now = {(exposure.code, exposure.what) for exposure in found}
        for exposure in found:
            if (exposure.code, exposure.what) not in known:
                self._since_s[exposure] = view.now_s
                self._tell(view, exposure, Severity.ALARM, exposure.what, exposure.remedy)
        for exposure in [one for one in self._since_s if (one.code, one.what) not in now]:
            for_s = view.now_s - self._since_s.pop(exposure)
            self._tell(view, exposure, Severity.INFO, f"mended after {for_s:.1f} s: {exposure.what}", "")

    def _tell(self, view: GroupView, exposure: Exposure, severity: Severity, message: str, remedy: str) -> None:
        self._emit(Alarm(group=view.group.name, severity=severity, code=exposure.code, message=message, remedy=remedy))
