"""A register's calls have an order, or the oracle says that they have none."""

from __future__ import annotations

from itertools import permutations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.oracles.linearizable import NEVER_NS, Call, Contradiction, Effect, Exhausted, linearize
from chaos.oracles.registers import check_registers, settle_unknown
from chaos.oracles.verdict import Result
from chaos.workload.record import OutcomeClass


def test_reads_that_follow_the_writes_pass(story):
    story.read(1, None)
    story.write(1, 10)
    story.cas(1, 10, 11)
    story.cas(1, 10, 12, wrote=False)
    story.read(1, 11)
    verdict = check_registers(story.history, story.dump(registers={1: 11}))
    assert verdict.result is Result.PASS
    assert verdict.counts["calls"] == 5


def test_a_stale_read_is_found(story):
    story.write(1, 10)
    story.write(1, 11)
    story.read(1, 10)
    verdict = check_registers(story.history)
    assert verdict.result is Result.FAIL
    [finding] = verdict.findings
    assert finding.kind == "not-linearizable"
    assert finding.subject == "register 1"
    assert "read 10" in finding.text


def test_a_read_beside_the_write_may_see_either_value(story):
    story.write(1, 10)
    story.write(1, 11, start_ms=10, end_ms=30)
    story.read(1, 10, start_ms=12, end_ms=14)
    story.read(1, 11, start_ms=16, end_ms=18)
    assert check_registers(story.history).result is Result.PASS


def test_a_value_that_was_seen_cannot_be_unseen(story):
    story.write(1, 10)
    story.write(1, 11, start_ms=10, end_ms=30)
    story.read(1, 11, start_ms=12, end_ms=14)
    story.read(1, 10, start_ms=16, end_ms=18)
    assert check_registers(story.history).result is Result.FAIL


def test_a_lost_last_write_is_found_by_the_final_read(story):
    story.write(1, 10)
    story.write(1, 11)
    assert check_registers(story.history).result is Result.PASS
    assert check_registers(story.history, story.dump(registers={1: 10})).result is Result.FAIL


def test_a_refused_write_that_is_read_is_found(story):
    story.write(1, 10, OutcomeClass.FAILED)
    story.read(1, 10)
    assert check_registers(story.history).result is Result.FAIL


def test_two_compare_and_sets_of_one_value_cannot_both_match(story):
    story.write(1, 10)
    story.cas(1, 10, 11, start_ms=10, end_ms=20)
    story.cas(1, 10, 12, start_ms=10, end_ms=20)
    assert check_registers(story.history).result is Result.FAIL


@pytest.mark.parametrize("outcome", [OutcomeClass.UNKNOWN, OutcomeClass.ACKED_UNSAFE])
def test_a_write_of_unknown_outcome_may_appear_late_or_never(story, outcome):
    story.write(1, 10)
    story.write(1, 11, outcome)
    story.read(1, 10)
    assert check_registers(story.history).result is Result.PASS
    story.read(1, 11)
    assert check_registers(story.history).result is Result.PASS
    story.read(1, 10)
    assert check_registers(story.history).result is Result.FAIL


def test_an_unknown_write_explains_a_compare_and_set_that_did_not_match(story):
    story.write(1, 10)
    story.write(1, 11, OutcomeClass.UNKNOWN)
    story.cas(1, 10, 12, wrote=False)
    assert check_registers(story.history).result is Result.PASS
    story.read(1, 10)
    assert check_registers(story.history).result is Result.FAIL


def test_an_unknown_compare_and_set_that_was_seen_settles_the_write_before_it(story):
    story.write(1, 10, OutcomeClass.UNKNOWN)
    story.cas(1, 10, 11, OutcomeClass.UNKNOWN)
    story.read(1, 11)
    assert check_registers(story.history).result is Result.PASS
    story.read(1, 10)
    assert check_registers(story.history).result is Result.FAIL


def test_a_read_of_a_value_before_it_was_written_is_found(story):
    story.read(1, 10)
    story.write(1, 10, OutcomeClass.UNKNOWN)
    assert check_registers(story.history).result is Result.FAIL


def test_registers_are_judged_one_by_one(story):
    story.write(1, 10)
    story.write(2, 20)
    story.read(2, 20)
    story.read(1, 20)
    assert [finding.subject for finding in check_registers(story.history).findings] == ["register 1"]


def test_reads_of_a_pinned_client_may_be_stale(story):
    story.write(1, 10)
    story.write(1, 11)
    story.read(1, 10, pinned="lis-fuyang")
    assert check_registers(story.history).result is Result.PASS


def test_a_search_without_end_is_inconclusive(story):
    for value in range(12):
        story.write(1, value, start_ms=0, end_ms=100)
    story.read(1, 99, start_ms=0, end_ms=101)
    verdict = check_registers(story.history, steps_max=500)
    assert verdict.result is Result.INCONCLUSIVE
    assert verdict.counts["exhausted"] == 1
    assert check_registers(story.history).result is Result.FAIL


def test_no_call_is_no_proof(story):
    assert check_registers(story.history).result is Result.INCONCLUSIVE


@st.composite
def histories(draw):
    """Up to six calls with overlapping times; values are written once; some never return."""
    calls = []
    values = [None, *range(1, 5)]
    for index in range(draw(st.integers(1, 6))):
        called = draw(st.integers(0, 12))
        effect = draw(st.sampled_from(Effect))
        never = effect in (Effect.WRITE, Effect.CAS) and draw(st.integers(0, 3)) == 0
        reads = effect is Effect.READ
        calls.append(
            Call(
                name=str(index),
                effect=effect,
                called_ns=called,
                returned_ns=NEVER_NS if never else called + draw(st.integers(1, 6)),
                value=draw(st.sampled_from(values)) if reads else index + 1,
                expected=draw(st.integers(1, 4)) if effect in (Effect.CAS, Effect.MISMATCH) else None,
            )
        )
    return calls


def explains(order):
    value = None
    for call in order:
        match call.effect:
            case Effect.READ if call.value != value:
                return False
            case Effect.CAS if call.expected != value:
                return False
            case Effect.MISMATCH if call.expected == value:
                return False
            case Effect.WRITE | Effect.CAS:
                value = call.value
            case _:
                pass
    return True


def every_order_tried(calls):
    """The definition itself: some order of all that returned, and any of the others, keeps real time and explains."""
    for size in range(len(calls) + 1):
        for order in permutations(calls, size):
            if any(call.returned_ns < NEVER_NS and call not in order for call in calls):
                continue
            keeps_time = all(
                later.returned_ns >= earlier.called_ns
                for place, earlier in enumerate(order)
                for later in order[place + 1 :]
            )
            if keeps_time and explains(order):
                return True
    return False


@settings(max_examples=400, deadline=None)
@given(histories())
def test_the_search_agrees_with_every_order_tried(calls):
    expected = every_order_tried(calls)
    assert (linearize(calls, steps_max=10**6) is None) == expected
    assert (linearize(settle_unknown(calls), steps_max=10**6) is None) == expected


def test_the_search_says_when_it_gives_up():
    calls = [Call(name=str(n), effect=Effect.WRITE, called_ns=0, returned_ns=9, value=n) for n in range(8)]
    calls.append(Call(name="read", effect=Effect.READ, called_ns=0, returned_ns=10, value=99))
    assert isinstance(linearize(calls, steps_max=100), Exhausted)
    assert isinstance(linearize(calls, steps_max=10**6), Contradiction)
