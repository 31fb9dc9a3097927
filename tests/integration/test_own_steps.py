"""A hospital's own steps on the real thing: commands, queries, requests, waits, people, and the leader's death beside them."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from chaos.demo.sight import Sight
from chaos.lab.drctl_host import CHECKOUT
from chaos.lab.lab import Lab
from chaos.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(200)]

GROUP = "lis"
COLLEAGUE = {"LOGNAME": "colleague"}
"""Who asks for a run may not agree to it."""
WARDS_PORT = 8099
WARDS = """
import sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Wards(BaseHTTPRequestHandler):
    def do_POST(self):
        told = self.rfile.read(int(self.headers["Content-Length"])).decode()
        print(told, flush=True)
        self.send_response(204)
        self.end_headers()
    def log_message(self, *args):
        pass

HTTPServer((sys.argv[1], int(sys.argv[2])), Wards).serve_forever()
"""

BEFORE_STOP = """
  - id: agree
    name: Somebody agrees
    uses: approve
    with: {min: 1}
    timeout: 60s

  - id: announce
    name: Tell the wards
    uses: http
    with: {url: "http://%s:8099/moving", method: POST, body: '{"state": "moving"}', expect: 204}
    timeout: 5s
    retries: 2

  - id: outbox
    name: Nobody is in recovery but standbys
    uses: sql
    with: {on: primary, database: postgres, query: "SELECT pg_is_in_recovery()", expect: false}
    timeout: 10s

"""
BEFORE_PROMOTE = """
  - id: storage
    name: Give the new primary its share of the disks
    uses: command
    with: {run: storage-to-primary, on: heir}
    timeout: 10s
    on_failure: rollback

"""
LAST = """
  - id: settled
    name: Wait until the old primary is in sync again
    uses: wait_until
    with: {condition: in_sync, on: old_primary}
    timeout: 30s
    on_failure: continue
"""


def with_own_steps(source, wards):
    """The shipped switchover with a hospital's steps where they belong."""
    out = []
    for line in source.splitlines(keepends=True):
        if line.strip() == "- id: stop":
            out.append(BEFORE_STOP % wards)
        if line.strip() == "- id: promote":
            out.append(BEFORE_PROMOTE)
        if line.startswith("rollback:"):
            out.append(LAST + "\n")
        out.append(line)
    return "".join(out).replace("budget: 9m", "budget: 11m")


@pytest.fixture(scope="module")
def lab():
    with Lab.up("ownsteps", policy={"failovers_per_hour": 100}) as one:
        own = one.folder / "playbooks"
        own.mkdir(mode=0o755)
        source = one.drctl("playbook", "show", "switchover", "--source").stdout
        (own / "switchover.yaml").write_text(with_own_steps(source, one.client.address))
        text = one.cluster_yaml.read_text()
        one.cluster_yaml.write_text(f"playbooks: {own}\n" + text)
        # A command whose outcome is the folder's to say: it leaves a line, and fails while `broken` is there.
        script = f'echo "$DRCTL_MEMBER $DRCTL_STEP" >> {own}/done.txt; test ! -e {own}/broken'
        (own / "done.txt").touch(mode=0o666)
        (own / "done.txt").chmod(0o666)
        for center in one.centers.values():
            document = json.loads(center.drctl_host.config.read_text())
            document["commands"] = {"storage-to-primary": ["/bin/sh", "-c", script]}
            center.drctl_host.config.write_text(json.dumps(document))
            center.controller.kill()
        one.start_controllers()
        one.wait_guaranteed(GROUP)
        yield one


@pytest.fixture
def sight(lab):
    one = Sight(lab)
    yield one
    one.close()


@pytest.fixture
def wards(lab):
    """A web server that the wards would have; what it was told."""
    process = lab.client.popen(
        [sys.executable, "-u", "-c", WARDS, lab.client.address, str(WARDS_PORT)], stdout=subprocess.PIPE
    )
    wait_until(lambda: lab.client.listens(WARDS_PORT), deadline_s=10.0, what="the wards listen")
    yield process
    process.terminate()
    process.wait(10.0)
    process.stdout.close()


def seen(sight):
    found = sight.group(GROUP)
    assert found is not None, "a controller answers"
    return found


def await_whole(sight):
    wait_until(
        lambda: (
            (one := sight.group(GROUP)) is not None
            and one["run"] is None
            and one["protection"] == "protected"
            and len(one["sync_members"]) == 2
        ),
        deadline_s=60.0,
        what="the group is at full protection",
    )


def switchover_begins(lab, sight):
    """Ask for it from a shell that does not wait for its end; the run that waits for people, and the shell."""
    shell = lab.client.popen(
        [
            sys.executable,
            "-m",
            "drctl",
            "--config",
            lab.cluster_yaml,
            "switchover",
            GROUP,
            "--yes",
            "--reason",
            "disks",
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        env={"PYTHONPATH": str(CHECKOUT)},
    )
    wait_until(
        lambda: (
            (run := seen(sight)["run"]) is not None
            and any(step["id"] == "agree" and step["status"] == "waiting" for step in run["steps"])
        ),
        deadline_s=20.0,
        what="the run waits for people",
    )
    return seen(sight)["run"]["id"], shell


def ends(shell, code):
    said, _ = shell.communicate(timeout=60.0)
    assert shell.returncode == code, said
    return said


def history_of(lab, run):
    return json.loads(lab.drctl("history", run, "-f", "json").stdout)


def test_the_plan_shows_the_hospitals_own_steps(lab):
    checked = lab.drctl("playbook", "validate")
    assert checked.returncode == 0, checked.stdout + checked.stderr
    planned = lab.drctl("playbook", "plan", "switchover")
    assert planned.returncode == 0, planned.stdout + planned.stderr
    assert "Tell the wards" in planned.stdout
    assert "Give the new primary its share of the disks" in planned.stdout


def test_a_switchover_waits_for_a_person_and_does_the_hospitals_steps_although_its_leader_dies(lab, sight, wards):
    await_whole(sight)
    before = seen(sight)["primary"]
    run, shell = switchover_begins(lab, sight)
    leader = sight.cluster()["leader"]
    lab.centers[leader].controller.kill()
    wait_until(
        lambda: (
            (now := seen(sight)["run"]) is not None
            and now["id"] == run
            and sight.cluster()["leader"] not in {None, leader}
        ),
        deadline_s=20.0,
        what="another controller leads, and drives the run",
    )
    approved = lab.drctl("run", "approve", run, "--reason", "announced to the wards", "--yes", env=COLLEAGUE)
    assert approved.returncode == 0, approved.stdout + approved.stderr
    ends(shell, 0)
    lab.centers[leader].controller.start()
    assert wards.stdout.readline().strip() == '{"state": "moving"}'
    after = seen(sight)["primary"]
    assert after != before
    assert f"{after} storage" in (lab.folder / "playbooks" / "done.txt").read_text()
    told = {step["id"]: step["status"] for step in history_of(lab, run)["steps"]}
    assert told["agree"] == told["announce"] == told["outbox"] == told["storage"] == told["settled"] == "done"


def test_a_step_that_fails_in_the_middle_puts_the_old_primary_back(lab, sight, wards):
    await_whole(sight)
    before = seen(sight)["primary"]
    (lab.folder / "playbooks" / "broken").touch()
    run, shell = switchover_begins(lab, sight)
    assert lab.drctl("run", "approve", run, "--reason", "yes", "--yes", env=COLLEAGUE).returncode == 0
    ends(shell, 1)
    (lab.folder / "playbooks" / "broken").unlink()
    await_whole(sight)
    assert seen(sight)["primary"] == before
    assert wards.stdout.readline().strip() == '{"state": "moving"}'


def test_a_switchover_that_a_person_rejects_changes_nothing(lab, sight, wards):
    await_whole(sight)
    before = seen(sight)["primary"]
    run, shell = switchover_begins(lab, sight)
    assert (
        lab.drctl("run", "reject", run, "--reason", "the emergency room is full", "--yes", env=COLLEAGUE).returncode
        == 0
    )
    said = ends(shell, 1)
    assert "the emergency room is full" in said
    await_whole(sight)
    assert seen(sight)["primary"] == before
    assert wards.poll() is None
