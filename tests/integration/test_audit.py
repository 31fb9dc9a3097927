"""The audit chain over a real ZooKeeper: controllers that append at the same time, one that dies in the midst."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from drctl.audit.verify import verify, witnesses_of
from drctl.cli.main import program
from drctl.evidence.chain_files import chain_files, pieces
from drctl.model.event import CoordinatorChanged
from tests.integration.audit_writer import CENTERS, writer
from tests.integration.zookeeper_servers import Servers, wait_until

pytestmark = pytest.mark.lab
ROOT = Path(__file__).parents[2]
EVENTS = 300
CAUGHT_UP_S = 20.0
CONFIGURATION = """\
cluster: audit
zookeeper: {root: /drctl, session_timeout: 2s}
centers:
  zhaohui: {zookeeper: "127.0.0.1:%(port)d", http: "127.0.0.1:1"}
  yuecheng: {zookeeper: "127.0.0.2:%(port)d", http: "127.0.0.1:2"}
  fuyang: {zookeeper: "127.0.0.3:%(port)d", http: "127.0.0.1:3"}
ssh: {identity: /none, known_hosts: /none}
audit: {directory: %(directory)s}
groups:
  lis:
    home: zhaohui
    members:
      lis-zhaohui: {center: zhaohui, host: 127.0.0.1}
      lis-yuecheng: {center: yuecheng, host: 127.0.0.2}
      lis-fuyang: {center: fuyang, host: 127.0.0.3}
"""


@pytest.fixture(scope="module")
def servers(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Servers]:
    with Servers(folder=tmp_path_factory.mktemp("zookeeper"), count=1) as running:
        yield running


def details(folder: Path) -> list[str]:
    lines = [line for file in chain_files(folder) for line in file.read_bytes().splitlines()]
    return [told["facts"]["detail"] for told in map(json.loads, lines) if told["event"] == "coordinator_changed"]


def numbers(found: list[str], who: str) -> list[int]:
    return [int(detail.partition(":")[2]) for detail in found if detail.startswith(f"{who}:")]


def test_two_write_one_is_killed_and_comes_back_another_was_away_and_nothing_is_lost_or_twice(servers, tmp_path):
    zhaohui, yuecheng, fuyang = (tmp_path / center for center in CENTERS)
    coordinator, one = writer(CENTERS[0], zhaohui, servers.hosts, incarnation="one")
    command = [sys.executable, "-m", "tests.integration.audit_writer", "yuecheng", str(yuecheng)]
    port = str(servers.members[0].port)
    dying = subprocess.Popen([*command, port, "two"], cwd=ROOT)
    try:
        for number in range(1, EVENTS + 1):
            one.emit(CoordinatorChanged(connected=True, detail=f"one:{number}"))
            time.sleep(0.005)
        wait_until(lambda: len(numbers(details(zhaohui), "two")) > 100, CAUGHT_UP_S, "the other writes too")
    finally:
        dying.kill()
        dying.wait(10)
    wait_until(lambda: len(numbers(details(zhaohui), "one")) == EVENTS, CAUGHT_UP_S, "all of the first are in")
    left = [json.loads(line) for line in (yuecheng / "spool.jsonl").read_bytes().splitlines() if line.endswith(b"}")]
    spooled = {told["facts"]["detail"] for told in left}

    again, two = writer(CENTERS[1], yuecheng, servers.hosts, incarnation="three")
    two.emit(CoordinatorChanged(connected=True, detail="three:1"))
    away, three = writer(CENTERS[2], fuyang, servers.hosts, incarnation="four")
    wait_until(lambda: "three:1" in details(fuyang), CAUGHT_UP_S, "the one that was away has everything")
    wait_until(lambda: one.head == two.head == three.head, CAUGHT_UP_S, "all have the same head")
    for scribe, connection in ((one, coordinator), (two, again), (three, away)):
        scribe.close(deadline_s=5.0)
        connection.close()

    found = details(fuyang)
    assert spooled <= set(found)
    assert max(Counter(found).values()) == 1, "nothing twice"
    assert numbers(found, "one") == list(range(1, EVENTS + 1))
    killed = numbers(found, "two")
    assert killed == list(range(1, len(killed) + 1)), "nothing is missing in the midst"
    copies = {folder: b"".join(piece.data for piece in pieces([folder])) for folder in (zhaohui, yuecheng, fuyang)}
    assert len(set(copies.values())) == 1
    verdict = verify(pieces([zhaohui]), witnesses=witnesses_of({"fuyang": three.head}))
    assert (verdict.sound, verdict.confirmed_by) == (True, ("fuyang",))

    configuration = tmp_path / "cluster.yaml"
    configuration.write_text(CONFIGURATION % {"port": servers.members[0].port, "directory": zhaohui})
    command_line = ["--config", str(configuration), "audit"]
    result = CliRunner().invoke(program, [*command_line, "verify"])
    assert (result.exit_code, "every link holds" in result.output) == (0, True), result.output
    for witness in ("center zhaohui", "center yuecheng", "center fuyang", "ZooKeeper's head"):
        assert f"confirmed by {witness}" in result.output
    newest = json.loads(CliRunner().invoke(program, [*command_line, "list", "-n", "1", "-f", "json"]).output)
    assert newest[0]["sequence"] == three.head.sequence

    (file,) = chain_files(zhaohui)[-1:]
    file.write_bytes(file.read_bytes()[:-10_000].rpartition(b"\n")[0] + b"\n")
    cut = CliRunner().invoke(program, [*command_line, "verify"])
    assert cut.exit_code == 1, cut.output
    assert "its end was cut" in cut.output
