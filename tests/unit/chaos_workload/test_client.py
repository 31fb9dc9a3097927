"""What a client concludes, and how it keeps its connections."""

from __future__ import annotations

import asyncio
import json

import psycopg
import pytest
from click.testing import CliRunner

from chaos.workload.__main__ import main
from chaos.workload.judge import Notice, cut, judge_error, judge_success
from chaos.workload.operation import Kind, OpId
from chaos.workload.plot import Mark, plot_rate, sparkline
from chaos.workload.pool import Pool
from chaos.workload.progress import Meter
from chaos.workload.record import Intent, Outcome, OutcomeClass, Served
from chaos.workload.session import Endurance, with_endurance
from drctl.model.identity import MemberName
from drctl.model.position import Timeline


class TestJudge:
    @pytest.mark.parametrize("sqlstate", ["25006", "40001", "40P01", "53300", "57P03"])
    def test_these_states_mean_that_nothing_was_done(self, sqlstate):
        assert judge_error(psycopg.errors.lookup(sqlstate)("refused")) is OutcomeClass.FAILED

    @pytest.mark.parametrize("sqlstate", ["57P01", "57014", "08006", "23505", "58030", "XX000"])
    def test_every_other_state_is_unknown(self, sqlstate):
        assert judge_error(psycopg.errors.lookup(sqlstate)("broken")) is OutcomeClass.UNKNOWN

    @pytest.mark.parametrize("error", [psycopg.OperationalError("connection lost"), OSError("reset")])
    def test_a_lost_connection_is_unknown(self, error):
        assert judge_error(error) is OutcomeClass.UNKNOWN

    def test_success_without_a_warning_is_acked(self):
        assert judge_success([]) is OutcomeClass.ACKED

    @pytest.mark.parametrize(
        "notice",
        [
            Notice(source_function="SyncRepWaitForLSN", text="正在取消等待"),
            Notice(source_function=None, text="canceling wait for synchronous replication due to user request"),
        ],
    )
    def test_success_after_a_cancelled_wait_is_unsafe_in_any_language(self, notice):
        assert judge_success([notice]) is OutcomeClass.ACKED_UNSAFE

    def test_another_notice_changes_nothing(self):
        notice = Notice(source_function="RemoveObjects", text="table does not exist, skipping")
        assert judge_success([notice]) is OutcomeClass.ACKED

    def test_errors_are_one_line_of_bounded_length(self):
        assert cut("a\n  b") == "a b"
        assert len(cut("x" * 1000)) == 200


class TestEndurance:
    def test_a_dsn_gets_what_it_does_not_say(self):
        dsn = "host=10.77.0.11,10.77.0.12 port=5432 target_session_attrs=read-write tcp_user_timeout=300"
        said = psycopg.conninfo.conninfo_to_dict(with_endurance(dsn, Endurance(), application_name="lis-client-a"))
        assert said["tcp_user_timeout"] == "300"
        assert said["connect_timeout"] == "2"
        assert said["keepalives_count"] == "2"
        assert said["application_name"] == "lis-client-a"
        assert said["host"] == "10.77.0.11,10.77.0.12"

    def test_what_is_no_dsn_is_refused(self):
        with pytest.raises(psycopg.ProgrammingError):
            with_endurance("host", Endurance(), application_name="x")


class Wire:
    """Stands for a session: the pool needs no more of it."""

    def __init__(self):
        self.state = "open"

    def discard(self):
        self.state = "discarded"

    def abandon(self):
        self.state = "abandoned"


def with_pool(test, *, size=2, open_session=None):
    async def opens():
        return Wire()

    async def run():
        pool = Pool(open_session or opens, size=size)
        try:
            await test(pool)
        finally:
            await pool.close()

    asyncio.run(asyncio.wait_for(run(), 10))


class TestPool:
    def test_no_more_than_its_size_are_lent(self):
        async def test(pool):
            assert await pool.borrow(patience_s=1) is not None
            assert await pool.borrow(patience_s=1) is not None
            assert await pool.borrow(patience_s=0.01) is None
            assert (pool.in_flight, pool.queued, pool.open_count) == (2, 0, 2)

        with_pool(test)

    def test_whoever_waits_longest_is_served_first(self):
        async def test(pool):
            lent = await pool.borrow(patience_s=1)
            first = asyncio.create_task(pool.borrow(patience_s=1))
            second = asyncio.create_task(pool.borrow(patience_s=1))
            await asyncio.sleep(0)
            assert pool.queued == 2
            pool.give_back(lent)
            assert await first is lent
            assert not second.done()
            pool.give_back(lent)
            assert await second is lent

        with_pool(test, size=1)

    def test_one_that_broke_takes_the_idle_ones_with_it_and_new_ones_come(self):
        async def test(pool):
            broken, idle = await pool.borrow(patience_s=1), await pool.borrow(patience_s=1)
            pool.give_back(idle)
            pool.give_up(broken)
            assert (broken.state, idle.state) == ("discarded", "discarded")
            fresh = await pool.borrow(patience_s=1)
            assert fresh not in (broken, idle)

        with_pool(test)

    def test_attempts_to_connect_are_paced_while_they_fail(self):
        tries = []

        async def refuses():
            tries.append(asyncio.get_running_loop().time())
            raise psycopg.OperationalError("refused")

        async def test(pool):
            assert await pool.borrow(patience_s=0.5) is None
            assert pool.last_error == "refused"
            assert 2 <= len(tries) <= 15

        with_pool(test, size=20, open_session=refuses)

    def test_one_attempt_that_hangs_does_not_keep_the_others(self):
        tries = []

        async def hangs_once():
            tries.append(1)
            if len(tries) == 1:
                await asyncio.Event().wait()
            return Wire()

        async def test(pool):
            assert await pool.borrow(patience_s=2) is not None

        with_pool(test, open_session=hangs_once)

    def test_who_is_refused_is_told_at_once(self):
        async def test(pool):
            lent = await pool.borrow(patience_s=1)
            waiting = asyncio.create_task(pool.borrow(patience_s=60))
            await asyncio.sleep(0)
            pool.refuse_all()
            assert await waiting is None
            assert await pool.borrow(patience_s=60) is None
            pool.abandon_all()
            assert lent.state == "abandoned"
            pool.give_back(lent)
            assert lent.state == "discarded"

        with_pool(test, size=1)


def test_progress_counts_classes_and_times_of_the_last_second():
    async def test(pool):
        meter = Meter("zhaohui")
        now = meter.snapshot(pool, syncs=0).mono_ns
        for number, how in enumerate([OutcomeClass.ACKED] * 98 + [OutcomeClass.FAILED, OutcomeClass.UNKNOWN]):
            meter.count(
                Intent(op=OpId("1"), kind=Kind.SET_INSERT, at_ns=now - number * 10**6, wall_s=0, about="", call=None),
                Outcome(
                    op=OpId("1"),
                    outcome=how,
                    sent_ns=now,
                    done_ns=now,
                    wall_s=0,
                    wrote=how is OutcomeClass.ACKED,
                    served=Served(
                        member=MemberName("lis-zhaohui"), address="", in_recovery=False, timeline=Timeline(3), lsn=None
                    ),
                    seen=None,
                    sqlstate=None,
                    text="",
                ),
            )
        snapshot = meter.snapshot(pool, syncs=5)
        assert (snapshot.acked, snapshot.acked_writes, snapshot.failed, snapshot.unknown) == (98, 98, 1, 1)
        assert (snapshot.p50_ms, snapshot.p99_ms) == (49.0, 97.0)
        assert (snapshot.member, snapshot.timeline) == ("lis-zhaohui", 3)
        line = json.loads(snapshot.line())
        assert line["t"] == "progress"
        assert line["rate_per_s"] == 98

    with_pool(test)


class TestPlot:
    def test_a_sparkline_shows_the_last_values_and_a_dot_for_none(self):
        assert sparkline([100, 0, 1, 4, 8], width=4) == "·▁▄█"
        assert sparkline([]) == ""

    def test_the_outage_is_marked_and_the_burst_after_it_does_not_flatten_the_rest(self):
        counts = [11] * 100 + [0] * 40 + [200] + [11] * 59
        marks = [Mark(at_s=10, label="断电"), Mark(at_s=14, label="恢复")]
        lines = plot_rate(counts, 0.1, marks=marks, outage_s=(10, 14), width=50, height=3).plain.splitlines()
        assert lines[0].startswith("165/s │")
        assert lines[2].count("·") == lines[3].count("━") == 10
        assert lines[2].count("█") == 40
        assert lines[4].index("▲") == lines[3].index("━")
        assert "断电 (10.0 s)" in lines[4]
        assert "恢复 (14.0 s)" in lines[5]

    def test_nothing_can_be_drawn_too(self):
        assert "0/s" in plot_rate([], 0.1).plain
        assert "0/s" in plot_rate([0, 0], 0.1, width=10).plain


class TestCommand:
    @pytest.mark.parametrize(
        ("options", "why"),
        [
            ([], "proves nothing"),
            (["--ledger", "/dev/null"], "has a file of its own"),
            (["--ledger", "LEDGER", "--mix", "sonnet=1"], "set_insert"),
        ],
    )
    def test_what_cannot_be_right_is_refused_with_a_reason(self, tmp_path, options, why):
        options = [str(tmp_path / "ledger") if option == "LEDGER" else option for option in options]
        told = CliRunner().invoke(main, ["--dsn", "host=127.0.0.1", *options])
        assert told.exit_code == 2
        assert why in told.output

    def test_a_dsn_that_is_none_is_an_error_of_one_line(self, tmp_path):
        told = CliRunner().invoke(main, ["--dsn", "nonsense", "--ledger", str(tmp_path / "ledger"), "--seconds", "0.1"])
        assert told.exit_code == 1
        assert told.output.startswith("error: ")
