"""What speaks for the commits of a member whose history is discarded: the markers that it acknowledged."""

from __future__ import annotations

from collections.abc import Callable

from drctl.controller.effect import EffectEnded, MarkerCall, WatchMarker
from drctl.decision.verdict import Begin
from drctl.model.event import Alarm, Event, Severity
from drctl.model.evidence import MarkerAcked, Rejoined
from drctl.model.marker import AckedMarker, contradiction
from drctl.model.playbook import RunKind
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.ports import Ledger


class Witness:
    """Keeps acknowledged markers, gives the newest to a run that begins, and compares when a run has ended."""

    def __init__(self, ledger: Ledger | None, emit: Callable[[Event], None]) -> None:
        """None keeps nothing."""
        self._ledger = ledger
        self._emit = emit

    def hear(self, ended: EffectEnded, now_utc: str) -> None:
        """Write an acknowledged marker down."""
        effect, acked = ended.effect, ended.result
        if (
            self._ledger is None
            or not isinstance(effect, WatchMarker | MarkerCall)
            or not isinstance(acked, MarkerAcked)
        ):
            return
        marker = AckedMarker(
            member=effect.member.name,
            epoch=effect.epoch,
            sequence=acked.sequence,
            position=acked.position,
            at_utc=now_utc,
        )
        self._ledger.keep(effect.member.group, marker)

    def newest(self, begin: Begin, record: GroupRecord) -> AckedMarker | None:
        """The newest marker of the member whose history the run may discard; None when none is known."""
        rejoining = begin.candidate if begin.kind is RunKind.REJOIN else None
        return None if self._ledger is None else self._ledger.newest(record.group, rejoining or record.primary)

    def testify(self, ended: Run) -> None:
        """Compare what a run discarded with what was acknowledged."""
        for _, evidence in ended.evidence("rejoin"):
            lost = contradiction(ended.acknowledged, evidence.fork) if isinstance(evidence, Rejoined) else ""
            if lost:
                self._emit(
                    Alarm(
                        group=ended.group,
                        severity=Severity.ALARM,
                        code="acked_discarded",
                        message=f"{ended.id}: {lost}",
                        remedy=f"drctl history {ended.id}",
                    )
                )
