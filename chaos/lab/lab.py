"""The lab as a whole: brought up, used, attached to from another process, taken down."""

from __future__ import annotations

import atexit
import functools
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Self

from chaos.faults.catalogue import Faults
from chaos.lab import (
    cgroups,
    construction,
    interrupts,
    network,
    postgres,
    remains,
    requirements,
    zookeeper,
)
from chaos.lab.binaries import Programs, find_programs
from chaos.lab.center import Center
from chaos.lab.controller import Controller
from chaos.lab.drctl_host import CHECKOUT, DrctlHost
from chaos.lab.errors import LabError
from chaos.lab.folder import LabRecord, Owner, new_folder, registered_folders, registry_lock
from chaos.lab.haproxy import HAProxy
from chaos.lab.host import Host
from chaos.lab.network import Subnet
from chaos.lab.pgbouncer import PgBouncer
from chaos.lab.postgres import SUPERUSER, Member
from chaos.lab.sshd import Sshd
from chaos.lab.topology import CENTERS, CLIENT, CLIENT_NUMBER, GroupPlan, plan_groups
from chaos.lab.waiting import wait_until
from chaos.lab.zookeeper import ZooKeeper

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from types import TracebackType

DATABASE = "lis_db"
CONTROLLERS = {"drctl": ("drctl", "controller"), "chaos": ("chaos.controller",)}
"""The product's controller, and the same one with crash points."""
DRCTL_DEADLINE_S = 60.0
GUARANTEE_DEADLINE_S = 30.0


class Routing(StrEnum):
    """What stands between clients and databases in each center."""

    NONE = "none"
    HAPROXY = "haproxy"
    PGBOUNCER = "pgbouncer"
    """PgBouncer, and HAProxy behind it."""


def quiet(_message: str) -> None:
    """Tell nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What lets controllers in on the hosts, and lets them know the hosts."""

    folder: Path

    @property
    def identity(self) -> Path:
        """drctl's private key."""
        return self.folder / "id_ed25519"

    @property
    def known_hosts(self) -> Path:
        """The public keys of the centers' sshd."""
        return self.folder / "known_hosts"


class Lab:
    """Three centers and a client on one machine. Made by `up` or `attach`; a context manager that takes it down."""

    def __init__(self, record: LabRecord) -> None:
        self.record = record
        self.cgroup = cgroups.labs_group().child(record.name)
        self.subnet = Subnet(number=record.subnet_number)
        self.groups: list[GroupPlan] = plan_groups(record.groups)
        programs = Programs(bindir=record.bindir, version=record.postgres_version)
        self.client = self._host(CLIENT, CLIENT_NUMBER)
        hosts = {center.name: self._host(center.name, center.host_number) for center in CENTERS}
        self.members: dict[str, Member] = {
            group.member(center): Member(
                name=group.member(center), group=group.name, host=host, port=group.port, programs=programs
            )
            for group in self.groups
            for center, host in hosts.items()
        }
        servers = {center.number: hosts[center.name].address for center in CENTERS}
        self.centers: dict[str, Center] = {
            center.name: Center(
                host=hosts[center.name],
                label=center.label,
                zookeeper=ZooKeeper(host=hosts[center.name], number=center.number, servers=servers),
                sshd=Sshd(host=hosts[center.name]),
                drctl_host=DrctlHost(host=hosts[center.name], program=record.folder / "drctl-host"),
                controller=Controller(
                    host=hosts[center.name],
                    cluster_yaml=record.folder / "cluster.yaml",
                    argv=CONTROLLERS[record.controller_program],
                ),
                haproxy=HAProxy(host=hosts[center.name]),
                pgbouncer=PgBouncer(host=hosts[center.name]),
                members={name: member for name, member in self.members.items() if member.center == center.name},
            )
            for center in CENTERS
        }
        self.faults = Faults(centers=self.centers, members=self.members, client=self.client, subnet=self.subnet)

    @classmethod
    def up(
        cls,
        name: str = "lab",
        *,
        groups: int = 1,
        pg_bindir: Path | str | None = None,
        controllers: bool = True,
        initialise: bool | None = None,
        root: Path | str | None = None,
        database: str | None = DATABASE,
        policy: Mapping[str, str | int] | None = None,
        controller_program: str = "drctl",
        routing: Routing = Routing.NONE,
        progress: Callable[[str], None] = quiet,
    ) -> Self:
        """Bring a lab up; it belongs to this process until it is kept, and is removed with it.

        `initialise` runs `drctl init` on every group; None means: when there are controllers. `root` is the folder for
        the lab's files. Removes what killed runs left. Raises LabError; whatever is raised, nothing is left behind.
        """
        bindir = None if pg_bindir is None else Path(pg_bindir)
        requirements.require(bindir)
        requirements.ensure_database_user()
        programs = find_programs(bindir)
        requirements.require_reachable(programs.path("postgres"))
        requirements.require_reachable(Path(tempfile.gettempdir() if root is None else root).absolute())
        plan_groups(groups)
        interrupts.unwind_on_termination()
        lab = cls._claim(
            name,
            root=None if root is None else Path(root),
            progress=progress,
            record_of=lambda folder, subnet: LabRecord(
                name=name,
                folder=folder,
                subnet_number=subnet.number,
                owner=Owner.this_process(),
                kept=False,
                groups=groups,
                bindir=programs.bindir,
                postgres_version=programs.version,
                controllers=controllers,
                policy=dict(policy or {}),
                controller_program=controller_program,
                routing=routing.value,
            ),
        )
        try:
            construction.build(lab, database=database, progress=progress)
            if controllers if initialise is None else initialise:
                lab.initialise(progress=progress)
        except BaseException:
            lab.down()
            raise
        return lab

    @classmethod
    def attach(cls, name: str) -> Self:
        """A lab that another process brought up. Raises LabError when there is none of that name."""
        folder = registered_folders().get(name)
        record = None if folder is None else LabRecord.load(folder)
        if record is None:
            raise LabError(f"there is no lab {name} here", remedy="python -m chaos lab list")
        return cls(record)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.down()

    def down(self) -> None:
        """Take it down, whatever state it is in; it takes under five seconds, and an interrupt waits for its end."""
        with interrupts.held_back(), registry_lock():
            remains.remove(
                remains.Remains(
                    name=self.name,
                    record=self.record,
                    folder=self.folder,
                    namespaces=[host.netns for host in self.hosts()],
                    bridges=[self.subnet.bridge],
                )
            )
        atexit.unregister(self.down_with_its_owner)

    def down_with_its_owner(self) -> None:
        """Take it down at the end of the process that brought it up; a fork of that process ends without effect."""
        if self.record.owner.pid == os.getpid():
            self.down()

    def keep(self) -> None:
        """Let it outlive this process; `python -m chaos lab down` ends it."""
        self.record = self.record.as_kept()
        self.record.save()
        atexit.unregister(self.down_with_its_owner)

    @property
    def name(self) -> str:
        """Its name."""
        return self.record.name

    @property
    def folder(self) -> Path:
        """All its files."""
        return self.record.folder

    @property
    def cluster_yaml(self) -> Path:
        """The configuration that controllers and the command line use."""
        return self.folder / "cluster.yaml"

    @property
    def keys(self) -> Keys:
        """The SSH keys."""
        return Keys(folder=self.folder / "keys")

    def member(self, name: str) -> Member:
        """One member. Raises LabError when there is none of that name."""
        try:
            return self.members[name]
        except KeyError as error:
            raise LabError(f"{self.name} has no member {name}; it has {', '.join(self.members)}") from error

    def group_members(self, group: str | None = None) -> dict[str, Member]:
        """The members of a group, the first one by default, by center."""
        wanted = group or self.groups[0].name
        return {member.center: member for member in self.members.values() if member.group == wanted}

    def group_dsn(
        self,
        group: str | None = None,
        *,
        dbname: str = DATABASE,
        user: str = SUPERUSER,
        first: str | None = None,
        **options: str | int,
    ) -> str:
        """A connection string that finds the primary among a group's members; `first` is the center tried first."""
        return postgres.group_dsn(self.group_members(group), dbname=dbname, user=user, first=first, **options)

    def drctl(
        self,
        *arguments: str,
        center: str | None = None,
        timeout_s: float = DRCTL_DEADLINE_S,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run the drctl command line on the client's host, or in a center; its exit code is the caller's to judge."""
        host = self.client if center is None else self.centers[center].host
        return host.run(
            [sys.executable, "-m", "drctl", "--config", self.cluster_yaml, *arguments],
            env={"PYTHONPATH": str(CHECKOUT)} | dict(env or {}),
            check=False,
            timeout_s=timeout_s,
        )

    def zookeeper_leader(self) -> str | None:
        """The center whose ZooKeeper leads; None while there is none."""
        return zookeeper.leader({name: center.zookeeper for name, center in self.centers.items()})

    def power_off(self, center: str) -> None:
        """Take a center's power away; see Center.power_off."""
        self.centers[center].power_off()

    def power_on(self, center: str) -> list[str]:
        """Give a center its power back; the members that drctl-host kept down."""
        return self.centers[center].power_on()

    def initialise(self, *, progress: Callable[[str], None] = quiet) -> None:
        """Let drctl take over every group; return when its controllers guarantee them. Raises LabError with what it said."""
        for group in self.groups:
            progress(f"drctl init {group.name}")
            done = self.drctl("init", group.name, "--yes")
            if done.returncode != 0:
                said = (done.stderr or done.stdout).strip()
                raise LabError(f"drctl init {group.name} ended with {done.returncode} and said:\n{said}")
        for group in self.groups:
            self.wait_guaranteed(group.name)

    def wait_guaranteed(self, group: str, *, deadline_s: float = GUARANTEE_DEADLINE_S) -> None:
        """Return when every running controller knows that no acknowledged commit of the group can be lost now."""
        for center in self.centers.values():
            if center.controller.running:
                wait_until(
                    functools.partial(center.controller.guarantees, group),
                    deadline_s=deadline_s,
                    what=f"the controller of {center.name} guarantees {group}",
                    log=center.controller.log,
                    poll_s=0.1,
                )

    def collect_logs(self, target: Path) -> None:
        """Copy what every part has said to `target`, one folder a center: it outlives the lab."""
        for log in self.folder.glob("**/*.log"):
            copy = target / log.relative_to(self.folder)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(log, copy)

    def start_controllers(self) -> None:
        """Start the controller of every center; return when they serve."""
        for center in self.centers.values():
            center.controller.start()
        for center in self.centers.values():
            center.controller.wait_serving()

    def start_routing(self) -> None:
        """Start HAProxy, and PgBouncer, where this lab has them; return when they accept."""
        for center in self.centers.values():
            center.haproxy.start()
            center.pgbouncer.start()
        for center in self.centers.values():
            if self.record.routing != Routing.NONE:
                center.haproxy.wait_serving()
            if self.record.routing == Routing.PGBOUNCER:
                center.pgbouncer.wait_serving()

    @classmethod
    def _claim(
        cls,
        name: str,
        *,
        root: Path | None,
        progress: Callable[[str], None],
        record_of: Callable[[Path, Subnet], LabRecord],
    ) -> Self:
        """Take the name and a subnet, and write the record before anything else exists: it tells whose the rest is."""
        with registry_lock():
            remains.remove_stale(progress)
            known = remains.find()
            if name in known:
                raise LabError(f"a lab {name} is up already", remedy=f"python -m chaos lab down --name {name}")
            subnet = network.free_subnet({one.record.subnet_number for one in known.values() if one.record is not None})
            # From here on every step is undone by `down`, an interrupt between two lines included.
            with interrupts.held_back():
                folder = new_folder(name, root)
                record = record_of(folder, subnet)
                record.save()
                lab = cls(record)
                atexit.register(lab.down_with_its_owner)
            try:
                network.build(
                    name, subnet, [(CLIENT, CLIENT_NUMBER), *((one.name, one.host_number) for one in CENTERS)]
                )
            except BaseException:
                with interrupts.held_back():
                    remains.remove(remains.find()[name])
                    atexit.unregister(lab.down_with_its_owner)
                raise
        return lab

    def _host(self, name: str, number: int) -> Host:
        return Host(
            lab=self.record.name,
            name=name,
            address=self.subnet.address(number),
            cgroup=self.cgroup.child(name),
            lab_folder=self.record.folder,
        )

    def hosts(self) -> list[Host]:
        """Every host, the client first."""
        return [self.client, *(center.host for center in self.centers.values())]
