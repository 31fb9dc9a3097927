"""An acknowledged write is on every member, once; a refused one on none."""

from __future__ import annotations

from chaos.oracles.set_full import check_set_full
from chaos.oracles.verdict import FINDINGS_MAX, Result
from chaos.workload.operation import OpId
from chaos.workload.record import OutcomeClass


def members(story, **of_fuyang):
    return (story.dump(), story.dump("lis-yuecheng", standby=True), story.dump("lis-fuyang", standby=True, **of_fuyang))


def test_writes_that_are_on_every_member_pass(story):
    story.insert()
    story.insert()
    verdict = check_set_full(story.history, members(story))
    assert verdict.result is Result.PASS
    assert verdict.counts["acked"] == 2
    assert verdict.counts["lost"] == 0


def test_a_write_that_is_missing_on_one_member_alone_is_lost(story):
    op = story.insert()
    story.insert()
    verdict = check_set_full(story.history, members(story, without=[op]))
    assert verdict.result is Result.FAIL
    assert verdict.counts["lost"] == 1
    [finding] = verdict.findings
    assert (finding.kind, finding.subject, finding.member) == ("lost", op, "lis-fuyang")
    assert "acknowledged by lis-zhaohui on timeline 1" in finding.text


def test_a_refused_write_that_is_there_is_resurrected(story):
    story.insert()
    op = story.insert(OutcomeClass.FAILED)
    verdict = check_set_full(story.history, members(story, also={op: 1}))
    assert [finding.kind for finding in verdict.findings] == ["resurrected"]


def test_a_write_that_was_applied_twice_is_a_duplicate(story):
    op = story.insert()
    verdict = check_set_full(story.history, members(story, twice=[op]))
    assert [(finding.kind, finding.member) for finding in verdict.findings] == [("duplicate", "lis-fuyang")]


def test_a_row_that_its_client_never_meant_to_write_is_a_phantom(story):
    story.insert()
    verdict = check_set_full(story.history, members(story, also={OpId("zhaohui.1.99"): 1, OpId("other.7.1"): 1}))
    assert [(finding.kind, finding.subject) for finding in verdict.findings] == [("phantom", "zhaohui.1.99")]


def test_an_unmatched_compare_and_set_that_left_its_mark_is_a_phantom(story):
    story.insert()
    op = story.cas(1, 5, 6, wrote=False)
    verdict = check_set_full(story.history, members(story, also={op: 1}))
    assert [finding.kind for finding in verdict.findings] == ["phantom"]


def test_unknown_and_unsafe_writes_are_counted_and_prove_nothing(story):
    story.insert()
    there = story.insert(OutcomeClass.UNKNOWN)
    story.insert(OutcomeClass.UNKNOWN)
    story.insert(OutcomeClass.ACKED_UNSAFE)
    story.insert(told=False)
    verdict = check_set_full(story.history, (story.dump(also={there: 1}),))
    assert verdict.result is Result.PASS
    assert (verdict.counts["unknown_present"], verdict.counts["unknown_absent"]) == (1, 2)
    assert (verdict.counts["unsafe_present"], verdict.counts["unsafe_absent"]) == (0, 1)


def test_without_acknowledged_writes_nothing_is_proved(story):
    story.insert(OutcomeClass.UNKNOWN)
    assert check_set_full(story.history, (story.dump(),)).result is Result.INCONCLUSIVE
    story.insert()
    assert check_set_full(story.history, ()).result is Result.INCONCLUSIVE


def test_a_verdict_is_bounded_and_counts_everything(story):
    for _ in range(FINDINGS_MAX + 10):
        story.insert()
    everything = [attempt.op for attempt in story.attempts]
    verdict = check_set_full(story.history, (story.dump(without=everything),))
    assert len(verdict.findings) == FINDINGS_MAX
    assert verdict.findings_total == FINDINGS_MAX + 10
