"""What the lab computes before it touches the machine."""

from __future__ import annotations

import os
import signal
import subprocess
from pathlib import Path

import pytest
import yaml

from chaos.faults.process import is_client_backend, is_walsender_for
from chaos.lab import interrupts, network, zookeeper
from chaos.lab.binaries import Programs, find_programs
from chaos.lab.cgroups import Cgroup
from chaos.lab.controller import cluster_document
from chaos.lab.errors import DeadlineMissed, LabError
from chaos.lab.folder import NAME, LabRecord, Owner, private_folder
from chaos.lab.host import Host
from chaos.lab.postgres import Member, Process, group_dsn
from chaos.lab.topology import CENTERS, plan_groups
from chaos.lab.waiting import wait_until
from chaos.lab.zookeeper import with_changes
from drctl.config import load


def members_of(folder: Path, *, groups: int = 1) -> dict[str, Member]:
    """The members that a lab in `folder` would have, by name."""
    programs = Programs(bindir=Path("/usr/lib/postgresql/15/bin"), version="15.18")
    return {
        group.member(center.name): Member(
            name=group.member(center.name),
            group=group.name,
            host=Host(
                lab="unit",
                name=center.name,
                address=f"10.77.9.{center.host_number}",
                cgroup=Cgroup(folder / "no-cgroup"),
                lab_folder=folder,
            ),
            port=group.port,
            programs=programs,
        )
        for group in plan_groups(groups)
        for center in CENTERS
    }


def test_one_group_is_called_lis_and_is_at_home_in_zhaohui():
    (group,) = plan_groups(1)
    assert (group.name, group.home, group.port) == ("lis", "zhaohui", 5432)
    assert group.member("fuyang") == "lis-fuyang"


def test_three_groups_have_three_homes_and_three_ports():
    assert [(group.name, group.home, group.port) for group in plan_groups(3)] == [
        ("lis-zhaohui", "zhaohui", 5432),
        ("lis-yuecheng", "yuecheng", 5433),
        ("lis-fuyang", "fuyang", 5434),
    ]


def test_every_member_of_many_groups_has_a_name_of_its_own(tmp_path):
    assert len(members_of(tmp_path, groups=9)) == 27


@pytest.mark.parametrize("count", [0, 10, -1])
def test_a_number_of_groups_that_the_lab_cannot_carry_is_refused(count):
    with pytest.raises(LabError, match="1 to 9 groups"):
        plan_groups(count)


def test_the_lab_runs_on_the_configuration_that_users_are_told_to_copy():
    template = zookeeper.TEMPLATE.read_text()
    text = with_changes(template, {"dataDir": "/x/data", "server.1": "10.77.0.11:2888:3888"})
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line and not line.startswith("#"))
    assert values["dataDir"] == "/x/data"
    assert values["server.1"] == "10.77.0.11:2888:3888"
    assert values["server.2"] == "192.168.2.20:2888:3888"
    assert int(values["tickTime"]) * int(values["syncLimit"]) == 2000
    assert 2 * int(values["tickTime"]) <= int(values["minSessionTimeout"]) <= 1000
    assert text.count("dataDir=") == 1


def test_a_key_that_the_template_lacks_comes_at_the_end():
    assert with_changes("a=1\n", {"a": "2", "b": "3"}) == "a=2\nb=3\n"


def test_a_namespace_tells_its_lab_though_the_name_has_hyphens():
    namespace = network.namespace_name("my-own-lab", "yuecheng")
    assert namespace == "drlab-my-own-lab-yuecheng"
    assert network.lab_of_namespace(namespace) == "my-own-lab"


@pytest.mark.parametrize("number", range(0, 250, 83))
def test_device_names_fit_into_what_the_kernel_allows(number):
    subnet = network.Subnet(number=number)
    assert len(subnet.port_device(20)) <= 15
    assert str(subnet.network) == f"10.77.{number}.0/24"


@pytest.mark.parametrize("name", ["", "Lab", "1lab", "lab_1", "-lab", "x" * 32, "../lab", "lab/x"])
def test_a_name_that_could_not_be_a_mark_is_no_name(name):
    assert NAME.fullmatch(name) is None


def test_this_process_is_a_living_owner_and_an_ended_one_is_not():
    here = Owner.this_process()
    assert here.alive
    child = subprocess.Popen(["true"])
    child.wait()
    assert not Owner(pid=child.pid, start_ticks=here.start_ticks, boot_id=here.boot_id).alive
    assert not Owner(pid=os.getpid(), start_ticks=here.start_ticks + 1, boot_id=here.boot_id).alive
    assert not Owner(pid=os.getpid(), start_ticks=here.start_ticks, boot_id="before the reboot").alive


def a_record(folder: Path) -> LabRecord:
    return LabRecord(
        name="unit",
        folder=folder,
        subnet_number=7,
        owner=Owner.this_process(),
        kept=False,
        groups=3,
        bindir=Path("/usr/lib/postgresql/15/bin"),
        postgres_version="15.18",
        controllers=True,
        policy={"suspicion": "1s"},
    )


def test_a_record_is_read_back_as_it_was_written(tmp_path):
    record = a_record(tmp_path)
    record.save()
    assert LabRecord.load(tmp_path) == record
    record.as_kept().save()
    assert LabRecord.load(tmp_path) == record.as_kept()


def test_a_lab_of_another_version_is_still_somebodys(tmp_path):
    record = a_record(tmp_path)
    record.save()
    written = tmp_path / "lab.json"
    written.write_text(written.read_text().replace("{", '{"of_tomorrow": 1,', 1))
    assert LabRecord.load(tmp_path) == record


@pytest.mark.parametrize("text", [None, "", "{", "{}", '{"name": "x"}'])
def test_a_record_that_a_killed_run_did_not_finish_is_no_record(tmp_path, text):
    if text is not None:
        (tmp_path / "lab.json").write_text(text)
    assert LabRecord.load(tmp_path) is None


def test_a_folder_that_anyone_may_write_is_refused(tmp_path):
    folder = tmp_path / "drctl-labs"
    folder.mkdir()
    folder.chmod(0o777)
    with pytest.raises(LabError, match="only this user may write"):
        private_folder(folder)


def test_a_link_in_the_place_of_the_folder_is_refused(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "drctl-labs").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(LabError, match="only this user may write"):
        private_folder(tmp_path / "drctl-labs")


def test_the_members_of_the_configuration_are_those_of_the_groups(tmp_path):
    members = members_of(tmp_path, groups=3)
    text = cluster_document(
        plan_groups(3),
        members,
        {center.name: f"10.77.9.{center.host_number}" for center in CENTERS},
        keys=tmp_path / "keys",
        policy={},
    )
    document = yaml.safe_load(text)
    assert "朝晖" in text
    assert document["centers"]["fuyang"]["zookeeper"] == "10.77.9.13:2181"
    assert document["groups"]["lis-fuyang"]["home"] == "fuyang"
    assert document["groups"]["lis-yuecheng"]["members"]["lis-yuecheng-zhaohui"] == {
        "center": "zhaohui",
        "host": "10.77.9.11",
        "port": 5433,
    }


def test_a_group_is_reached_through_every_member_the_nearest_first(tmp_path):
    by_center = {member.center: member for member in members_of(tmp_path).values()}
    dsn = group_dsn(by_center, dbname="lis_db", user="postgres", first="fuyang", application_name="demo")
    assert "host=10.77.9.13,10.77.9.11,10.77.9.12" in dsn
    assert "port=5432,5432,5432" in dsn
    assert "target_session_attrs=read-write" in dsn
    assert "application_name=demo" in dsn


@pytest.mark.parametrize(
    ("title", "backend", "walsender"),
    [
        ("postgres: lis-zhaohui: postgres lis_db 10.77.0.20(51234) idle", True, False),
        ("postgres: postgres lis_db [local] INSERT waiting for 0/3000148", True, False),
        ("postgres: lis-zhaohui: walsender replicator 10.77.0.12(4711) streaming 0/3000148", False, True),
        ("postgres: lis-zhaohui: walwriter ", False, False),
        ("postgres: lis-zhaohui: logical replication launcher ", False, False),
        ("postgres: lis-yuecheng: walreceiver streaming 0/3000148", False, False),
        ("/usr/lib/postgresql/15/bin/postgres -D /x", False, False),
    ],
)
def test_a_process_is_known_by_its_title(title, backend, walsender):
    process = Process(pid=1, title=title)
    assert is_client_backend(process) is backend
    assert is_walsender_for(None)(process) is walsender
    assert is_walsender_for("10.77.0.12")(process) is walsender
    assert not is_walsender_for("10.77.0.13")(process)


def test_what_is_waited_for_too_long_is_named_with_the_end_of_its_log(tmp_path):
    log = tmp_path / "part.log"
    log.write_text("first\nlast words\n")
    with pytest.raises(DeadlineMissed, match=r"not within 0.05 s: the part serves\n  part.log: first\n.*last words"):
        wait_until(lambda: False, deadline_s=0.05, what="the part serves", log=log)


def test_nobody_waits_for_a_process_that_has_ended():
    with pytest.raises(LabError, match="waited in vain: the part serves"):
        wait_until(lambda: False, deadline_s=60, what="the part serves", hopeless=lambda: True)


@pytest.fixture
def interruptible():
    """SIGINT raises KeyboardInterrupt, also where the tests run in the background of a shell that ignores it."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def test_an_interrupt_waits_for_the_end_of_what_must_be_finished(interruptible):
    finished = []

    def finish_something():
        with interrupts.held_back():
            signal.raise_signal(signal.SIGINT)
            finished.append("the body")

    with pytest.raises(KeyboardInterrupt):
        finish_something()
    assert finished == ["the body"]


def test_postgresql_that_is_too_old_is_refused_with_what_would_do(tmp_path):
    for program in ("initdb", "pg_ctl", "pg_basebackup", "pg_rewind", "pg_controldata", "pg_waldump"):
        (tmp_path / program).touch()
    (tmp_path / "postgres").write_text("#!/bin/sh\necho 'postgres (PostgreSQL) 14.9'\n")
    (tmp_path / "postgres").chmod(0o755)
    with pytest.raises(LabError, match=r"is 14\.9; drctl needs 15 or later") as caught:
        find_programs(tmp_path)
    assert "--pg-bindir" in caught.value.remedy


def test_a_folder_without_server_programs_says_which_are_missing(tmp_path):
    (tmp_path / "postgres").touch()
    with pytest.raises(LabError, match="has no initdb, pg_ctl"):
        find_programs(tmp_path)


@pytest.mark.parametrize("groups", [1, 3, 9])
def test_the_configuration_is_one_that_drctl_accepts(tmp_path, groups):
    (tmp_path / "cluster.yaml").write_text(
        cluster_document(
            plan_groups(groups),
            members_of(tmp_path, groups=groups),
            {center.name: f"10.77.9.{center.host_number}" for center in CENTERS},
            keys=tmp_path / "keys",
            policy={},
        ),
        encoding="utf-8",
    )
    configuration = load(tmp_path / "cluster.yaml")
    assert len(configuration.topology.groups) == groups
