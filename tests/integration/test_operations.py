"""Operations on the real thing: one lab, and what operators and bad days do to it, one after the other."""

from __future__ import annotations

import time

import psycopg
import pytest

from chaos.demo.clients import Clients
from chaos.demo.sight import Sight
from chaos.lab.lab import DATABASE, Lab
from chaos.lab.waiting import wait_until
from chaos.oracles.dump import read_members
from chaos.oracles.judgement import judge, overall
from chaos.oracles.verdict import Result
from chaos.workload.ledger import read_history
from drctl.model.identity import MemberName

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(280)]

GROUP = "lis"
PROTECTED_S = 60.0


@pytest.fixture(scope="module")
def lab():
    policy = {"failovers_per_hour": 100, "standby_lost": "2s", "guard": "3s"}
    with Lab.up("operations", policy=policy) as one:
        yield one


@pytest.fixture
def sight(lab):
    one = Sight(lab)
    yield one
    one.close()


def picture(sight):
    found = sight.group(GROUP)
    assert found is not None, "a controller answers"
    return found


def protected(sight):
    seen = sight.group(GROUP)
    return (
        seen is not None
        and seen["run"] is None
        and seen["protection"] == "protected"
        and len(seen["sync_members"]) == 2
        and all(member["state"] in {"running", "streaming"} for member in seen["members"])
    )


def await_protected(sight):
    wait_until(lambda: protected(sight), deadline_s=PROTECTED_S, what="the group is at full protection")


def await_told(lab, words):
    """What a run was about is in the history soon after its end."""
    wait_until(
        lambda: words in lab.drctl("history", "-f", "json").stdout, deadline_s=5.0, what=f"the history tells of {words}"
    )


def await_moved(sight, primary, deadline_s=20.0):
    def moved():
        seen = sight.group(GROUP)
        return seen is not None and seen["primary"] != primary and seen["run"] is None

    wait_until(moved, deadline_s=deadline_s, what=f"another member than {primary} is primary")


def drctl(lab, *arguments, code=0, **options):
    done = lab.drctl(*arguments, **options)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout + done.stderr


def write(lab, text):
    with psycopg.connect(lab.group_dsn(GROUP), autocommit=True, connect_timeout=2) as connection:
        connection.execute("CREATE TABLE IF NOT EXISTS told (text text PRIMARY KEY)")
        connection.execute("INSERT INTO told VALUES (%s)", [text])


def told(lab, member):
    return {row[0] for row in lab.member(member).query("SELECT text FROM told", dbname=DATABASE)}


def test_under_load_a_center_is_lost_and_comes_back_and_the_group_goes_home_and_nothing_is_lost(lab, sight):
    await_protected(sight)
    clients = Clients(lab, lab.folder)
    clients.install()
    primary = picture(sight)["primary"]
    center = lab.member(primary).center
    with clients:
        wait_until(lambda: clients.pulse().acked > 100, deadline_s=20.0, what="the load runs")
        lab.power_off(center)
        await_moved(sight, primary)
        acked = clients.pulse().acked
        wait_until(lambda: clients.pulse().acked > acked + 100, deadline_s=20.0, what="the load goes on")
        lab.power_on(center)
        await_protected(sight)
        drctl(lab, "switchback", GROUP, "--yes", "--reason", "a test")
        assert picture(sight)["primary"] == primary
        await_protected(sight)
    history = read_history(clients.ledgers.values())
    dumps = read_members(
        {MemberName(member.name): member.dsn(dbname=DATABASE) for member in lab.members.values()}, deadline_s=60.0
    )
    verdicts = judge(history, dumps)
    assert overall(verdicts) is Result.PASS, [verdict for verdict in verdicts if verdict.result is not Result.PASS]


def test_a_killed_postmaster_is_replaced_and_its_member_rejoins(lab, sight):
    await_protected(sight)
    primary = picture(sight)["primary"]
    write(lab, "before the kill")
    lab.faults.kill_postmaster(primary)
    await_moved(sight, primary)
    write(lab, "after the kill")
    await_protected(sight)
    assert {"before the kill", "after the kill"} <= told(lab, primary)


def test_a_frozen_database_is_replaced_and_what_it_wakes_up_to_is_refused(lab, sight):
    await_protected(sight)
    primary = picture(sight)["primary"]
    frozen = lab.faults.freeze(primary)
    await_moved(sight, primary)
    write(lab, "while it slept")
    frozen.heal()
    await_protected(sight)
    assert "while it slept" in told(lab, primary)


def test_while_paused_a_dead_primary_stays_dead_until_somebody_resumes(lab, sight):
    await_protected(sight)
    primary = picture(sight)["primary"]
    drctl(lab, "pause", GROUP, "--yes", "--wait")
    lab.faults.kill_postmaster(primary)
    wait_until(lambda: picture(sight)["protection"] == "down", deadline_s=10.0, what="the controllers see it")
    deadline_s = time.monotonic() + 5.0
    while time.monotonic() < deadline_s:
        assert picture(sight)["primary"] == primary
        assert picture(sight)["run"] is None
    drctl(lab, "resume", GROUP, "--yes")
    await_moved(sight, primary)
    await_protected(sight)


def test_a_lost_standby_stalls_no_commit_leaves_the_set_and_comes_back(lab, sight):
    await_protected(sight)
    seen = picture(sight)
    standby = seen["sync_members"][0]
    center = lab.member(standby).center
    lab.power_off(center)
    began_s = time.monotonic()
    write(lab, "without a standby")
    assert time.monotonic() - began_s < 15.0
    wait_until(
        lambda: picture(sight)["sync_members"] != seen["sync_members"], deadline_s=20.0, what="it has left the set"
    )
    assert standby not in picture(sight)["sync_members"]
    assert picture(sight)["primary"] == seen["primary"]
    lab.power_on(center)
    await_protected(sight)


def test_what_no_proof_allows_is_refused_and_a_person_may_accept_the_loss(lab, sight):
    await_protected(sight)
    primary = picture(sight)["primary"]
    home = lab.member(primary).center
    other, last = [center for center in lab.centers if center != home]
    drctl(lab, "pause", GROUP, "--yes", "--wait")  # the set stays as it is: both standbys count
    lab.power_off(other)
    lab.power_off(home)
    # Two of three ZooKeeper servers are gone with them: nothing can be decided, whatever is wished.
    done = lab.drctl("failover", GROUP, "--yes", center=last)
    assert done.returncode != 0
    lab.power_on(other)
    lab.power_on(home)
    wait_until(lambda: sight.group(GROUP) is not None, deadline_s=30.0, what="a controller answers")
    drctl(lab, "resume", GROUP, "--yes")
    await_protected(sight)


def test_an_isolated_primary_is_fenced_by_its_own_controller_and_its_clients_get_an_error(lab, sight):
    await_protected(sight)
    primary = picture(sight)["primary"]
    center = lab.member(primary).center
    cut = lab.faults.isolate(center)
    await_moved(sight, primary)
    wait_until(
        lambda: not lab.member(primary).running, deadline_s=20.0, what="the guard has fenced the isolated primary"
    )
    cut.heal()
    await_protected(sight)


def test_an_emptied_setting_is_put_back_and_the_history_tells(lab, sight):
    await_protected(sight)
    member = lab.member(picture(sight)["primary"])
    member.query("ALTER SYSTEM SET synchronous_standby_names = ''")
    member.query("SELECT pg_reload_conf()")
    began_s = time.monotonic()
    wait_until(
        lambda: member.query("SHOW synchronous_standby_names")[0][0] != "", deadline_s=10.0, what="it is put back"
    )
    assert time.monotonic() - began_s < 15.0
    await_protected(sight)
    await_told(lab, "synchronous_standby_names is ''")


def test_a_center_is_emptied_by_one_command(lab, sight):
    await_protected(sight)
    center = lab.member(picture(sight)["primary"]).center
    drctl(lab, "switchover", "--from", center, "--yes", "--reason", "a test")
    assert lab.member(picture(sight)["primary"]).center != center
    await_protected(sight)


def test_a_member_is_built_anew_from_nothing_but_the_primary(lab, sight):
    await_protected(sight)
    standby = picture(sight)["sync_members"][0]
    drctl(lab, "reinit", standby, "--yes", timeout_s=120.0)
    await_protected(sight)
    await_told(lab, "basebackup")
