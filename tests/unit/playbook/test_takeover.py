"""The controller dies after any effect of any operation that is shipped; another brings the run to the same end."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache

import pytest

from drctl.controller.effect import Effect, HostCall
from drctl.model.command import Promote
from drctl.model.errors import DrctlError, EffectRefused, StaleEpoch
from drctl.model.evidence import Evidence
from drctl.model.identity import Epoch
from drctl.model.playbook import RunKind
from drctl.model.rule import SyncSet
from drctl.model.run import Outcome, StepStatus
from tests.unit.playbook.small import SHIPPED
from tests.unit.playbook.stage import A, B, C, Died, Hospital, Stage, outcome


def refused(command: str) -> Callable[[Effect, int], Evidence | DrctlError | None]:
    """A hospital in which one command to a host never works."""

    def answer(effect: Effect, _: int) -> DrctlError | None:
        if isinstance(effect, HostCall) and effect.name == command:
            return EffectRefused(f"no {command} today")
        return None

    return answer


def stage_of(kind: RunKind, broken: str = "") -> Stage:
    """The operation at its beginning."""
    hospital = Hospital()
    changes: dict[str, object] = {}
    match kind:
        case RunKind.FAILOVER:
            hospital.role[A] = "dead"
            changes["requested_by"] = "policy"
        case RunKind.RESTART:
            hospital.role[A] = "down"
            changes["candidate"] = A
        case RunKind.REJOIN:
            hospital.upstream[C] = None
            changes["candidate"] = C
        case RunKind.SYNCSET:
            hospital.upstream[C] = None
            changes["sync"] = SyncSet(count=1, members=frozenset({B}))
        case _:
            pass
    return Stage(SHIPPED[kind], hospital=hospital, answer=refused(broken), **changes)  # type: ignore[arg-type]


OPERATIONS = [(kind, "") for kind in SHIPPED] + [
    (kind, broken) for kind in (RunKind.SWITCHOVER, RunKind.SWITCHBACK, RunKind.EVACUATE) for broken in ("stop", "seal")
]


@cache
def undisturbed(kind: RunKind, broken: str) -> Stage:
    stage = stage_of(kind, broken)
    stage.play()
    return stage


def test_the_operations_end_as_they_should() -> None:
    for kind, broken in OPERATIONS:
        ended = undisturbed(kind, broken).ended
        assert ended is not None
        assert ended.outcome is (Outcome.ROLLED_BACK if broken else Outcome.DONE), (kind, broken, ended.note)
    assert undisturbed(RunKind.SWITCHOVER, "").held.primary == B
    assert undisturbed(RunKind.SWITCHOVER, "stop").held.primary == A
    assert undisturbed(RunKind.FAILOVER, "").hospital.role[A] == "dead"


def deaths() -> list[tuple[RunKind, str, int]]:
    return [
        (kind, broken, after)
        for kind, broken in OPERATIONS
        for after in range(2, len(undisturbed(kind, broken).performed))
    ]


@pytest.mark.parametrize(("kind", "broken", "after"), deaths())
def test_another_controller_brings_the_run_to_the_same_end(kind: RunKind, broken: str, after: int) -> None:
    stage = stage_of(kind, broken)
    stage.dies_at = after
    with pytest.raises(Died):
        stage.play()
    stage.adopt()
    stage.play()
    assert same(outcome(stage)) == same(outcome(undisturbed(kind, broken))), stage.performed


@pytest.mark.parametrize(("kind", "broken"), OPERATIONS)
def test_and_so_does_the_one_after_that(kind: RunKind, broken: str) -> None:
    for first in range(2, len(undisturbed(kind, broken).performed), 3):
        for second in range(1, 25, 4):
            stage = stage_of(kind, broken)
            stage.dies_at = first
            with pytest.raises(Died):
                stage.play()
            stage.adopt()
            stage.dies_at = len(stage.performed) + second
            try:
                stage.play()
            except Died:
                if stage.ended is None:
                    stage.adopt()
                    stage.play()
            assert same(outcome(stage)) == same(outcome(undisturbed(kind, broken))), stage.performed


def same(told: object) -> object:
    """What must not differ: of a step that nobody waits for, neither how it ended nor whether it did."""
    assert isinstance(told, dict)
    steps = {name: status for name, status in told["steps"].items() if name != "fence"}
    idle = {StepStatus.SKIPPED, StepStatus.DONE}
    return {**told, "steps": {name: "over" if status in idle else status for name, status in steps.items()}}


@pytest.mark.parametrize("kind", [RunKind.FAILOVER, RunKind.SWITCHOVER])
def test_a_controller_that_wakes_after_its_successor_has_acted_changes_nothing_more(kind: RunKind) -> None:
    stage = stage_of(kind)
    promotion = next(n for n, what in enumerate(undisturbed(kind, "").performed) if what.startswith("promote "))
    stage.dies_at = promotion
    sleeper = stage.driver
    with pytest.raises(Died):
        stage.play()
    stage.adopt()
    stage.play()
    end = (stage.held, stage.hospital.state)
    heir = stage.held.primary
    with pytest.raises(StaleEpoch):
        stage.hospital.call(heir, Epoch(2), Promote(sync=stage.held.rule.sync))
    stage.driver, stage.now_s = sleeper, stage.now_s + 60.0
    for _ in range(5):
        stage.tick()
    assert (stage.held, stage.hospital.state) == end
