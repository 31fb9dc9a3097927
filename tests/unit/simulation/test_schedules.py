"""Schedules of faults in the simulated world: a subset that always runs, and every seed that once found something."""

from __future__ import annotations

import pytest

from chaos.simulation.run import simulate
from chaos.simulation.sabotage import Sabotage

SUBSET = range(10_000, 10_200)
FOUND = {
    151: "runs that superseded each other without a pause, because the heir was down when it was sealed",
    349: "an heir that died before its marker was neither started again nor given up",
    539: "a run that was adopted after it had named its heir promoted a second one",
    1117: "two heirs in a row gave two histories the same timeline number",
}


@pytest.mark.parametrize("seed", FOUND, ids=str)
def test_what_a_schedule_found_stays_mended(seed: int) -> None:
    result = simulate(seed)
    assert result.well, f"{FOUND[seed]}: {result.code}: {result.what}"


@pytest.mark.parametrize(
    "seeds", [SUBSET[at : at + 20] for at in range(0, len(SUBSET), 20)], ids=lambda seeds: str(seeds[0])
)
def test_no_schedule_of_the_subset_breaks_a_promise(seeds: range) -> None:
    broken = {result.seed: f"{result.code}: {result.what}" for seed in seeds if not (result := simulate(seed)).well}
    assert broken == {}, "make simulate SEED=... tells the story"


def test_a_seed_tells_the_same_story_twice() -> None:
    assert simulate(10_003, tracing=True).trace == simulate(10_003, tracing=True).trace


@pytest.mark.parametrize(
    ("sabotage", "seed"),
    [
        (Sabotage.JOINT, 0),
        (Sabotage.MARKER, 0),
        (Sabotage.SEAL, 152),
        (Sabotage.RECEIVER_GONE, 2054),
        (Sabotage.NUMBERS, 1805),
    ],
)
def test_a_rule_that_is_taken_out_breaks_a_promise_in_a_schedule_that_is_well_with_it(sabotage: Sabotage, seed: int):
    assert simulate(seed).well
    assert simulate(seed, sabotage=frozenset({sabotage})).code == "rule"
