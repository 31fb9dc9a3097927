"""A real group under drctl's role, and what can be done to it: freeze, kill, stop, heal."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from chaos.lab.binaries import find_programs
from drctl.host import processes
from drctl.host.deadline import Deadline
from drctl.model.identity import CenterName, GroupName, MemberName
from drctl.model.policy import Policy
from drctl.model.takeover import AdminAccess
from drctl.model.topology import Group as TopologyGroup
from drctl.model.topology import Member
from drctl.postgres import PostgresDatabase
from drctl.postgres.prepare import prepare
from tests.integration.host_fixture import USER, Group, Instance, wait_for

DEBIAN_15 = Path("/usr/lib/postgresql/15/bin")
ROLE = "drctl"
MARKERS_SQL = "SELECT count(*) FROM pg_stat_activity WHERE application_name LIKE 'drctl-marker%' AND state <> 'idle'"


def bindir_of(major: int) -> Path:
    """PostgreSQL's programs, or the test is skipped."""
    if major == 15:
        if not DEBIAN_15.is_dir():
            pytest.skip("Debian's PostgreSQL 15 is not installed")
        return DEBIAN_15
    return find_programs(None).bindir


class Servers:
    """Three members of one group: zhaohui is the primary, `ANY 1` of the others acknowledges."""

    def __init__(self, bindir: Path) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="drctl-postgres-test-"))
        self.folder.chmod(0o755)
        self.real = Group(self.folder, bindir)
        self.group = TopologyGroup(
            name=GroupName("lis"),
            home=CenterName("zhaohui"),
            members=tuple(
                Member(
                    name=MemberName(name),
                    group=GroupName("lis"),
                    center=CenterName(name.removeprefix("lis-")),
                    host="127.0.0.1",
                    port=instance.port,
                )
                for name, instance in self.real.members.items()
            ),
            policy=Policy(),
        )
        self._databases: list[PostgresDatabase] = []

    @property
    def primary(self) -> Member:
        return self.group.members[0]

    @property
    def standby(self) -> Member:
        return self.group.members[1]

    def create(self) -> None:
        self.real.create()
        prepare(self.primary, AdminAccess(), role=ROLE, password=None, dbname="postgres")

    def instance(self, member: Member) -> Instance:
        return self.real.members[member.name]

    def database(self, *, writer: str = "zhaohui", dbname: str = "postgres", user: str = ROLE) -> PostgresDatabase:
        """A new adapter; closed when the test is healed."""
        made = PostgresDatabase(user=user, password=None, dbname=dbname, sslmode="prefer", writer=writer)
        self._databases.append(made)
        return made

    def until(self, condition: Callable[[], bool], what: str) -> None:
        wait_for(condition, what, 10.0)

    # What is done to them

    def freeze(self, member: Member) -> None:
        for process in processes.members_of(self.instance(member).pgdata):
            processes.send(process, signal.SIGSTOP)

    def thaw(self, member: Member) -> None:
        for process in processes.members_of(self.instance(member).pgdata):
            processes.send(process, signal.SIGCONT)

    def kill(self, member: Member) -> None:
        """The postmaster alone, as the kernel does when memory is short."""
        os.kill(self.instance(member).pid, signal.SIGKILL)

    def kill_backend(self, member: Member) -> None:
        """One process of the server: all sessions break, and it recovers from the crash."""
        instance = self.instance(member)
        with instance.connect() as connection:
            os.kill(connection.info.backend_pid, signal.SIGKILL)

    def stop(self, member: Member) -> None:
        self.instance(member).stop("immediate")

    def start(self, member: Member) -> None:
        instance = self.instance(member)
        self.bury(member)
        if not processes.members_of(instance.pgdata):
            instance.start()

    def bury(self, member: Member) -> None:
        """End what a killed postmaster left, and its lock."""
        instance = self.instance(member)
        if processes.postmaster_of(instance.pgdata) is None:
            assert processes.kill_all(instance.pgdata, Deadline(10.0))
            (instance.pgdata / "postmaster.pid").unlink(missing_ok=True)
            for lock in instance.pgdata.parent.glob(".s.PGSQL.*"):
                lock.unlink()

    def nobody_acknowledges(self) -> None:
        """Commits wait: the standbys' receivers are frozen, connected and silent."""
        for member in self.group.members[1:]:
            self.freeze(member)

    def everybody_acknowledges(self) -> None:
        for member in self.group.members:
            self.thaw(member)

    def waiting_markers(self) -> int:
        return int(str(self.instance(self.primary).value(MARKERS_SQL)))

    def cancel_waiting_markers(self) -> None:
        self.instance(self.primary).run(
            "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        )

    def heal(self) -> None:
        """As after `create`, with nobody connected of ours."""
        for database in self._databases:
            database.close()
        self._databases.clear()
        for member in self.group.members:
            self.thaw(member)
            self.start(member)
        self.real.wait_in_sync()

    def end(self) -> None:
        for database in self._databases:
            database.close()
        self.real.kill()
        shutil.rmtree(self.folder)


@contextlib.contextmanager
def running(bindir: Path) -> Iterator[Servers]:
    servers = Servers(bindir)
    try:
        servers.create()
        yield servers
    finally:
        servers.end()


def psql(instance: Instance, sql: str) -> subprocess.Popen[bytes]:
    """A session of its own, in a process of its own."""
    return subprocess.Popen(
        [
            instance.bindir / "psql",
            "-h",
            "127.0.0.1",
            "-p",
            str(instance.port),
            "-U",
            USER,
            "-d",
            "postgres",
            "-c",
            sql,
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
    )
