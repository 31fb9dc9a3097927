"""`drctl init` by its command line: on a group that is not healthy it changes nothing, whatever is wrong."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml

from chaos.lab.lab import Lab
from chaos.lab.postgres import wait_streaming
from chaos.lab.waiting import wait_until

pytestmark = pytest.mark.slow

STATE_SQL = """
SELECT json_build_object(
  'settings', (SELECT json_object_agg(name, setting ORDER BY name) FROM pg_settings WHERE source = 'configuration file'),
  'roles', (SELECT json_agg(rolname ORDER BY rolname) FROM pg_roles),
  'grants', (SELECT json_agg(proacl ORDER BY oid) FROM pg_proc WHERE proname ~ '^pg_(ls_dir|stat_file|read_binary_file)$'),
  'schemas', (SELECT json_agg(nspname ORDER BY nspname) FROM pg_namespace WHERE nspname !~ '^pg_(toast_)?temp'))::text
"""
TREE = """
import json, sys
from kazoo.client import KazooClient
client = KazooClient(hosts=sys.argv[1]); client.start(5)
def walk(path):
    yield path, (client.get(path)[0] or b"").decode(errors="replace")
    for child in sorted(client.get_children(path)):
        yield from walk(path.rstrip("/") + "/" + child)
print(json.dumps(dict(walk("/drctl")) if client.exists("/drctl") else {})); client.stop()
"""
ZOOKEEPER_PORT = "2181"


@pytest.fixture(scope="module")
def lab() -> Iterator[Lab]:
    with Lab.up("init", controllers=False) as one:
        yield one


def state(lab: Lab) -> dict[str, object]:
    """All that init could change: of every member, and of the coordinator."""
    found: dict[str, object] = {}
    for name, member in lab.members.items():
        found[f"{name} file"] = (member.pgdata / "postgresql.auto.conf").read_text()
        if member.running:
            found[name] = json.loads(member.query(STATE_SQL)[0][0])
    address = next(iter(lab.centers.values())).zookeeper.address
    said = lab.client.run([sys.executable, "-c", TREE, address], timeout_s=20)
    found["coordinator"] = json.loads(said.stdout)
    return found


def init(lab: Lab, *arguments: str, change: Callable[[dict], None] | None = None) -> subprocess.CompletedProcess[str]:
    """Run it, with another cluster.yaml where `change` makes one."""
    if change is None:
        return lab.drctl("init", "lis", *arguments, env={"COLUMNS": "400"})
    document = yaml.safe_load(lab.cluster_yaml.read_text())
    change(document)
    other = Path(lab.folder) / "other.yaml"
    other.write_text(yaml.safe_dump(document, allow_unicode=True))
    return lab.drctl("--config", str(other), "init", "lis", *arguments, env={"COLUMNS": "400"})


def refused(lab: Lab, *says: str, code: int = 1, change: Callable[[dict], None] | None = None) -> None:
    """It says what is wrong, ends with the code, and nothing is otherwise than before."""
    before = state(lab)
    done = init(lab, "--yes", change=change)
    told = done.stdout + done.stderr
    assert done.returncode == code, told
    for words in says:
        assert words in told, told
    assert state(lab) == before


def test_a_member_that_is_down_stops_it(lab: Lab):
    member = lab.member("lis-fuyang")
    member.stop()
    try:
        refused(lab, "lis-fuyang", "cannot be asked", "nothing was changed", "> psql")
    finally:
        member.start()
        member.wait_ready()
        wait_streaming(lab.member("lis-zhaohui"), 2)


def test_a_host_with_another_key_stops_it(lab: Lab):
    known = lab.keys.known_hosts
    before = known.read_text()
    hosts = [line.split(" ", 1) for line in before.splitlines() if line.strip()]
    # Each host shows a key that belongs to another one.
    known.write_text("".join(f"{hosts[n][0]} {hosts[n - 1][1]}\n" for n in range(len(hosts))))
    try:
        refused(lab, "its host does not answer drctl", "key", "nothing was changed", "ssh-keygen")
    finally:
        known.write_text(before)


def test_a_wrong_member_name_stops_it(lab: Lab):
    def rename(document: dict) -> None:
        members = document["groups"]["lis"]["members"]
        members["lis-binjiang"] = members.pop("lis-fuyang")

    refused(
        lab,
        "lis-binjiang",
        "is no standby of lis-zhaohui",
        "it calls itself 'lis-fuyang'",
        "primary_conninfo",
        change=rename,
    )


def test_two_members_with_one_name_stop_it(lab: Lab):
    member = lab.member("lis-fuyang")
    (before,) = member.query("SHOW primary_conninfo")[0]

    def follow_as(conninfo: str, name: str) -> None:
        member.query(f"ALTER SYSTEM SET primary_conninfo = '{conninfo}'")
        member.query("SELECT pg_reload_conf()")
        primary = lab.member("lis-zhaohui")

        def streams() -> bool:
            seen = primary.query(
                "SELECT host(client_addr), application_name FROM pg_stat_replication WHERE state = 'streaming'"
            )
            return (member.host.address, name) in seen

        wait_until(streams, deadline_s=15, what=f"it streams as {name}")

    follow_as(before.replace("lis-fuyang", "lis-yuecheng"), "lis-yuecheng")
    try:
        refused(lab, "2 standbys call themselves lis-yuecheng", "nothing was changed")
    finally:
        follow_as(before, "lis-fuyang")


def test_a_primary_that_does_not_sync_to_its_disk_stops_it(lab: Lab):
    member = lab.member("lis-zhaohui")

    def fsync(value: str) -> None:
        member.query(f"ALTER SYSTEM SET fsync = {value}" if value else "ALTER SYSTEM RESET fsync")
        member.query("SELECT pg_reload_conf()")
        wait_until(lambda: member.query("SHOW fsync")[0][0] == (value or "on"), deadline_s=5, what="fsync is set")

    fsync("off")
    try:
        refused(lab, "fsync is off", "loss of power", "nothing was changed")
    finally:
        fsync("")


def test_without_a_coordinator_nothing_is_done(lab: Lab):
    def elsewhere(document: dict) -> None:
        for center in document["centers"].values():
            center["zookeeper"] = center["zookeeper"].replace(ZOOKEEPER_PORT, "2999")

    refused(lab, "no ZooKeeper server answers", "srvr", code=3, change=elsewhere)


def test_a_look_changes_nothing_and_the_deed_is_done_once(lab: Lab):
    before = state(lab)
    looked = init(lab, "--dry-run")
    assert looked.returncode == 0, looked.stdout + looked.stderr
    assert "will create the role drctl" in looked.stdout
    assert state(lab) == before
    done = init(lab, "--yes")
    assert done.returncode == 0, done.stdout + done.stderr
    after = state(lab)
    assert "ANY 1" in str(after["lis-zhaohui"])
    assert any("/lis" in path for path in after["coordinator"])  # type: ignore[attr-defined]
    again = init(lab, "--yes")
    assert again.returncode == 0
    assert "under drctl's protection already" in again.stdout
    assert state(lab) == after


def doctor(lab: Lab) -> dict[str, list[str]]:
    """What it complains of, by subject."""
    done = lab.drctl("doctor", "-f", "json", env={"COLUMNS": "400"})
    assert done.returncode in {1, 4}, done.stdout + done.stderr
    found: dict[str, list[str]] = {}
    for one in json.loads(done.stdout):
        assert one["remedy"], one
        found.setdefault(one["subject"], []).append(one["what"])
    return found


def test_the_doctor_finds_what_was_broken_since(lab: Lab):
    centers = set(lab.centers)
    assert set(doctor(lab)) == centers, "no controller runs in this lab"
    member, voter = lab.member("lis-zhaohui"), lab.centers["fuyang"].zookeeper
    lab.keys.identity.chmod(0o644)
    member.query("DROP TABLE drctl.marker")
    voter.kill()
    try:
        found = doctor(lab)
        assert "is open to others (mode 0644)" in found["ssh"][0]
        assert any("drctl.marker" in what for what in found["lis-zhaohui"])
        assert any("does not serve" in what for what in found["fuyang"])
        assert set(found) == {*centers, "ssh", "lis-zhaohui"}
    finally:
        lab.keys.identity.chmod(0o600)
        voter.start()
        voter.wait_serving()
    hba = lab.member("lis-yuecheng").pgdata / "pg_hba.conf"
    before = hba.read_text()
    hba.write_text("host replication all all reject\n" + before)
    try:
        seen = lab.drctl("doctor", "--admin-user", "postgres", "-f", "json").stdout
        told = [one["what"] for one in json.loads(seen) if one["subject"] == "lis-yuecheng"]
        assert [what.startswith("its pg_hba.conf does not let replicator stream from") for what in told] == [True, True]
    finally:
        hba.write_text(before)
    again = init(lab, "--yes")
    assert again.returncode == 0, again.stdout + again.stderr
    assert set(doctor(lab)) == centers
