"""What transactions read of lists betrays what is wrong between them."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.oracles.cycles import Dependency, Graph, Phenomenon, strongly_connected
from chaos.oracles.list_append import check_list_append
from chaos.oracles.verdict import Result
from chaos.workload.record import OutcomeClass
from tests.unit.chaos_oracles.story import Story


def kinds(verdict):
    return sorted({finding.kind for finding in verdict.findings})


def test_serial_transactions_pass(story):
    story.append(("x", []), ("x", 1), ("y", 2))
    story.append(("x", [1]), ("x", 3), ("x", [1, 3]))
    story.append(("y", [2]), ("x", [1, 3]))
    verdict = check_list_append(story.history, story.dump(lists={1: (1, 3), 2: (2,)}))
    assert verdict.result is Result.PASS
    assert verdict.counts == {"transactions": 3, "appends": 3, "reads": 5, "keys": 2}


def test_a_lost_append_is_found_in_the_final_list(story):
    op = story.append(("x", 1))
    story.append(("x", []), ("x", 2))
    verdict = check_list_append(story.history, story.dump(lists={1: (2,)}))
    assert [(finding.kind, finding.subject) for finding in verdict.findings] == [("lost-append", op)]


def test_a_lost_update_is_found(story):
    story.append(("x", []), ("x", 1))
    story.append(("x", []), ("x", 2))
    story.append(("x", [1, 2]))
    assert kinds(check_list_append(story.history)) == ["G-single", "lost-update"]


def test_an_aborted_read_is_found(story):
    story.append(("x", 1), outcome=OutcomeClass.FAILED)
    story.append(("x", [1]), ("y", 2))
    assert kinds(check_list_append(story.history)) == ["aborted-read"]


def test_an_append_of_unknown_outcome_may_be_read(story):
    story.append(("x", 1), outcome=OutcomeClass.UNKNOWN)
    story.append(("x", [1]), ("y", 2))
    assert check_list_append(story.history).result is Result.PASS


def test_an_intermediate_read_is_found(story):
    story.append(("x", 1), ("x", 2))
    story.append(("x", [1]))
    story.append(("x", [1, 2]))
    assert "intermediate-read" in kinds(check_list_append(story.history))


def test_a_transaction_that_does_not_see_its_own_append_is_found(story):
    story.append(("x", 1), ("x", []))
    assert "internal" in kinds(check_list_append(story.history))


def test_a_read_that_does_not_repeat_is_found(story):
    story.append(("x", []), ("x", [1]))
    story.append(("x", 1))
    assert "internal" in kinds(check_list_append(story.history))


def test_incompatible_orders_are_found(story):
    story.append(("x", 1))
    story.append(("x", 2))
    story.append(("x", [1, 2]))
    story.append(("x", [2, 1]))
    assert "incompatible-order" in kinds(check_list_append(story.history))


def test_garbage_and_duplicates_are_found(story):
    story.append(("x", 1))
    story.append(("x", [1, 1, 77]))
    assert {"garbage-read", "duplicate"} <= set(kinds(check_list_append(story.history)))


def test_a_cycle_of_writes_is_g0(story):
    story.append(("x", 1), ("y", 2))
    story.append(("x", 3), ("y", 4))
    story.append(("x", [1, 3]))
    story.append(("y", [4, 2]))
    verdict = check_list_append(story.history)
    assert kinds(verdict) == ["G0"]
    assert "-ww->" in verdict.findings[0].text


def test_a_cycle_of_writes_and_reads_is_g1c(story):
    story.append(("x", 1), ("y", [2]))
    story.append(("y", 2), ("x", [1]))
    assert kinds(check_list_append(story.history)) == ["G1c"]


def test_read_skew_is_g_single(story):
    story.append(("x", 1), ("y", 2))
    story.append(("x", []), ("y", [2]))
    story.append(("x", [1]))
    assert kinds(check_list_append(story.history)) == ["G-single"]


def test_write_skew_is_g2(story):
    story.append(("x", []), ("y", 1))
    story.append(("y", []), ("x", 2))
    story.append(("x", [2]), ("y", [1]))
    assert kinds(check_list_append(story.history)) == ["G2-item"]


def test_reads_of_pinned_clients_are_left_out(story):
    story.append(("x", 1), ("y", 2))
    story.append(("x", []), ("y", [2]), pinned="lis-fuyang")
    story.append(("x", [1]))
    assert check_list_append(story.history).result is Result.PASS


def test_too_little_is_no_proof(story):
    story.append(("x", 1))
    assert check_list_append(story.history).result is Result.INCONCLUSIVE


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_any_serial_execution_passes_and_a_lost_element_never_does(data):
    story, lists, value = Story(), {"x": [], "y": []}, 0
    for _ in range(data.draw(st.integers(1, 12))):
        steps = []
        for _ in range(data.draw(st.integers(1, 4))):
            key = data.draw(st.sampled_from("xy"))
            if data.draw(st.booleans()):
                value += 1
                steps.append((key, value))
                lists[key].append(value)
            else:
                steps.append((key, list(lists[key])))
        story.append(*steps)
    story.append(("x", list(lists["x"])), ("y", list(lists["y"])), ("x", value + 1))
    lists["x"].append(value + 1)
    final = {1: tuple(lists["x"]), 2: tuple(lists["y"])}
    assert check_list_append(story.history, story.dump(lists=final)).result is Result.PASS
    gone = data.draw(st.integers(0, len(lists["x"]) - 1))
    final[1] = tuple(value for place, value in enumerate(lists["x"]) if place != gone)
    assert check_list_append(story.history, story.dump(lists=final)).result is Result.FAIL


@settings(max_examples=200, deadline=None)
@given(st.sets(st.tuples(st.integers(0, 7), st.integers(0, 7)), max_size=20))
def test_components_are_the_sets_of_mutual_reach(edges):
    nodes = range(8)
    reach = {(a, b) for a in nodes for b in nodes if a == b} | edges
    for middle in nodes:
        reach |= {(a, b) for a in nodes for b in nodes if (a, middle) in reach and (middle, b) in reach}
    expected = {frozenset(b for b in nodes if (a, b) in reach and (b, a) in reach) for a in nodes}
    found = strongly_connected(map(str, nodes), lambda node: [str(b) for a, b in edges if str(a) == node])
    assert {frozenset(map(int, component)) for component in found} == expected


@pytest.mark.parametrize(
    ("kinds_of_edges", "phenomenon"),
    [
        (("ww", "ww", "ww"), Phenomenon.G0),
        (("ww", "wr", "ww"), Phenomenon.G1C),
        (("ww", "wr", "rw"), Phenomenon.G_SINGLE),
        (("rw", "wr", "rw"), Phenomenon.G2),
    ],
)
def test_a_cycle_is_named_by_its_edges(kinds_of_edges, phenomenon):
    graph = Graph()
    for (earlier, later), kind in zip((("a", "b"), ("b", "c"), ("c", "a")), kinds_of_edges, strict=True):
        graph.add(earlier, later, Dependency(kind))
    [(found, words)] = graph.cycles()
    assert found is phenomenon
    assert len(words) == 3


def test_a_long_chain_needs_no_recursion():
    graph = Graph()
    for number in range(20_000):
        graph.add(f"{number:05}", f"{number + 1:05}", Dependency.WW)
    assert graph.cycles() == []
