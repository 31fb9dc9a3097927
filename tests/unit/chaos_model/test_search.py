"""Spin itself, on a world small enough for a test."""

from __future__ import annotations

import shutil

import pytest

from chaos.model.check import check_one
from chaos.model.configuration import MUTANTS, World
from chaos.model.pan import Verdict
from chaos.model.trace import render

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not (shutil.which("spin") and shutil.which("gcc")), reason="needs spin and gcc: type `make system`"
    ),
]


def test_the_protocol_holds_with_one_write_and_two_operations():
    checked = check_one(World(name="small", writes=1, operations=2, memory_mib=1000, limit_s=120))
    assert checked.passed, checked.trace or checked.search
    assert checked.search.states > 50_000, "a world this small has more states: the model does not move"


def test_a_mutant_is_caught_by_the_very_trace_that_is_kept():
    mutant = next(mutant for mutant in MUTANTS if mutant.name == "one-sealed-is-enough")
    checked = check_one(mutant)
    assert checked.search.verdict is Verdict.VIOLATED
    assert checked.trace is not None
    assert render(mutant, checked.trace) == mutant.trace.read_text(encoding="utf-8")
