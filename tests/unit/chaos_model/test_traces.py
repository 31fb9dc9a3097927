"""Counterexamples as a person reads them."""

from __future__ import annotations

from chaos.model.configuration import MUTANTS, Claim
from chaos.model.trace import read_trace, render

REPLAYED = """begin: operation 2, failover
seal: operation 2 has stopped B and reads its position: entry 0
write: A writes entry 1
choose: operation 2 chooses B; record: adds the rule (B, {A-C}, 1)
VIOLATION S1: the record names B, which lacks entry 1, acknowledged
spin: protocol.pml:256, Error: assertion violated
spin: trail ends after 11 steps
"""
STUCK = """ltl progress: [] ((! ((healed_at!=0))) || (<> (served)))
Never claim moves to line 4	[(1)]
faults stop; A stays away
Never claim moves to line 3	[(!(served))]
<<<<<START OF CYCLE>>>>>
spin: trail ends after 33 steps
"""


def test_the_steps_are_kept_and_the_noise_is_not():
    trace = read_trace(REPLAYED, Claim.SAFETY)
    assert len(trace.steps) == 4
    assert trace.violation == "VIOLATION S1: the record names B, which lacks entry 1, acknowledged"


def test_sets_are_written_as_people_write_them():
    assert read_trace(REPLAYED, Claim.SAFETY).steps[-1].endswith("adds the rule (B, {A, C}, 1)")


def test_a_run_that_stands_still_violates_progress():
    trace = read_trace(STUCK, Claim.PROGRESS)
    assert trace.steps == ("faults stop; A stays away",)
    assert trace.violation.startswith("VIOLATION progress: nothing more happens")


def test_the_text_says_what_was_taken_out_and_numbers_the_steps():
    lines = render(MUTANTS[0], read_trace(REPLAYED, Claim.SAFETY)).splitlines()
    assert lines[0].startswith("Taken out: a host refuses")
    assert lines[4] == "  1  begin: operation 2, failover"
    assert lines[-1] == "     VIOLATION S1: the record names B, which lacks entry 1, acknowledged"
