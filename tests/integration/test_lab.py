"""The lab itself, for real: what it promises to those who test and demonstrate with it."""

from __future__ import annotations

import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import psycopg
import pytest

from chaos.faults import link
from chaos.faults.fault import FaultNotSeen
from chaos.lab import cgroups, network, remains
from chaos.lab.errors import LabError
from chaos.lab.folder import registered_folders
from chaos.lab.lab import Lab
from chaos.lab.postgres import wait_streaming
from chaos.lab.waiting import wait_until

pytestmark = [pytest.mark.lab, pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root")]

CHECKOUT = Path(__file__).resolve().parents[2]
NAME = f"t{os.getpid()}"


@pytest.fixture(scope="module")
def lab():
    with Lab.up(NAME, controllers=False) as one:
        yield one


@pytest.fixture
def healed(lab):
    """The lab, as it should be before and after."""
    yield lab
    lab.faults.heal_all()
    wait_streaming(lab.member("lis-zhaohui"), 2)
    for center in lab.centers.values():
        center.zookeeper.wait_serving()


def marks_of(name):
    """Everything on this machine that still carries the name of a lab."""
    found = remains.find().get(name)
    if found is None:
        return []
    folder = [found.folder] if found.folder is not None and found.folder.exists() else []
    group = [found.cgroup.path] if found.cgroup.exists else []
    return [*folder, *group, *found.namespaces, *found.bridges, *found.pids]


def script(text):
    """A process that runs a piece of Python on the lab."""
    return subprocess.Popen(
        # Whoever started the tests may ignore SIGHUP, and what it starts then ignores it too.
        ["env", "--default-signal", sys.executable, "-c", text],
        cwd=CHECKOUT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_both_standbys_stream_and_zookeeper_has_a_leader(lab):
    rows = lab.member("lis-zhaohui").query("select application_name, state from pg_stat_replication order by 1")
    assert rows == [("lis-fuyang", "streaming"), ("lis-yuecheng", "streaming")]
    assert lab.zookeeper_leader() in lab.centers


def test_what_is_written_in_one_center_is_read_in_another_over_the_network(lab):
    with psycopg.connect(lab.group_dsn(), autocommit=True) as primary:
        primary.execute("create table if not exists probe (text text)")
        primary.execute("insert into probe values ('检验')")
        (lsn,) = primary.execute("select pg_current_wal_insert_lsn()::text").fetchone()
    standby = lab.member("lis-fuyang")
    wait_until(
        lambda: standby.query(f"select pg_last_wal_replay_lsn() >= '{lsn}'")[0][0],
        deadline_s=5,
        what="the row is replayed",
    )
    with psycopg.connect(standby.dsn(dbname="lis_db")) as connection:
        assert connection.execute("select text from probe").fetchone() == ("检验",)


def test_checksums_and_hint_bits_are_as_a_rewind_needs_them(lab):
    query = "select current_setting('data_checksums'), current_setting('wal_log_hints'), current_setting('fsync')"
    assert {member.query(query)[0] for member in lab.members.values()} == {("on", "on", "on")}


def test_every_process_of_a_center_is_in_its_control_group(lab):
    for center in lab.centers.values():
        in_network = {int(pid) for pid in network.run_ip("netns", "pids", center.netns).split()}
        assert in_network
        assert in_network <= set(center.cgroup.pids())


def test_the_client_host_reaches_every_member(lab):
    for member in lab.members.values():
        lab.client.connect(member.host.address, member.port).close()


def test_another_process_can_attach_to_the_lab(lab):
    other = Lab.attach(lab.name)
    assert other.cluster_yaml == lab.cluster_yaml
    assert other.member("lis-fuyang").ready


def test_a_lab_of_the_same_name_is_refused(lab):
    with pytest.raises(LabError, match="is up already"):
        Lab.up(lab.name, controllers=False)
    assert lab.member("lis-zhaohui").ready


def test_a_power_loss_is_silent_and_the_center_comes_back(healed):
    lab = healed
    with psycopg.connect(lab.member("lis-zhaohui").dsn()) as connection:
        descriptor = connection.fileno()
        lab.faults.power_off("zhaohui")
        # A killed server says goodbye; one without power does not. Nothing may be heard here.
        assert select.select([descriptor], [], [], 0.5)[0] == []
        assert not lab.centers["zhaohui"].cgroup.populated
        lab.power_on("zhaohui")
    lab.member("lis-zhaohui").wait_ready()
    wait_streaming(lab.member("lis-zhaohui"), 2)
    lab.centers["zhaohui"].zookeeper.wait_serving()


def test_a_center_can_lose_its_power_again_and_again(healed):
    for _ in range(3):
        healed.faults.power_off("yuecheng")
        healed.power_on("yuecheng")
        healed.member("lis-yuecheng").wait_ready()
    wait_streaming(healed.member("lis-zhaohui"), 2)


def test_a_killed_postmaster_can_be_started_at_once(healed):
    for _ in range(3):
        fault = healed.faults.kill("lis-fuyang")
        assert fault.victim_pid is not None
        wait_until(lambda: not healed.member("lis-fuyang").processes(), deadline_s=5, what="the orphans are gone")
        healed.faults.start("lis-fuyang")
        healed.member("lis-fuyang").wait_ready()


def test_a_killed_backend_restarts_the_server_and_a_killed_walsender_does_not(healed):
    member = healed.member("lis-zhaohui")
    postmaster = member.postmaster_pid
    with psycopg.connect(member.dsn()) as connection:
        healed.faults.kill_walsender("lis-zhaohui", standby="lis-fuyang")
        connection.execute("select 1")
        healed.faults.kill_backend("lis-zhaohui")
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    assert member.postmaster_pid == postmaster
    wait_streaming(member, 2)


def test_an_isolated_center_is_silent_to_everyone_this_machine_included(healed):
    member = healed.member("lis-yuecheng")
    with psycopg.connect(member.dsn(), autocommit=True) as connection:
        fault = healed.faults.isolate("yuecheng")
        for reach in (
            lambda: socket.create_connection((member.host.address, 5432), 0.3),
            lambda: healed.client.connect(member.host.address, 5432, timeout_s=0.3),
        ):
            with pytest.raises(TimeoutError):
                reach()
        # Its own processes still reach each other.
        assert member.query("select 1") == [(1,)]
        fault.heal()
        assert connection.execute("select 1").fetchone() == (1,)


def test_one_port_is_cut_between_two_centers_and_nothing_else(healed):
    zhaohui, fuyang = healed.centers["zhaohui"], healed.centers["fuyang"]
    fault = healed.faults.cut("zhaohui", "fuyang", port=5432)
    for source, target in ((zhaohui, fuyang), (fuyang, zhaohui)):
        with pytest.raises(TimeoutError):
            source.host.connect(target.address, 5432, timeout_s=0.3)
        source.host.connect(target.address, 22, timeout_s=0.3).close()
    healed.centers["yuecheng"].host.connect(fuyang.address, 5432, timeout_s=0.3).close()
    fault.heal()
    zhaohui.host.connect(fuyang.address, 5432, timeout_s=0.5).close()


@pytest.mark.parametrize("direction", ["in", "out"])
def test_a_cut_of_one_direction_lets_the_other_pass(healed, direction):
    zhaohui, fuyang = healed.centers["zhaohui"], healed.centers["fuyang"]

    def udp_arrives(source, target):
        with network.inside(target.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as receiver:
            receiver.bind((target.address, 4999))
            receiver.settimeout(0.3)
            with network.inside(source.netns, lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM)) as sender:
                try:
                    sender.sendto(b"x", (target.address, 4999))
                    return receiver.recv(1) == b"x"
                except (TimeoutError, PermissionError):
                    return False

    healed.faults.cut("zhaohui", "fuyang", direction=direction)
    assert udp_arrives(zhaohui, fuyang) is (direction == "in")
    assert udp_arrives(fuyang, zhaohui) is (direction == "out")


def test_cuts_stand_side_by_side_and_are_healed_one_by_one(healed):
    host = healed.centers["zhaohui"].host
    one = healed.faults.cut("zhaohui", "fuyang", port=2181)
    healed.faults.cut("zhaohui", "yuecheng", port=22)
    assert len(link.tables(host)) == 2
    one.heal()
    one.heal()
    assert link.tables(host) == ["drlab_cut_yuecheng_22_both"]
    healed.faults.heal("zhaohui")
    assert link.tables(host) == []


def test_lost_packets_and_a_thin_line_are_seen_and_healed(healed):
    healed.faults.packet_loss("client", 30)
    healed.faults.bandwidth("client", "5mbit")
    healed.faults.heal("client")
    assert link.tables(healed.client) == []
    assert not link.has_bandwidth_limit(healed.client)
    with pytest.raises(LabError, match="illegal value"):
        healed.faults.bandwidth("client", "fast")


def test_a_reset_is_heard_at_once_and_the_standbys_come_back(healed):
    with psycopg.connect(healed.member("lis-zhaohui").dsn()) as connection:
        assert healed.faults.reset("zhaohui", port=5432).victims
        with pytest.raises(psycopg.OperationalError):
            connection.execute("select 1")
    wait_streaming(healed.member("lis-zhaohui"), 2)


def test_the_key_opens_one_command_on_hosts_that_are_known(lab):
    def ssh(known_hosts):
        options = [
            f"UserKnownHostsFile={known_hosts}",
            "StrictHostKeyChecking=yes",
            "BatchMode=yes",
            "ConnectTimeout=5",
        ]
        flags = [part for option in options for part in ("-o", option)]
        target = f"postgres@{lab.centers['fuyang'].address}"
        return lab.client.run(["ssh", *flags, "-i", lab.keys.identity, target, "id"], check=False, stdin_text="")

    entered = ssh(lab.keys.known_hosts)
    assert "uid=" not in entered.stdout
    assert "forced-command" in lab.centers["fuyang"].sshd.log.read_text()
    swapped = lab.folder / "known_hosts_swapped"
    lines = [line.split() for line in lab.keys.known_hosts.read_text().splitlines()]
    swapped.write_text("".join(f"{lines[i][0]} {lines[i - 1][1]} {lines[i - 1][2]}\n" for i in range(3)))
    refused = ssh(swapped)
    assert refused.returncode == 255
    assert "HOST IDENTIFICATION HAS CHANGED" in refused.stderr


def test_a_member_that_drctl_host_has_fenced_stays_down_when_the_power_is_back(healed):
    center = healed.centers["fuyang"]

    def ask(command, **request):
        request |= {"id": 1, "member": "lis-fuyang", "command": command, "deadline_s": 10}
        argv = [
            "/usr/bin/python3",
            "-I",
            "-S",
            center.drctl_host.program,
            "serve",
            "--config",
            center.drctl_host.config,
        ]
        done = center.run(argv, as_user="postgres", stdin_text=json.dumps(request) + "\n")
        answer = json.loads(done.stdout)
        assert answer["ok"], answer
        return answer["evidence"]

    assert ask("fence", epoch=7, args={"mode": "fast"})["postmaster_gone"] is True
    healed.faults.power_off("fuyang")
    assert healed.power_on("fuyang") == ["lis-fuyang"]
    assert not healed.member("lis-fuyang").running
    with pytest.raises(LabError, match="fenced"):
        healed.faults.start("lis-fuyang")
    ask("start", epoch=8, args={})
    healed.member("lis-fuyang").wait_ready()


def test_a_frozen_member_stands_still_and_the_rest_of_its_center_goes_on(healed):
    member = healed.member("lis-fuyang")
    fault = healed.faults.freeze("lis-fuyang")
    with pytest.raises(psycopg.OperationalError):
        psycopg.connect(member.dsn(connect_timeout=2))
    assert healed.centers["fuyang"].zookeeper.role() is not None
    fault.heal()
    assert member.query("select 1") == [(1,)]


def test_a_member_that_was_started_through_sshd_is_frozen_whole(healed):
    member = healed.member("lis-fuyang")
    member.stop()
    member.host.daemon(
        [member.programs.path("postgres"), "-D", member.pgdata], kind="sshd", log=member.log, as_user="postgres"
    )
    wait_until(lambda: member.ready, deadline_s=10, what="the member is ready")
    healed.faults.stop_sshd("fuyang")
    assert member.ready, "a database outlives the session that started it"
    healed.faults.freeze("lis-fuyang")
    outside = [process for process in member.processes() if process.pid not in member.host.pids(member.kind)]
    assert outside == []


def test_a_frozen_center_is_taken_as_it_is_and_thawed(healed):
    healed.faults.freeze("yuecheng")
    assert healed.centers["yuecheng"].cgroup.frozen
    healed.faults.thaw("yuecheng")
    assert healed.member("lis-yuecheng").query("select 1") == [(1,)]


def test_what_does_not_run_cannot_be_frozen_or_killed_by_mistake(healed):
    healed.faults.kill_zookeeper("fuyang")
    with pytest.raises(LabError, match="no running process"):
        healed.faults.freeze("fuyang/zookeeper")
    for wrong in ("hangzhou", "fuyang/oracle", "lis-hangzhou"):
        with pytest.raises(LabError):
            healed.faults.kill(wrong)


def test_zookeeper_elects_within_four_seconds_when_its_leaders_center_is_lost(healed):
    leader = healed.zookeeper_leader()
    healed.faults.power_off(leader)
    begin_s = time.monotonic()
    wait_until(lambda: healed.zookeeper_leader() is not None, deadline_s=10, what="a new leader")
    assert healed.zookeeper_leader() != leader
    assert time.monotonic() - begin_s < 15


def test_two_labs_that_start_at_once_get_two_networks(lab):
    text = (
        "from chaos.lab.lab import Lab\n"
        "with Lab.up('{name}', controllers=False) as lab:\n"
        "    print(lab.subnet.number, len(lab.member('lis-zhaohui').query('select 1')), flush=True)\n"
    )
    names = [f"{NAME}-{letter}" for letter in "ab"]
    both = [script(text.format(name=name)) for name in names]
    said = [process.communicate(timeout=90) for process in both]
    assert [process.returncode for process in both] == [0, 0], said
    numbers = {int(output.split()[0]) for output, _ in said} | {lab.subnet.number}
    assert len(numbers) == 3
    assert all(marks_of(name) == [] for name in names)


@pytest.mark.parametrize(
    ("number", "after_s"),
    [
        (signal.SIGINT, 0.0),
        (signal.SIGTERM, 0.2),
        (signal.SIGINT, 0.5),
        (signal.SIGHUP, 0.8),
        (signal.SIGINT, 1.2),
        (signal.SIGTERM, 2.0),
        (signal.SIGINT, 3.0),
    ],
)
def test_an_interrupt_at_any_moment_leaves_nothing_behind(number, after_s):
    name = f"{NAME}-i"
    process = script(
        "from chaos.lab.lab import Lab\n"
        "import time\n"
        f"with Lab.up({name!r}, controllers=False, progress=lambda line: print(line, flush=True)):\n"
        "    time.sleep(60)\n"
    )
    assert process.stdout.readline().startswith("network")
    time.sleep(after_s)
    process.send_signal(number)
    process.communicate(timeout=30)
    assert process.returncode != 0
    assert marks_of(name) == []


@pytest.mark.parametrize("after_s", [0.0, 0.4, 1.0, 3.0])
def test_what_a_killed_run_left_is_found_and_removed_by_the_next(after_s):
    name = f"{NAME}-k"
    process = script(
        "from chaos.lab.lab import Lab\n"
        "import time\n"
        f"lab = Lab.up({name!r}, controllers=False, progress=lambda line: print(line, flush=True))\n"
        "time.sleep(60)\n"
    )
    assert process.stdout.readline().startswith("network")
    time.sleep(after_s)
    process.kill()
    process.communicate(timeout=10)
    assert remains.find()[name].state is remains.State.STALE
    with Lab.up(f"{NAME}-n", controllers=False):
        assert marks_of(name) == []
    assert marks_of(f"{NAME}-n") == []


def test_remains_without_a_record_are_found_by_their_network_and_removed(tmp_path):
    name = f"{NAME}-w"
    subnet = network.free_subnet()
    network.build(name, subnet, [("zhaohui", 11), ("client", 20)])
    group = cgroups.labs_group().child(name).child("zhaohui").create()
    process = subprocess.Popen(["sleep", "60"])
    group.add(process.pid)
    group.freeze()
    found = remains.find()[name]
    assert found.state is remains.State.STALE
    assert found.bridges == [subnet.bridge]
    remains.remove(found)
    assert process.wait(timeout=5) == -signal.SIGKILL
    assert marks_of(name) == []


def test_the_command_line_keeps_a_lab_and_takes_it_down_frozen_and_without_power():
    name = f"{NAME}-c"

    def chaos(*arguments):
        return subprocess.run(
            [sys.executable, "-m", "chaos", "lab", *arguments],
            cwd=CHECKOUT,
            capture_output=True,
            text=True,
            timeout=120,
            check=True,
        ).stdout

    try:
        assert "is up" in chaos("up", "--name", name, "--no-controllers")
        assert name in chaos("list")
        assert "seen to take effect" in chaos("fault", "--name", name, "power-off", "zhaohui")
        assert "seen to take effect" in chaos("fault", "--name", name, "freeze", "fuyang")
        assert "seen to take effect" in chaos("fault", "--name", name, "isolate", "yuecheng")
        shown = chaos("status", "--name", name)
        assert "off" in shown
        assert "frozen" in shown
        assert "isolate" in shown
        assert remains.find()[name].state is remains.State.KEPT
        assert chaos("down", "--stale") == "nothing to remove\n"
    finally:
        begin_s = time.monotonic()
        chaos("down", "--name", name)
        took_s = time.monotonic() - begin_s
    assert took_s < 15
    assert marks_of(name) == []


def test_a_lab_can_be_taken_down_from_a_shell_inside_it():
    name = f"{NAME}-s"
    chaos = [sys.executable, "-m", "chaos", "lab"]
    subprocess.run([*chaos, "up", "--name", name, "--no-controllers"], cwd=CHECKOUT, capture_output=True, check=True)
    try:
        down = f"cd {CHECKOUT}; {sys.executable} -m chaos lab down --name {name}\n"
        shell = subprocess.run(
            [*chaos, "shell", "--name", name, "yuecheng"],
            cwd=CHECKOUT,
            input=down,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )
        # The shell is a process of the lab, and ends with it; what removes the lab does not.
        assert shell.returncode == -signal.SIGKILL
        wait_until(lambda: marks_of(name) == [], deadline_s=10, what="the lab is gone")
    finally:
        subprocess.run([*chaos, "down", "--name", name], cwd=CHECKOUT, capture_output=True, check=False)


@pytest.mark.slow
def test_debians_postgresql_does_as_well():
    bindir = Path("/usr/lib/postgresql/15/bin")
    if not bindir.is_dir():
        pytest.skip("postgresql-15 is not installed")
    with Lab.up(f"{NAME}-d", controllers=False, pg_bindir=bindir) as lab:
        assert lab.member("lis-yuecheng").query("show server_version_num")[0][0].startswith("15")


def test_three_groups_have_their_primaries_in_three_centers():
    with Lab.up(f"{NAME}-g", controllers=False, groups=3) as lab:
        for group in lab.groups:
            members = lab.group_members(group.name)
            assert members[group.home].query("select pg_is_in_recovery()") == [(False,)]
            wait_streaming(members[group.home], 2, deadline_s=5)


def test_a_folder_that_user_postgres_cannot_reach_is_refused_and_nothing_is_left(tmp_path):
    tmp_path.chmod(0o700)
    with pytest.raises(LabError, match="user postgres cannot reach"):
        Lab.up(f"{NAME}-r", controllers=False, root=tmp_path)
    assert marks_of(f"{NAME}-r") == []
    assert f"{NAME}-r" not in registered_folders()


def test_a_fault_that_does_not_take_effect_is_an_error(healed, monkeypatch):
    monkeypatch.setattr("chaos.faults.fault.SEEN_DEADLINE_S", 0.2)
    monkeypatch.setattr("chaos.faults.link._set_table", lambda *_, **__: None)
    with pytest.raises(FaultNotSeen):
        healed.faults.isolate("fuyang")


@pytest.mark.slow
def test_a_lab_with_controllers_is_protected_when_it_is_up_and_again_after_a_power_loss():
    with Lab.up(f"{NAME}-p") as lab:
        assert lab.drctl("list").returncode == 0
        rows = lab.member("lis-zhaohui").query("select distinct sync_state from pg_stat_replication")
        assert rows == [("quorum",)]
        lab.faults.power_off("zhaohui")
        assert not lab.centers["zhaohui"].controller.running
        lab.power_on("zhaohui")
        assert lab.centers["zhaohui"].controller.running
        lab.centers["zhaohui"].controller.wait_serving()
        lab.wait_guaranteed("lis")


def test_logs_outlive_the_lab(lab, tmp_path):
    lab.collect_logs(tmp_path)
    assert "database system is ready" in (tmp_path / "zhaohui" / "lis-zhaohui" / "postgresql.log").read_text()
    assert (tmp_path / "fuyang" / "zookeeper" / "zookeeper.log").stat().st_size > 0
