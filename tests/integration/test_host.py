"""drctl-host against real PostgreSQL: what it says it proved must be true."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import statistics
import threading
import time
from pathlib import Path

import psycopg
import pytest

from chaos.lab.binaries import find_programs
from drctl.host import processes
from drctl.host.config import load
from drctl.host.deadline import Deadline
from drctl.host.psql import open_session
from drctl.host.reserve import reserve
from drctl.host.wal import parse_lsn
from tests.integration.host_fixture import USER, Group, Writer, group, wait_for

pytestmark = pytest.mark.skipif(os.geteuid() != 0, reason="it runs PostgreSQL as user postgres")

DEBIAN = Path("/usr/lib/postgresql/15/bin")
OLD, HEIR, OTHER = "lis-zhaohui", "lis-yuecheng", "lis-fuyang"


def on_both_versions(test):
    """What depends on PostgreSQL's inner life is tested with the oldest version too, and not with the wheel's alone."""
    test.versions = ("18", "15")
    return test


def pytest_generate_tests(metafunc):
    if "made" in metafunc.fixturenames:
        metafunc.parametrize("made", getattr(metafunc.function, "versions", ("18",)), indirect=True, scope="module")


@pytest.fixture(scope="module")
def made(request):
    if request.param == "15" and not (DEBIAN / "postgres").exists():
        pytest.skip("Debian's PostgreSQL 15 is not installed")
    with group(find_programs(DEBIAN if request.param == "15" else None).bindir) as one:
        one.snapshot()
        yield one


@pytest.fixture
def lis(made: Group):
    made.reset()
    return made


@pytest.fixture
def host(lis: Group):
    channel = lis.channel()
    yield channel
    channel.close()


def acked_rows_are_on(member, acked):
    return set(acked) <= set(member.value("SELECT array_agg(id) FROM work"))


def seal_both(host, epoch, deadline_s=10.0):
    asked = [host.send("seal", name, epoch, deadline_s) for name in (HEIR, OTHER)]
    answers = [host.wait(one) for one in asked]
    assert all(answer.failure is None for answer in answers), answers
    return [answer.evidence for answer in answers]


def seal_and_choose(host, epoch):
    """Both sealed: the one that is further, and the other."""
    ends = seal_both(host, epoch)
    heir, other = sorted(
        zip(ends, (HEIR, OTHER), strict=True), key=lambda pair: parse_lsn(pair[0]["flushed_lsn"]), reverse=True
    )
    return heir[1], other[1]


def fail_over(lis, host, epoch=5):
    """The old primary is killed while it has commits that no standby has."""
    with Writer(lis[OLD]) as writer:
        seal_both(host, epoch)
        # Nobody acknowledges any more, and the clients' last commits wait: they are on the old primary alone.
        wait_for(
            lambda: lis[OLD].value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") > 0, "waiters"
        )
        os.kill(lis[OLD].pid, signal.SIGKILL)
        acked = list(writer.acked)
    heir, other = seal_and_choose(host, epoch)
    done = host.do("promote", heir, epoch, count=1, members=[other, OLD])
    return heir, other, acked, done


@on_both_versions
def test_both_standbys_sealed_stop_every_acknowledgement_of_a_living_primary(lis, host):
    with Writer(lis[OLD]) as writer:
        ends = seal_both(host, 5)
        sealed_at_s = time.monotonic()
        time.sleep(0.3)  # long enough for hundreds of acknowledgements, had there been any
        assert writer.last_acked_at_s < sealed_at_s
        acked = list(writer.acked)
    heir = max(zip(ends, (HEIR, OTHER), strict=True), key=lambda pair: parse_lsn(pair[0]["flushed_lsn"]))[1]
    assert all(end["sealed"] and end["replay_complete"] and end["timeline"] == 1 for end in ends)
    assert acked_rows_are_on(lis[heir], acked)


@on_both_versions
def test_a_sealed_standby_stays_sealed_across_its_own_restart(lis, host):
    before = host.do("seal", HEIR, 5)
    lis[HEIR].stop("immediate")
    assert lis.may_start(HEIR)
    lis[HEIR].start()
    lis[OLD].run("INSERT INTO work (note) VALUES ('later')")
    after = host.do("seal", HEIR, 6)
    assert after["received_lsn"] is None
    # Up to the last whole record: what was received of the next one is worth nothing.
    assert after["flushed_lsn"] == before["replayed_lsn"]


@on_both_versions
def test_a_receiver_that_is_still_connecting_is_ended_too(lis, host):
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        lis[HEIR].run(f"ALTER SYSTEM SET primary_conninfo = 'host=127.0.0.1 port={port} user=replicator'")
        lis[HEIR].run("SELECT pg_reload_conf()")
        wait_for(lambda: bool(receivers(lis[HEIR])), "a receiver that connects")
        # The view that everybody asks shows nothing, although a receiver lives.
        assert lis[HEIR].value("SELECT count(*) FROM pg_stat_wal_receiver") == 0
        said = host.do("seal", HEIR, 5)
        assert said["receiver_gone"]
        assert not receivers(lis[HEIR])
        assert said["elapsed_s"] < 10.0


def receivers(member):
    return [one for one in processes.members_of(member.pgdata) if "walreceiver" in processes.title(one.pid)]


@on_both_versions
def test_a_pause_of_an_operator_is_left_standing(lis, host):
    lis[HEIR].run("SELECT pg_wal_replay_pause()")
    wait_for(lambda: lis[HEIR].value("SELECT pg_get_wal_replay_pause_state()") == "paused", "the pause")
    lis[OLD].run("INSERT INTO work (note) SELECT 'x' FROM generate_series(1, 100)")
    wait_for(
        lambda: lis[HEIR].value("SELECT pg_last_wal_receive_lsn() > pg_last_wal_replay_lsn()") is True, "WAL that waits"
    )
    said = host.do("seal", HEIR, 5)
    assert not said["replay_complete"]
    assert parse_lsn(said["flushed_lsn"]) == parse_lsn(said["received_lsn"])
    assert lis[HEIR].value("SELECT pg_get_wal_replay_pause_state()") == "paused"
    host.do("promote", HEIR, 5, count=1, members=[OTHER])
    assert lis[HEIR].value("SELECT count(*) FROM work") == 100


@on_both_versions
def test_a_query_that_holds_up_replay_does_not_hold_up_the_seal(lis, host):
    standby = lis[HEIR]
    standby.run("ALTER SYSTEM SET max_standby_streaming_delay = '-1'")
    standby.run("SELECT pg_reload_conf()")
    lis[OLD].run("INSERT INTO work (note) SELECT 'x' FROM generate_series(1, 1000)")
    wait_for(lambda: standby.value("SELECT count(*) FROM work") == 1000, "the rows")
    with standby.connect() as reader:
        reader.execute("BEGIN ISOLATION LEVEL REPEATABLE READ")
        reader.execute("SELECT count(*) FROM work")
        lis[OLD].run("DELETE FROM work")
        lis[OLD].run("VACUUM work")
        wait_for(
            lambda: (
                standby.value("SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'")
                == "RecoveryConflictSnapshot"
            ),
            "the conflict",
        )
        said = host.do("seal", HEIR, 5)
        assert said["queries_ended"] >= 1
        assert said["replay_complete"]
        with pytest.raises(psycopg.OperationalError):
            reader.execute("SELECT 1")
    assert not receivers(standby)


@on_both_versions
def test_a_standby_that_applies_with_a_delay_is_sealed_at_what_it_received(lis, host):
    lis[HEIR].run("ALTER SYSTEM SET recovery_min_apply_delay = '1h'")
    lis[HEIR].run("SELECT pg_reload_conf()")
    lis[OLD].run("INSERT INTO work (note) VALUES ('delayed')")
    wait_for(
        lambda: (
            lis[HEIR].value("SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'")
            == "RecoveryApplyDelay"
        ),
        "the delay",
    )
    said = host.do("seal", HEIR, 5, deadline_s=2.0)
    assert not said["replay_complete"]
    assert parse_lsn(said["flushed_lsn"]) > parse_lsn(said["replayed_lsn"])
    assert not receivers(lis[HEIR])


def test_sealing_a_primary_reports_it_or_fences_it_as_asked(lis, host):
    assert host.do("seal", OLD, 5, if_primary="report") == {
        "role": "primary", "sealed": False, "timeline": None, "flushed_lsn": None, "elapsed_s": pytest.approx(0, abs=1),
    }  # fmt: skip
    assert lis[OLD].answers()
    lis[OLD].run("INSERT INTO work (note) VALUES ('x')")
    flushed = lis[OLD].value("SELECT pg_current_wal_flush_lsn()")
    said = host.do("seal", OLD, 5, if_primary="fence")
    assert said["sealed"]
    assert said["timeline"] == 1
    assert parse_lsn(said["flushed_lsn"]) >= parse_lsn(flushed)
    assert not processes.members_of(lis[OLD].pgdata)
    assert not lis.may_start(OLD)
    assert host.do("seal", OLD, 5)["role"] == "down"


def test_a_standby_that_is_not_sealed_is_not_promoted(lis, host):
    answer = host.ask("promote", HEIR, 5, count=1, members=[OTHER])
    assert answer.failure.kind == "refused"
    assert "not sealed" in answer.failure.message
    assert lis[HEIR].value("SELECT pg_is_in_recovery()") is True


@on_both_versions
def test_a_promotion_brings_its_sync_set_and_is_told_twice_without_harm(lis, host):
    lis[OLD].stop()
    heir, other = seal_and_choose(host, 5)
    first = host.do("promote", heir, 5, count=1, members=[other, OLD])
    assert first["value"] == f'ANY 1 ("{other}", "{OLD}")'
    assert (first["timeline"], first["already"]) == (2, False)
    again = host.do("promote", heir, 6, count=1, members=[other, OLD])
    assert again["already"] is True
    assert (again["timeline"], again["promoted_lsn"]) == (2, first["promoted_lsn"])
    host.do("follow", other, 5, upstream=heir)
    lis[heir].run("INSERT INTO work (note) VALUES ('on the heir')")


@on_both_versions
def test_a_promotion_takes_the_timeline_number_that_it_is_given_and_others_follow_it(lis, host):
    lis[OLD].stop()
    heir, other = seal_and_choose(host, 5)
    done = host.do("promote", heir, 5, count=1, members=[other], timeline=5)
    assert done["timeline"] == 5
    assert host.do("follow", other, 5, upstream=heir)["receiver"] == "streaming"
    lis[heir].run("INSERT INTO work (note) VALUES ('on timeline 5')")
    sealed = host.do("seal", other, 6)
    assert sealed["timeline"] == 5
    lis[heir].stop("immediate")
    second = host.do("promote", other, 6, count=1, members=[heir], timeline=7)
    assert second["timeline"] == 7
    finished = host.do("rejoin", heir, 6, upstream=other)
    wait_for(lambda: host.do("rejoin", heir, 6, upstream=other)["state"] != "running", "the rejoin")
    finished = host.do("rejoin", heir, 6, upstream=other)
    assert finished["state"] == "done", finished
    lis[other].run("INSERT INTO work (note) VALUES ('on timeline 7')")
    wait_for(lambda: lis[heir].value("SELECT count(*) FROM work WHERE note LIKE 'on timeline %'") == 2, "both rows")


@on_both_versions
def test_an_heir_that_dies_with_its_number_reserved_starts_again_as_the_standby_that_it_was(lis, host):
    lis[OLD].stop()
    heir, other = seal_and_choose(host, 5)
    member = load(lis.config).member(heir)
    with open_session(member, Deadline(10.0)) as session:
        reserve(member, session, 6, Deadline(10.0))
    histories = sorted((lis[heir].pgdata / "pg_wal").glob("*.history"))
    assert [path.name for path in histories] == [f"0000000{number}.history" for number in (2, 3, 4, 5)]
    for path in histories:
        shutil.chown(path, USER, USER)
    lis[heir].stop("immediate")
    lis[heir].start()
    assert lis[heir].value("SELECT pg_is_in_recovery()") is True
    done = host.do("promote", heir, 5, count=1, members=[other], timeline=6)
    assert done["timeline"] == 6
    assert host.do("follow", other, 5, upstream=heir)["receiver"] == "streaming"


@on_both_versions
@pytest.mark.parametrize("was", ["standby", "primary"])
def test_an_heir_that_was_down_when_it_was_sealed_is_started_and_then_promoted(lis, host, was):
    heir, other = (OLD, OTHER) if was == "primary" else (HEIR, OTHER)
    lis[OLD].run("INSERT INTO work (note) VALUES ('before')")
    wait_for(lambda: lis[heir].value("SELECT count(*) FROM work") == 1, "the row on the heir")
    for process in processes.members_of(lis[heir].pgdata):
        processes.send(process, signal.SIGKILL)
    wait_for(lambda: not processes.members_of(lis[heir].pgdata), "its death")
    refused = host.ask("promote", heir, 5, count=1, members=[other])
    assert refused.failure.kind == "refused"
    assert "was not sealed" in refused.failure.message
    host.do("seal", other, 5)
    assert host.do("seal", heir, 5)["role"] == "down"
    done = host.do("promote", heir, 5, count=1, members=[other], timeline=4, deadline_s=20.0)
    assert (done["timeline"], done["already"]) == (4, False)
    assert host.do("follow", other, 5, upstream=heir)["receiver"] == "streaming"
    lis[heir].run("INSERT INTO work (note) VALUES ('after')")
    assert lis[heir].value("SELECT count(*) FROM work") == 2


@on_both_versions
def test_an_heir_without_any_sync_set_before_waits_for_its_standby_from_the_first_commit(lis, host):
    for name in (HEIR, OTHER):
        lis[name].run("ALTER SYSTEM RESET synchronous_standby_names")
        lis[name].run("SELECT pg_reload_conf()")
    heir, other = seal_and_choose(host, 5)
    host.do("promote", heir, 5, count=1, members=[other])
    with lis[heir].connect() as client:
        acked = threading.Event()

        def write():
            client.execute("INSERT INTO work (note) VALUES ('first')")
            acked.set()

        thread = threading.Thread(target=write)
        thread.start()
        wait_for(
            lambda: lis[heir].value("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'") == 1,
            "the wait",
        )
        assert not acked.is_set()
        assert host.do("follow", other, 5, upstream=heir)["receiver"] == "streaming"
        assert acked.wait(timeout=10)
        thread.join()


def test_a_sync_set_is_never_empty(lis, host):
    for count, names in ((1, []), (0, [HEIR]), (3, [HEIR, OTHER])):
        answer = host.ask("set_sync", OLD, 5, count=count, members=names)
        assert answer.failure.kind == "invalid"
    said = host.do("set_sync", OLD, 5, count=1, members=[HEIR])
    assert said["value"] == f'ANY 1 ("{HEIR}")' == lis[OLD].value("SHOW synchronous_standby_names")
    assert said["confirmed"] is True


def test_a_lower_epoch_changes_nothing(lis, host):
    host.do("checkpoint", HEIR, 9)
    answer = host.ask("seal", HEIR, 8)
    assert answer.failure.kind == "stale_epoch"
    assert receivers(lis[HEIR])
    other = lis.channel()
    assert other.ask("fence", HEIR, 8).failure.kind == "stale_epoch"
    other.close()
    assert lis[HEIR].answers()


@on_both_versions
def test_a_fence_ends_even_stopped_processes_and_holds_until_a_start_lifts_it(lis, host):
    with lis[OLD].connect() as client:
        backend = client.execute("SELECT pg_backend_pid()").fetchone()[0]
        os.kill(backend, signal.SIGSTOP)
        os.kill(lis[OLD].pid, signal.SIGSTOP)
        said = host.do("fence", OLD, 5)
    assert said["postmaster_gone"] is True
    assert said["timeline"] == 1
    assert not processes.members_of(lis[OLD].pgdata)
    assert not lis.may_start(OLD)
    assert host.ask("inspect", OLD).evidence["fenced"] is True
    assert host.ask("start", OLD, 4).failure.kind == "stale_epoch"
    assert host.do("start", OLD, 6)["in_recovery"] is False
    assert lis.may_start(OLD)


def test_a_start_waits_for_the_orphans_of_a_killed_postmaster(lis, host):
    with lis[OLD].connect() as client:
        backend = client.execute("SELECT pg_backend_pid()").fetchone()[0]
        os.kill(backend, signal.SIGSTOP)
        os.kill(lis[OLD].pid, signal.SIGKILL)
        wait_for(lambda: host.ask("inspect", OLD).evidence["postmaster"] == "orphans", "an orphan")
        asked = host.send("start", OLD, 5)
        time.sleep(0.3)  # the start must not be tried before the orphan is gone
        os.kill(backend, signal.SIGCONT)
        answer = host.wait(asked)
    assert answer.failure is None, answer.failure
    assert lis[OLD].answers()


def test_a_started_member_outlives_the_channel_that_started_it(lis):
    lis[OLD].stop()
    first = lis.channel()
    first.do("start", OLD, 5)
    first.kill()
    assert lis[OLD].answers()


@on_both_versions
def test_a_clean_stop_says_where_the_standbys_have_to_be(lis, host):
    lis[OLD].run("INSERT INTO work (note) VALUES ('last')")
    said = host.do("stop", OLD, 5, mode="fast")
    assert said["clean"] is True
    assert said["control_state"] == "shut down"
    end = host.do("seal", HEIR, 5)
    assert parse_lsn(end["flushed_lsn"]) == parse_lsn(said["final_lsn"])
    assert end["replayed_lsn"] == said["final_lsn"]
    host.do("promote", HEIR, 5, count=1, members=[OTHER, OLD])
    following = host.do("follow", OLD, 5, upstream=HEIR)
    assert (following["started"], following["receiver"]) == (True, "streaming")


@on_both_versions
def test_the_old_primary_is_rewound_and_its_lonely_commits_are_listed(lis, host):
    heir, other, acked, _ = fail_over(lis, host)
    assert host.do("follow", other, 5, upstream=heir)["receiver"] == "streaming"
    host.do("checkpoint", heir, 5)

    said = ended_rejoin(host, OLD, 5, upstream=heir)
    assert (said["state"], said["method"]) == ("done", "rewind"), said
    forensics = said["forensics"]
    assert forensics["commits"] >= 1
    assert forensics["commits"] == len(forensics["commits_listed"])
    assert forensics["rows"] >= forensics["commits"]
    assert Path(forensics["kept_dir"]).is_dir()
    wait_for(
        lambda: lis[heir].value("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == 2,
        "both follow",
    )
    lis[heir].run("INSERT INTO work (note) VALUES ('after')")
    wait_for(
        lambda: lis[OLD].value("SELECT count(*) FROM work WHERE note = 'after'") == 1, "the row on the old primary"
    )
    assert acked_rows_are_on(lis[OLD], acked)
    # Its own settings, not the heir's: neither the seal nor the sync set came along.
    assert lis[OLD].value("SHOW cluster_name") == OLD
    assert OTHER in str(lis[OLD].value("SHOW synchronous_standby_names"))
    assert lis.may_start(OLD)


def ended_rejoin(host, member, epoch, deadline_s=90.0, **args):
    last = {}

    def ended():
        last.update(host.do("rejoin", member, epoch, **args))
        return last["state"] != "running"

    wait_for(ended, "the rejoin to end", deadline_s)
    return last


def test_a_rewind_that_was_interrupted_becomes_a_base_backup(lis, host):
    heir, _, acked, _ = fail_over(lis, host)
    host.do("fence", OLD, 5)
    (lis.folder / "state" / OLD / "rewinding.json").write_text("{}")
    assert not lis.may_start(OLD)
    assert host.ask("start", OLD, 5).failure.kind == "refused"
    said = ended_rejoin(host, OLD, 5, upstream=heir)
    assert (said["state"], said["method"]) == ("done", "basebackup"), said
    assert acked_rows_are_on(lis[OLD], acked)
    assert lis[OLD].value("SHOW cluster_name") == OLD
    assert lis.may_start(OLD)
    assert sorted(path.name for path in lis[OLD].pgdata.parent.glob("pgdata*")) == ["pgdata"]


def test_a_member_that_did_not_diverge_is_only_told_to_follow(lis, host):
    host.do("fence", OTHER, 4)
    said = ended_rejoin(host, OTHER, 5, upstream=OLD)
    assert (said["state"], said["method"], said["detail"]) == ("done", "none", "streaming"), said
    pid = lis[OTHER].pid
    assert ended_rejoin(host, OTHER, 6, upstream=OLD)["state"] == "done"
    assert lis[OTHER].pid == pid


def test_two_histories_under_one_number_are_told_apart(lis, host):
    lis[OLD].stop()
    for name in (HEIR, OTHER):
        end = host.do("seal", name, 5)
        host.do("promote", name, 5, count=1, members=[OLD])
        lis[name].write_alone(name)
    assert end["timeline"] == 1
    said = ended_rejoin(host, OTHER, 6, upstream=HEIR)
    assert (said["state"], said["method"]) == ("done", "basebackup"), said
    assert said["forensics"]["commits"] >= 1
    wait_for(lambda: lis[OTHER].value("SELECT note FROM work ORDER BY id DESC LIMIT 1") == HEIR, "the heir's row")


def test_a_higher_epoch_ends_a_running_job(lis, host):
    heir, _, _, _ = fail_over(lis, host)
    # A base backup that hangs: the upstream is frozen before it can answer.
    postmaster = lis[heir].pid
    os.kill(postmaster, signal.SIGSTOP)
    try:
        host.do("rejoin", OLD, 6, upstream=heir, method="basebackup")
        assert host.ask("fence", OLD, 6).failure.kind == "refused"
        host.do("fence", OLD, 7)
        assert host.ask("inspect", OLD).evidence["job"]["state"] == "failed"
    finally:
        os.kill(postmaster, signal.SIGCONT)
    assert host.ask("rejoin", OLD, 6, upstream=heir).failure.kind == "stale_epoch"
    assert ended_rejoin(host, OLD, 8, upstream=heir)["state"] == "done"


@on_both_versions
def test_a_diverged_standby_is_kept_from_acknowledging_what_it_does_not_have(lis, host):
    """Found here: it connects, is "streaming" for an instant, and its flushed position counts on the new timeline."""
    host.do("seal", HEIR, 5)
    lis[OLD].run("INSERT INTO work (note) SELECT 'x' FROM generate_series(1, 1000)")
    wait_for(lambda: lis[OTHER].value("SELECT count(*) FROM work") == 1000, "the other standby to be ahead")
    lis[OLD].stop("immediate")
    host.do("promote", HEIR, 5, count=1, members=[OTHER])
    answer = host.ask("follow", OTHER, 5, upstream=HEIR)
    assert answer.failure.kind == "refused", answer
    assert "worth nothing" in answer.failure.message
    assert "rejoin" in answer.failure.remedy
    host.do("seal", OTHER, 5)
    lis[OTHER].stop("immediate")
    assert host.ask("follow", OTHER, 5, upstream=HEIR).failure.kind == "refused"
    # What would have happened: the member is pointed at the heir all the same.
    lis[OTHER].start()
    lis[OTHER].run(f"ALTER SYSTEM SET primary_conninfo = '{lis.conninfo(HEIR, OTHER)}'")
    lis[OTHER].run("SELECT pg_reload_conf()")
    sql = "SELECT coalesce(max(flush_lsn), '0/0') > pg_current_wal_flush_lsn() FROM pg_stat_replication"
    wait_for(lambda: lis[HEIR].value(sql) is True, "a position that the heir itself has not reached")
    # Its receiver waits where PostgreSQL would leave it for ever; the seal ends it.
    assert host.do("seal", OTHER, 6)["elapsed_s"] < 10.0
    assert not receivers(lis[OTHER])
    host.do("checkpoint", HEIR, 6)
    assert ended_rejoin(host, OTHER, 6, upstream=HEIR)["state"] == "done"
    lis[HEIR].run("INSERT INTO work (note) VALUES ('acknowledged in truth')")
    wait_for(lambda: lis[OTHER].value("SELECT count(*) FROM work") == 1, "the row")


def test_a_follower_of_one_that_does_not_answer_keeps_the_upstream_that_it_has(lis, host):
    lis[HEIR].stop("immediate")
    answer = host.ask("follow", OTHER, 5, upstream=HEIR)
    assert answer.failure.kind == "refused"
    lis[OLD].run("INSERT INTO work (note) VALUES ('still in sync')")


@on_both_versions
@pytest.mark.slow
def test_no_receiver_comes_back_after_a_seal_however_it_was_caught(lis, host):
    """Sealed at random moments while the receiver connects, fails and is asked for again, a hundred times a second."""
    standby = lis[HEIR]
    standby.run("ALTER SYSTEM SET wal_retrieve_retry_interval = '1ms'")
    standby.run("SELECT pg_reload_conf()")
    lis[OLD].stop("immediate")
    for epoch in range(10, 22):
        standby.run(f"ALTER SYSTEM SET primary_conninfo = '{lis.conninfo(OLD, HEIR)}'")
        standby.run("SELECT pg_reload_conf()")
        time.sleep(0.05 + (epoch % 4) * 0.013)  # no place in the cycle is special
        said = host.do("seal", HEIR, epoch)
        assert said["elapsed_s"] < 10.0, said["steps_s"]
        log_ends_at = standby.log.stat().st_size
        time.sleep(0.1)  # a hundred attempts, had there been one
        assert not receivers(standby)
        with standby.log.open() as log:
            log.seek(log_ends_at)
            assert "connect" not in log.read()


@pytest.mark.slow
def test_a_seal_under_load_takes_less_than_150_ms(lis, host, record_property):
    times_s = []
    with Writer(lis[OLD]):
        for epoch in range(10, 30):
            times_s.append(host.do("seal", HEIR, epoch)["elapsed_s"])
            assert host.do("follow", HEIR, epoch, upstream=OLD)["receiver"] == "streaming"
    record_property("seal_s", f"p50 {statistics.median(times_s):.3f}, max {max(times_s):.3f}")
    print(f"seal p50 {statistics.median(times_s):.3f} max {max(times_s):.3f}")
    assert statistics.median(times_s) < 0.15
