"""One line of WAL, nothing that was read vanishes, members are alike, the outage is measured right."""

from __future__ import annotations

import pytest

from chaos.oracles.dump import parse_history
from chaos.oracles.identical import check_identical
from chaos.oracles.judgement import judge, overall
from chaos.oracles.member import TimelineSwitch
from chaos.oracles.outage import acknowledged_rate, check_outage, measure_outage
from chaos.oracles.table import verdict_table, verdicts_json
from chaos.oracles.vanished_reads import check_vanished_reads
from chaos.oracles.verdict import Result
from chaos.oracles.wal_line import check_wal_line
from chaos.workload.record import OutcomeClass


class TestWalLine:
    def test_acknowledgements_before_and_after_a_failover_are_one_line(self, story):
        story.insert(timeline=1, lsn=100)
        story.insert(timeline=2, lsn=250, member="lis-yuecheng")
        verdict = check_wal_line(story.history, (story.dump("lis-yuecheng", timeline=2, forks=[(1, 200)]),))
        assert verdict.result is Result.PASS
        assert verdict.counts == {"placed": 2, "unplaced": 0, "lis-zhaohui@1": 1, "lis-yuecheng@2": 1}

    def test_a_late_acknowledgement_of_common_wal_is_legal(self, story):
        story.insert(timeline=2, lsn=250, member="lis-yuecheng")
        story.insert(timeline=1, lsn=199)
        verdict = check_wal_line(story.history, (story.dump("lis-yuecheng", timeline=2, forks=[(1, 200)]),))
        assert verdict.result is Result.PASS

    @pytest.mark.parametrize("lsn", [200, 300])
    def test_an_acknowledgement_after_the_fork_is_split_brain(self, story, lsn):
        story.insert(timeline=1, lsn=100)
        op = story.insert(timeline=1, lsn=lsn)
        verdict = check_wal_line(story.history, (story.dump("lis-yuecheng", timeline=2, forks=[(1, 200)]),))
        assert [(finding.kind, finding.subject) for finding in verdict.findings] == [("split-brain", op)]
        assert "lis-zhaohui" in verdict.findings[0].text

    def test_an_acknowledgement_on_a_timeline_that_is_no_ancestor_is_split_brain(self, story):
        story.insert(timeline=2, lsn=210, member="lis-fuyang")
        verdict = check_wal_line(story.history, (story.dump("lis-yuecheng", timeline=3, forks=[(1, 200)]),))
        assert verdict.result is Result.FAIL

    def test_an_unsafe_acknowledgement_on_a_fork_is_legal(self, story):
        story.insert(timeline=1, lsn=100)
        story.insert(OutcomeClass.ACKED_UNSAFE, timeline=1, lsn=300)
        verdict = check_wal_line(story.history, (story.dump("lis-yuecheng", timeline=2, forks=[(1, 200)]),))
        assert verdict.result is Result.PASS

    def test_without_one_primary_and_its_history_nothing_is_proved(self, story):
        story.insert()
        assert check_wal_line(story.history, (story.dump(standby=True),)).result is Result.INCONCLUSIVE
        two = (story.dump(), story.dump("lis-yuecheng"))
        assert check_wal_line(story.history, two).result is Result.INCONCLUSIVE
        assert check_wal_line(story.history, (story.dump(forks=None),)).result is Result.INCONCLUSIVE

    def test_acknowledgements_without_position_prove_nothing(self, story):
        story.insert(timeline=None, lsn=None)
        assert check_wal_line(story.history, (story.dump(),)).result is Result.INCONCLUSIVE

    def test_a_history_file_is_read_as_postgresql_writes_it(self):
        text = "1\t0/3000148\tno recovery target specified\n\n# a comment\n2\t1/40\tno recovery target specified\n"
        assert parse_history(text) == (
            TimelineSwitch(timeline=1, until=0x3000148),
            TimelineSwitch(timeline=2, until=0x100000040),
        )


class TestVanishedReads:
    def test_what_was_read_and_is_there_passes(self, story):
        op = story.insert(OutcomeClass.UNKNOWN)
        story.look(op)
        verdict = check_vanished_reads(story.history, (story.dump(also={op: 1}),))
        assert verdict.result is Result.PASS
        assert verdict.counts["values"] == 1

    def test_a_row_of_unknown_outcome_that_was_read_and_is_gone_has_vanished(self, story):
        op = story.insert(OutcomeClass.UNKNOWN)
        reader = story.look(op)
        verdict = check_vanished_reads(story.history, (story.dump(),))
        [finding] = verdict.findings
        assert (finding.kind, finding.subject) == ("vanished", op)
        assert reader in finding.text

    def test_a_register_value_and_a_list_element_vanish_too(self, story):
        written = story.write(1, 10, OutcomeClass.UNKNOWN)
        appended = story.append(("x", 5), outcome=OutcomeClass.UNKNOWN)
        story.read(1, 10)
        story.append(("x", [5]))
        verdict = check_vanished_reads(story.history, (story.dump(),))
        assert {finding.subject for finding in verdict.findings} == {written, appended}

    def test_what_a_standby_showed_is_counted_apart(self, story):
        op = story.insert(OutcomeClass.UNKNOWN)
        kept = story.insert()
        story.look(op, pinned="lis-fuyang", in_recovery=True)
        story.look(op, in_recovery=True)
        story.look(kept)
        verdict = check_vanished_reads(story.history, (story.dump(),))
        assert verdict.result is Result.PASS
        assert (verdict.counts["standby_reads"], verdict.counts["standby_vanished"]) == (2, 1)

    def test_stock_rows_say_nothing(self, story):
        story.look("stock")
        assert check_vanished_reads(story.history, (story.dump(),)).result is Result.INCONCLUSIVE


class TestIdentical:
    def test_equal_digests_pass(self, story):
        tables = {"lis_sample": (3, "77"), "chaos_set": (0, "0")}
        verdict = check_identical((story.dump(tables=tables), story.dump("lis-yuecheng", tables=tables)))
        assert verdict.result is Result.PASS

    @pytest.mark.parametrize("other", [{"lis_sample": (3, "78")}, {"lis_sample": (4, "77")}, {}])
    def test_another_digest_count_or_no_table_is_found(self, story, other):
        members = (story.dump(tables={"lis_sample": (3, "77")}), story.dump("lis-yuecheng", tables=other))
        verdict = check_identical(members, {"lis_sample": ("only on lis-yuecheng: (S1)",)})
        assert verdict.result is Result.FAIL
        assert {finding.kind for finding in verdict.findings} == {"different", "different-row"}

    def test_one_member_has_nothing_to_be_compared_with(self, story):
        assert check_identical((story.dump(tables={"lis_sample": (3, "77")}),)).result is Result.INCONCLUSIVE


def steady(story, first_ms, last_ms):
    for start_ms in range(first_ms, last_ms, 10):
        story.insert(start_ms=start_ms, end_ms=start_ms + 2)


class TestOutage:
    def test_it_lasts_until_the_first_write_that_began_in_it_is_acknowledged(self, story):
        steady(story, 0, 1000)
        story.insert(OutcomeClass.UNKNOWN, start_ms=1001, end_ms=2000)
        story.insert(OutcomeClass.FAILED, start_ms=1100, end_ms=1900)
        steady(story, 2500, 4000)
        outage = measure_outage(story.history, 1000 * 10**6)
        assert outage.first_s == pytest.approx(1.502)
        assert outage.last_before_s == pytest.approx(-0.008)
        assert outage.gap_s == pytest.approx(1.510)
        assert (outage.refused, outage.unknown) == (1, 1)

    def test_a_late_answer_to_an_early_write_ends_no_outage(self, story):
        steady(story, 0, 1000)
        story.insert(start_ms=985, end_ms=2000)
        steady(story, 2500, 4000)
        outage = measure_outage(story.history, 1000 * 10**6)
        assert outage.first_any_s == pytest.approx(1.0)
        assert outage.first_s == pytest.approx(1.502)

    def test_acknowledgements_that_slip_through_after_the_injection_do_not_hide_it(self, story):
        steady(story, 0, 1300)
        steady(story, 3000, 4000)
        outage = measure_outage(story.history, 1000 * 10**6)
        assert outage.last_before_s == pytest.approx(0.292)
        assert outage.first_s == pytest.approx(2.002)

    def test_an_acknowledgement_that_was_lost_ends_no_outage(self, story):
        steady(story, 0, 1000)
        lost = story.insert(start_ms=1500, end_ms=1502)
        steady(story, 2500, 4000)
        outage = measure_outage(story.history, 1000 * 10**6, (story.dump(without=[lost]),))
        assert outage.first_s == pytest.approx(1.502)

    def test_an_outage_without_end_is_never(self, story):
        steady(story, 0, 1000)
        story.insert(OutcomeClass.UNKNOWN, start_ms=3000, end_ms=4000)
        outage = measure_outage(story.history, 1000 * 10**6)
        assert outage.first_s is None
        assert outage.gap_s is None
        verdict = check_outage(story.history, 1000 * 10**6, limit_s=5)
        assert [finding.kind for finding in verdict.findings] == ["never"]

    def test_no_outage_is_no_pass(self, story):
        steady(story, 0, 4000)
        assert measure_outage(story.history, 1000 * 10**6) is None
        assert check_outage(story.history, 1000 * 10**6, limit_s=5).result is Result.INCONCLUSIVE

    def test_an_outage_beyond_the_limit_fails(self, story):
        steady(story, 0, 1000)
        steady(story, 2500, 4000)
        assert check_outage(story.history, 1000 * 10**6, limit_s=2).result is Result.PASS
        assert check_outage(story.history, 1000 * 10**6, limit_s=1).result is Result.FAIL

    def test_the_next_fault_can_be_left_out(self, story):
        steady(story, 0, 1000)
        steady(story, 1500, 3000)
        steady(story, 6000, 7000)
        assert measure_outage(story.history, 10**9, until_ns=3 * 10**9).first_s == pytest.approx(0.502)
        assert measure_outage(story.history, 10**9).first_s == pytest.approx(5.002)

    def test_the_rate_is_counted_in_buckets_of_a_hundred_milliseconds(self, story):
        steady(story, 0, 200)
        steady(story, 400, 500)
        rate = acknowledged_rate(story.history, start_ns=0)
        assert rate.counts == (10, 10, 0, 0, 10)


def test_all_oracles_judge_a_sound_run_and_a_broken_one(story):
    story.write(1, 10)
    story.read(1, 10)
    story.append(("x", []), ("x", 1))
    lost = story.insert()
    story.look(lost)
    tables = {"chaos_set": (1, "5")}

    def members(**of_yuecheng):
        what = {"registers": {1: 10}, "lists": {1: (1,)}, "tables": tables}
        return (story.dump(**what), story.dump("lis-yuecheng", standby=True, **what, **of_yuecheng))

    assert overall(judge(story.history, members())) is Result.PASS
    broken = judge(story.history, members(without=[lost]))
    assert overall(broken) is Result.FAIL
    assert {verdict.oracle for verdict in broken if verdict.result is Result.FAIL} == {"set-full", "vanished-reads"}
    assert verdicts_json(broken)[0]["findings_total"] == 1
    assert verdict_table(broken).row_count == 6
    assert overall([]) is Result.INCONCLUSIVE
