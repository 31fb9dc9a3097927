"""What the verifier prints, read without making it say more than it does."""

from __future__ import annotations

from chaos.model.pan import Verdict, parse_search

COMPLETE = """
(Spin Version 6.5.2 -- 6 December 2019)

Full statespace search for:
	never claim         	- (none specified)
	assertion violations	+
	cycle checks       	- (disabled by -DSAFETY)
	invalid end states	- (disabled by -E flag)

State-vector 116 byte, depth reached 44, errors: 0
  8662929 states, stored
  9051136 states, matched
 17714065 transitions (= stored+matched)

pan: elapsed time 25.3 seconds
"""
VIOLATED = """
pan:1: assertion violated 0 (at depth 13)
pan: wrote protocol.pml.trail

Warning: Search not completed
	+ Breadth-First Search

State-vector 108 byte, depth reached 13, errors: 1
    11640 states, stored
pan: elapsed time 0.02 seconds
"""


def test_a_search_that_ended_without_an_error_holds():
    found = parse_search(COMPLETE)
    assert (found.verdict, found.states, found.depth, found.elapsed_s) == (Verdict.HOLDS, 8662929, 44, 25.3)


def test_a_search_that_stopped_at_a_counterexample_is_violated_and_not_cut_short():
    found = parse_search(VIOLATED)
    assert (found.verdict, found.states, found.depth, found.note) == (Verdict.VIOLATED, 11640, 13, "")


def test_states_beyond_eight_digits_are_printed_in_another_form():
    assert parse_search(COMPLETE.replace("8662929 states", "1.0935e+08 states")).states == 109_350_000


def test_a_search_without_enough_memory_proves_nothing():
    found = parse_search("pan: reached -DMEMLIM bound\n" + COMPLETE)
    assert (found.verdict, found.note) == (Verdict.INCONCLUSIVE, "the memory limit was reached")


def test_a_search_that_did_not_go_deep_enough_proves_nothing():
    found = parse_search("error: max search depth too small\n" + COMPLETE)
    assert (found.verdict, found.note) == (Verdict.INCONCLUSIVE, "the depth limit was reached")


def test_a_verifier_that_crashed_proves_nothing():
    found = parse_search("Segmentation fault\n")
    assert (found.verdict, found.note) == (Verdict.INCONCLUSIVE, "pan printed: Segmentation fault")


def test_a_verifier_that_said_nothing_proves_nothing():
    assert parse_search("").verdict is Verdict.INCONCLUSIVE
