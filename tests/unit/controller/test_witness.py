"""Acknowledged markers speak for the commits of a member whose history is discarded."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.config.playbooks import playbooks_in_force
from drctl.controller.effect import EffectEnded, WatchMarker
from drctl.controller.witness import Witness
from drctl.decision.verdict import Begin
from drctl.evidence.markers import MarkerLedger
from drctl.model.errors import EffectUnknown
from drctl.model.event import Alarm, Event
from drctl.model.evidence import MarkerAcked, Rejoined
from drctl.model.identity import CenterName, Epoch, GroupName, RunId
from drctl.model.marker import AckedMarker
from drctl.model.playbook import RunKind
from drctl.model.position import Lsn, Position, Timeline
from drctl.model.run import Run, StepRecord, StepStatus, Task, TaskStatus
from tests.unit.decision.world import NOW_S, UTC, A, B, group, record

AT = Position(timeline=Timeline(1), lsn=Lsn(500))


@pytest.fixture
def ledger() -> MarkerLedger:
    return MarkerLedger(None)


def marked(acked: bool = True) -> EffectEnded:
    effect = WatchMarker(member=group().member(A), sequence=4, epoch=Epoch(1), deadline_s=1.0)
    if not acked:
        return EffectEnded(effect=effect, error=EffectUnknown("it waits"))
    return EffectEnded(effect=effect, result=MarkerAcked(sequence=4, position=AT, elapsed_s=0.01))


def rejoin(acknowledged: AckedMarker | None, fork: int) -> Run:
    playbook = playbooks_in_force()[RunKind.REJOIN].playbook
    evidence = Rejoined(state="done", phase="done", fork=Position(timeline=Timeline(1), lsn=Lsn(fork)), commits=3)
    task = Task(member=A, status=TaskStatus.DONE, started_s=NOW_S, ended_s=NOW_S, evidence=evidence)
    return Run(
        id=RunId("lis-9"),
        group=GroupName("lis"),
        kind=RunKind.REJOIN,
        epoch=Epoch(9),
        owner="fuyang#1",
        center=CenterName("fuyang"),
        playbook=playbook,
        reason="",
        requested_by="policy",
        old_primary=B,
        candidate=A,
        acknowledged=acknowledged,
        started_utc=UTC,
        started_s=NOW_S,
        steps=tuple(
            StepRecord(id=step.id, status=StepStatus.DONE, tasks=(task,) if step.uses == "rejoin" else ())
            for step in playbook.steps
        ),
    )


def test_what_was_acknowledged_goes_with_the_run_that_may_discard_it(ledger: MarkerLedger):
    witness = Witness(ledger, lambda _: None)
    failover, home = Begin(kind=RunKind.FAILOVER, reason=""), Begin(kind=RunKind.REJOIN, reason="", candidate=A)
    assert witness.newest(failover, record()) is None
    witness.hear(marked(acked=False), UTC)
    assert witness.newest(failover, record()) is None
    witness.hear(marked(), UTC)
    known = AckedMarker(member=A, epoch=Epoch(1), sequence=4, position=AT, at_utc=UTC)
    assert witness.newest(failover, record()) == known
    moved = replace(record(), primary=B)
    assert witness.newest(failover, moved) is None, "of another primary nothing is known"
    assert witness.newest(home, moved) == known


def test_without_a_ledger_nothing_is_said():
    witness = Witness(None, lambda _: None)
    witness.hear(marked(), UTC)
    assert witness.newest(Begin(kind=RunKind.FAILOVER, reason=""), record()) is None


@pytest.mark.parametrize(("fork", "told"), [(600, False), (500, False), (400, True)])
def test_a_rejoin_that_discards_an_acknowledged_marker_is_an_alarm(ledger: MarkerLedger, fork: int, told: bool):
    events: list[Event] = []
    witness = Witness(ledger, events.append)
    witness.hear(marked(), UTC)
    witness.testify(rejoin(ledger.newest(GroupName("lis"), A), fork))
    assert [event.code for event in events if isinstance(event, Alarm)] == (["acked_discarded"] if told else [])
    witness.testify(rejoin(None, fork))
    assert len(events) == int(told)
