"""The mutants: each takes one rule out of the model, and its counterexample is kept."""

from __future__ import annotations

import re

import pytest

from chaos.model.configuration import MODEL, MUTANTS, TRACES, WORLDS, Claim, Mutant, World

TEXT = MODEL.read_text(encoding="utf-8")
NO_MUTATION = {"WRITES", "OPERATIONS", "K0", "TWO_PART_SEAL", "PROGRESS", "KINDS"}
"""What a world sets."""

each_mutant = pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)


def asked_for_by_the_model() -> set[str]:
    return set(re.findall(r"^#ifn?def (\w+)", TEXT, re.MULTILINE))


@each_mutant
def test_every_mutant_takes_something_out_of_the_model(mutant: Mutant):
    assert mutant.define in asked_for_by_the_model()


def test_nothing_in_the_model_can_be_taken_out_without_a_mutant_that_does():
    assert asked_for_by_the_model() - NO_MUTATION == {mutant.define for mutant in MUTANTS}


@each_mutant
def test_the_trace_of_every_mutant_is_kept_and_ends_in_a_violation(mutant: Mutant):
    lines = mutant.trace.read_text(encoding="utf-8").splitlines()
    assert lines[0] == f"Taken out: {mutant.without}."
    assert lines[-1].strip().startswith("VIOLATION")
    assert 5 <= len(lines) - 5 <= 30, "short enough to be read"


def test_no_trace_is_kept_of_a_mutant_that_is_gone():
    assert {path.stem for path in TRACES.iterdir()} == {mutant.name for mutant in MUTANTS}


def test_names_tell_worlds_and_mutants_apart():
    names = [world.name for world in WORLDS] + [mutant.name for mutant in MUTANTS]
    assert len(set(names)) == len(names)


def test_every_search_has_a_bound_in_time_and_memory():
    worlds = [*WORLDS, *(mutant.world for mutant in MUTANTS)]
    assert all(0 < world.limit_s <= 900 and 0 < world.memory_mib <= 8000 for world in worlds)
    assert all(world.limit_s <= 240 and world.memory_mib <= 2500 for world in worlds if not world.deep)


def test_a_world_in_which_faults_stop_asks_for_progress():
    world = World(name="w", writes=1, operations=3, faulty_operations=1)
    assert world.claim is Claim.PROGRESS
    assert world.defines == ("WRITES=1", "OPERATIONS=3", "K0=1", "PROGRESS", "FAULTY_OPERATIONS=1")


def test_a_world_in_which_they_do_not_asks_for_safety():
    world = World(name="w", writes=0, operations=4, first_count=2, two_part_seal=True, kinds="1131")
    assert world.claim is Claim.SAFETY
    assert world.defines == ("WRITES=0", "OPERATIONS=4", "K0=2", "TWO_PART_SEAL", "KINDS=1131")
