"""People are told of a real switchover and a real failover, and a channel that is dead holds neither up."""

from __future__ import annotations

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from chaos.demo.sight import Sight
from chaos.lab.lab import Lab
from chaos.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.slow, pytest.mark.timeout(120)]

GROUP = "lis"
SWITCHOVER_MAX_S = 5.0


@pytest.fixture
def lab():
    with Lab.up("notices", policy={"standby_lost": "2s"}) as one:
        yield one


@pytest.fixture
def told(lab):
    got = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self):
            got.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    server = ThreadingHTTPServer((lab.subnet.bridge_address, 0), Receiver)
    thread = threading.Thread(target=lambda: server.serve_forever(poll_interval=0.05), daemon=True)
    thread.start()
    urls = {
        "platform": f"http://{lab.subnet.bridge_address}:{server.server_port}/",
        "dead": f"http://{lab.subnet.address(99)}:80/",
    }
    text = lab.cluster_yaml.read_text() + "notifications:\n  webhooks:\n"
    for name, url in urls.items():
        (lab.folder / f"{name}-url").write_text(url)
        text += f"    {name}: {{url: 'file:{lab.folder}/{name}-url', severity: info}}\n"
    lab.cluster_yaml.write_text(text)
    for center in lab.centers.values():
        center.controller.kill()
    lab.start_controllers()
    yield got
    server.shutdown()
    server.server_close()
    thread.join()


def test_people_are_told_of_a_switchover_and_of_a_failover(lab, told):
    sight = Sight(lab)
    lab.wait_guaranteed(GROUP)
    heir = sight.group(GROUP)["sync_members"][0]
    done = lab.drctl("switchover", GROUP, "--candidate", heir, "--yes", "--reason", "new disks")
    assert done.returncode == 0, done.stdout + done.stderr
    [run] = json.loads(lab.drctl("history", "-n", "1", "-f", "json").stdout)
    assert run["elapsed_s"] < SWITCHOVER_MAX_S
    ends = lambda kind: [one for one in told if one["event"] == "run_ended" and kind in one["title_en"]]  # noqa: E731
    wait_until(lambda: bool(ends("switchover")), deadline_s=10.0, what="people are told of the switchover's end")
    began = next(one for one in told if one["event"] == "run_started")
    assert "new disks" in began["text_en"]
    assert "计划切换" in began["title_zh"]
    lab.wait_guaranteed(GROUP)
    lab.faults.kill_postmaster(heir)
    wait_until(lambda: bool(ends("failover")), deadline_s=30.0, what="people are told of the failover's end")
    assert ends("failover")[0]["severity"] == "info"
    # One leader tells, and each thing once.
    keys = [(one["event"], one["run"], one["code"]) for one in told]
    assert len(keys) == len(set(keys)), keys
    sight.close()
