"""One PostgreSQL member of the lab: its files, its processes, how to reach it."""

from __future__ import annotations

import contextlib
import os
import signal
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import psycopg

from chaos.lab.errors import LabError
from chaos.lab.host import DATABASE_USER
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chaos.lab.binaries import Programs
    from chaos.lab.host import Host

SUPERUSER = "postgres"
REPLICATOR = "replicator"
START_DEADLINE_S = 30.0
STOP_DEADLINE_S = 20.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """One process of a member. The title is what `ps` shows, such as `postgres: lis-fuyang: walsender ...`."""

    pid: int
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A PostgreSQL instance of a group in a center."""

    name: str
    group: str
    host: Host
    port: int
    programs: Programs

    @property
    def center(self) -> str:
        """The center that it lives in."""
        return self.host.name

    @property
    def folder(self) -> Path:
        """Everything that belongs to it."""
        return self.host.folder / self.name

    @property
    def pgdata(self) -> Path:
        """Its data folder."""
        return self.folder / "pgdata"

    @property
    def socket_dir(self) -> Path:
        """Where its unix socket is: it reaches the member whatever happens to the network."""
        return self.folder / "run"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "postgresql.log"

    @property
    def kind(self) -> str:
        """The part of the center's control group that the lab starts it in."""
        return f"pg-{self.name}"

    def dsn(self, *, dbname: str = "postgres", user: str = SUPERUSER, **options: str | int) -> str:
        """A connection string over the lab's network."""
        return conninfo(host=self.host.address, port=self.port, dbname=dbname, user=user, **options)

    def local_dsn(self, *, dbname: str = "postgres", user: str = SUPERUSER, **options: str | int) -> str:
        """A connection string over the unix socket."""
        return conninfo(host=str(self.socket_dir), port=self.port, dbname=dbname, user=user, **options)

    @contextlib.contextmanager
    def connect_local(self, *, dbname: str = "postgres") -> Iterator[psycopg.Connection[tuple[Any, ...]]]:
        """A superuser's connection over the unix socket, every statement committed by itself."""
        dsn = self.local_dsn(
            dbname=dbname, connect_timeout=2, options="-c statement_timeout=5s", application_name="lab"
        )
        with psycopg.connect(dsn, autocommit=True) as connection:
            yield connection

    def query(self, sql: str, *, dbname: str = "postgres") -> list[tuple[Any, ...]]:
        """The rows of one statement, asked over the unix socket. Raises psycopg.Error."""
        with self.connect_local(dbname=dbname) as connection:
            cursor = connection.execute(sql.encode())
            return cursor.fetchall() if cursor.description else []

    @property
    def postmaster_pid(self) -> int | None:
        """The living postmaster; None when there is none."""
        lines = self._pid_file()
        if not lines:
            return None
        pid = int(lines[0])
        return pid if _works_in(pid, self.pgdata) else None

    @property
    def ready(self) -> bool:
        """Whether it accepts connections, by its own word."""
        lines = self._pid_file()
        return len(lines) > 7 and lines[7].strip() == "ready" and self.postmaster_pid is not None

    @property
    def running(self) -> bool:
        """Whether its postmaster lives, frozen or not."""
        return self.postmaster_pid is not None

    def processes(self) -> list[Process]:
        """Every process of it, orphans of a dead postmaster too, wherever in the center it was started."""
        found = []
        for pid in self.host.cgroup.pids():
            if _works_in(pid, self.pgdata):
                with contextlib.suppress(OSError):
                    text = Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
                    found.append(Process(pid=pid, title=text.strip()))
        return found

    def start(self) -> None:
        """Start it without waiting; nothing happens when it runs."""
        if not self.running:
            self.host.daemon(
                [self.programs.path("postgres"), "-D", self.pgdata], kind=self.kind, log=self.log, as_user=DATABASE_USER
            )

    def wait_ready(self, *, deadline_s: float = START_DEADLINE_S) -> None:
        """Return when it accepts connections. Raises LabError when it ends instead, or too late."""
        wait_until(
            lambda: self.ready,
            deadline_s=deadline_s,
            what=f"{self.name} accepts connections",
            hopeless=lambda: not self.host.runs(self.kind) and not self.running,
            log=self.log,
        )

    def stop(self, *, deadline_s: float = STOP_DEADLINE_S) -> None:
        """Stop it as `pg_ctl stop -m fast` does; return when every process is gone."""
        pid = self.postmaster_pid
        if pid is not None:
            os.kill(pid, signal.SIGINT)
            wait_until(lambda: not self.processes(), deadline_s=deadline_s, what=f"{self.name} stops", log=self.log)

    def _pid_file(self) -> list[str]:
        try:
            return (self.pgdata / "postmaster.pid").read_text().splitlines()
        except OSError:
            return []


def conninfo(**options: str | int) -> str:
    """A libpq connection string."""
    return psycopg.conninfo.make_conninfo("", **options)


def group_dsn(members: Mapping[str, Member], *, dbname: str, user: str, first: str | None, **options: str | int) -> str:
    """A connection string that finds the primary among all members of a group; `first` is the center to try first."""
    ordered = sorted(members.values(), key=lambda member: member.center != first)
    return conninfo(
        host=",".join(member.host.address for member in ordered),
        port=",".join(str(member.port) for member in ordered),
        dbname=dbname,
        user=user,
        target_session_attrs="read-write",
        **{"connect_timeout": 2, "tcp_user_timeout": 1000} | options,
    )


def wait_streaming(primary: Member, standbys: int, *, deadline_s: float = START_DEADLINE_S) -> None:
    """Return when that many standbys stream from `primary`. Raises DeadlineMissed, LabError when the primary ends."""

    def streaming() -> bool:
        try:
            rows = primary.query("select count(*) from pg_stat_replication where state = 'streaming'")
        except psycopg.Error:
            return False
        return bool(rows[0][0] >= standbys)

    wait_until(
        streaming,
        deadline_s=deadline_s,
        what=f"{standbys} standbys stream from {primary.name}",
        hopeless=lambda: not primary.running,
        log=primary.log,
        poll_s=0.05,
    )


def signal_process(process: Process, number: signal.Signals) -> None:
    """Send a signal to one process of a member. Raises LabError when it has ended."""
    try:
        os.kill(process.pid, number)
    except ProcessLookupError as error:
        raise LabError(f"process {process.pid} ({process.title}) has ended by itself") from error


def _works_in(pid: int, folder: Path) -> bool:
    # Every process of PostgreSQL stays in its data folder. Titles and numbers may be reused; this is not.
    try:
        return Path(f"/proc/{pid}/cwd").readlink() == folder
    except OSError:
        return False
