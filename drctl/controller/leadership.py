"""Who should lead: a controller that sees, and that does not go down together with a primary."""

from __future__ import annotations

from collections.abc import Mapping

from drctl.model.identity import CenterName, MemberName
from drctl.model.report import ObserverReport, Reachability

YIELD_AFTER_S = 3.0
"""A reason to hand the lead over must hold for this long, so that a moment does not move it."""
YIELD_FOR_S = 2.0
"""How long one that handed over stays out of the race: the others need not hurry."""
YIELD_PAUSE_S = 60.0
"""Between two hand-overs by one controller."""


class Candidacy:
    """Whether this controller wishes to lead."""

    def __init__(self, center: CenterName) -> None:
        self._center = center
        self._since_s: float | None = None
        self._yielded_at_s = -YIELD_PAUSE_S

    def wish(
        self,
        observers: Mapping[CenterName, ObserverReport],
        primaries: Mapping[MemberName, CenterName],
        *,
        leading: bool,
        busy: bool,
        now_s: float,
    ) -> bool:
        """Whether to stand. `primaries` says in which center every group's primary is; `busy`, that a run is driven."""
        if now_s - self._yielded_at_s < YIELD_FOR_S:
            return False
        reason = leading and not busy and self._should_yield(observers, primaries)
        if not reason:
            self._since_s = None
            return True
        if self._since_s is None:
            self._since_s = now_s
        if now_s - self._since_s < YIELD_AFTER_S or now_s - self._yielded_at_s < YIELD_PAUSE_S:
            return True
        self._yielded_at_s, self._since_s = now_s, None
        return False

    def _should_yield(
        self, observers: Mapping[CenterName, ObserverReport], primaries: Mapping[MemberName, CenterName]
    ) -> bool:
        mine = observers.get(self._center)
        if mine is None:
            return False
        others = [report for center, report in observers.items() if center != self._center]
        # One that is blind where others see would decide nothing, or the wrong thing.
        if any(_seen(other) > _seen(mine) for other in others):
            return True
        # A center that holds a primary takes its controller down with it: then nobody would decide until the session
        # has expired. Where another center holds none, its controller leads better.
        at_risk = set(primaries.values())
        return self._center in at_risk and any(
            other.center not in at_risk and _seen(other) >= _seen(mine) for other in others
        )


def _seen(report: ObserverReport) -> int:
    return sum(1 for _, sighting in report.sightings if sighting.reachability is Reachability.ANSWERS)
