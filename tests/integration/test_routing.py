"""Clients behind HAProxy: one lab, whose members change roles under sessions and under those who knock anew."""

from __future__ import annotations

import subprocess
import threading
import time
from datetime import UTC, datetime

import psycopg
import pytest

from chaos.demo.sight import Sight
from chaos.lab.haproxy import READ_PORT, WRITE_PORT
from chaos.lab.lab import DATABASE, Lab, Routing
from chaos.lab.network import inside
from chaos.lab.postgres import SUPERUSER
from chaos.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(200)]

GROUP = "lis"
PROMISED_S = 1.0
WHO = "SELECT current_setting('cluster_name')"


@pytest.fixture(scope="module")
def lab():
    policy = {"failovers_per_hour": 100, "standby_lost": "2s", "guard": "3s"}
    with Lab.up("routing", policy=policy, routing=Routing.HAPROXY) as one:
        yield one


@pytest.fixture
def sight(lab):
    one = Sight(lab)
    yield one
    one.close()


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
    wait_until(lambda: protected(sight), deadline_s=60.0, what="the group is at full protection")


def primary(sight):
    return sight.group(GROUP)["primary"]


def through(lab, center, port=WRITE_PORT):
    dsn = f"host={lab.centers[center].address} port={port} user={SUPERUSER} dbname={DATABASE}"
    return inside(
        lab.client.netns, lambda: psycopg.connect(dsn, autocommit=True, connect_timeout=2, tcp_user_timeout=500)
    )


class Knocks:
    """In each center somebody who connects anew again and again, and notes who answered as a primary, and when."""

    def __init__(self, lab, centers):
        self._lab = lab
        self._stop = threading.Event()
        self.reached = {center: {} for center in centers}
        self._threads = [threading.Thread(target=self._knock, args=(center,), daemon=True) for center in centers]

    def __enter__(self):
        for thread in self._threads:
            thread.start()
        wait_until(lambda: all(self.reached.values()), deadline_s=10.0, what="somebody got through in each center")
        return self

    def __exit__(self, *_):
        self._stop.set()
        for thread in self._threads:
            thread.join(5.0)

    def _knock(self, center):
        while not self._stop.wait(0.02):
            try:
                with through(self._lab, center) as session:
                    [(member, standby)] = session.execute(
                        "SELECT current_setting('cluster_name'), pg_is_in_recovery()"
                    ).fetchall()
            except psycopg.Error:
                continue
            if not standby:
                self.reached[center].setdefault(member, datetime.now(UTC))


def promoted_at(lab, heir):
    """When the heir's own log says that it became a primary."""
    lines = lab.member(heir).log.read_text(errors="replace").splitlines()
    line = next(line for line in reversed(lines) if "selected new timeline ID" in line)
    return datetime.strptime(line[:23], "%Y-%m-%d %H:%M:%S.%f").replace(tzinfo=UTC)


def told_how_soon(lab, knocks, heir, what):
    wait_until(
        lambda: all(heir in reached for reached in knocks.reached.values()),
        deadline_s=10.0,
        what=f"{heir} is reached through every HAProxy",
        poll_s=0.05,
    )
    promoted = promoted_at(lab, heir)
    after_s = {center: (reached[heir] - promoted).total_seconds() for center, reached in knocks.reached.items()}
    print(f"{what}: reached after its promotion, s: " + ", ".join(f"{c} {s:.3f}" for c, s in after_s.items()))
    assert max(after_s.values()) < PROMISED_S, after_s


def test_what_drctl_writes_haproxy_accepts(lab, tmp_path):
    for center in lab.centers:
        written = lab.drctl("routing", "haproxy", "--center", center).stdout
        (tmp_path / "haproxy.cfg").write_text(written)
        done = subprocess.run(
            ["haproxy", "-c", "-f", tmp_path / "haproxy.cfg"], capture_output=True, text=True, check=False, timeout=20
        )
        assert done.returncode == 0, done.stderr
        assert "WARNING" not in done.stderr + done.stdout


def test_writes_go_to_the_primary_and_reads_to_standbys(lab, sight):
    await_protected(sight)
    for center in lab.centers:
        with through(lab, center) as session:
            assert session.execute(WHO).fetchone() == (primary(sight),)
        with through(lab, center, READ_PORT) as session:
            assert session.execute("SELECT pg_is_in_recovery()").fetchone() == (True,)


def test_a_switchover_cuts_old_sessions_and_new_ones_reach_the_new_primary(lab, sight):
    await_protected(sight)
    heir = sight.group(GROUP)["sync_members"][0]
    with through(lab, "fuyang") as session, Knocks(lab, lab.centers) as knocks:
        done = lab.drctl("switchover", GROUP, "--candidate", heir, "--yes")
        assert done.returncode == 0, done.stderr
        told_how_soon(lab, knocks, heir, "switchover")
        with pytest.raises(psycopg.OperationalError):
            session.execute(WHO)


def test_the_restart_of_a_controller_cuts_no_session(lab, sight):
    await_protected(sight)
    with through(lab, "yuecheng") as session:
        lab.centers["yuecheng"].controller.kill()
        end_s = time.monotonic() + 2.0
        while time.monotonic() < end_s:
            assert session.execute(WHO).fetchone() == (primary(sight),)
            with through(lab, "yuecheng") as another:
                assert another.execute(WHO).fetchone() == (primary(sight),)
        lab.centers["yuecheng"].controller.start()
        lab.centers["yuecheng"].controller.wait_serving()
        assert session.execute(WHO).fetchone() == (primary(sight),)


def test_after_the_loss_of_the_primarys_center_the_others_reach_the_new_one(lab, sight):
    await_protected(sight)
    lost = lab.member(primary(sight)).center
    left = [center for center in lab.centers if center != lost]
    old = primary(sight)
    with through(lab, left[0]) as session, Knocks(lab, left) as knocks:
        lab.power_off(lost)
        wait_until(lambda: primary(sight) != old, deadline_s=20.0, what="another member is primary", poll_s=0.05)
        told_how_soon(lab, knocks, primary(sight), "a center is lost")
        with pytest.raises(psycopg.OperationalError):
            session.execute(WHO)
    lab.power_on(lost)
    await_protected(sight)
    with through(lab, lost) as session:
        assert session.execute(WHO).fetchone() == (primary(sight),)
