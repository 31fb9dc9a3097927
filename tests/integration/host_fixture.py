"""A small group of real PostgreSQL members on loopback ports, and a channel to the real drctl-host beside them."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue
from typing import Self

import psycopg

from drctl.host import bundle, processes
from drctl.host.deadline import Deadline
from drctl.host.wire import Answer, Request, decode_answer, encode_request

USER = "postgres"
NAMES = ("lis-zhaohui", "lis-yuecheng", "lis-fuyang")


class NotInTime(AssertionError):
    """What a test waited for did not happen."""


def wait_for(condition: Callable[[], bool], what: str, deadline_s: float = 20.0) -> None:
    """Poll until the condition holds."""
    end_s = time.monotonic() + deadline_s
    while not condition():
        if time.monotonic() > end_s:
            raise NotInTime(what)
        time.sleep(0.01)


def as_user(argv: Sequence[str | os.PathLike[str]]) -> list[str]:
    """A command as the database's user: PostgreSQL refuses to run as root."""
    words = [os.fspath(word) for word in argv]
    if os.geteuid() != 0:
        return words
    return ["setpriv", f"--reuid={USER}", f"--regid={USER}", "--clear-groups", *words]


def _run(argv: Sequence[str | os.PathLike[str]]) -> str:
    done = subprocess.run(as_user(argv), capture_output=True, text=True, timeout=120, check=False, cwd="/")
    assert done.returncode == 0, f"{argv[0]}: {done.stdout} {done.stderr}"
    return done.stdout


def _free_ports(count: int) -> list[int]:
    with contextlib.ExitStack() as stack:
        found = [stack.enter_context(socket.socket()) for _ in range(count)]
        for one in found:
            one.bind(("127.0.0.1", 0))
        return [int(one.getsockname()[1]) for one in found]


class Channel:
    """A `drctl-host serve`, spoken to as the controller does."""

    def __init__(self, argv: Sequence[str | os.PathLike[str]], env: Mapping[str, str] | None = None) -> None:
        self._child = subprocess.Popen(
            as_user(argv), stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd="/", env={**os.environ, **(env or {})}
        )
        self._answers: Queue[Answer] = Queue()
        self._kept: dict[int, Answer] = {}
        self._last = 0
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._child.stdout is not None
        for line in self._child.stdout:
            self._answers.put(decode_answer(line))

    def send(
        self, command: str, member: str | None, epoch: int | None, deadline_s: float = 10.0, **args: object
    ) -> int:
        """Ask, without waiting. Returns the id."""
        self._last += 1
        assert self._child.stdin is not None
        self._child.stdin.write(encode_request(Request(self._last, command, member, epoch, args, deadline_s)))
        self._child.stdin.flush()
        return self._last

    def wait(self, identity: int, deadline_s: float = 30.0) -> Answer:
        """The answer to a request."""
        end_s = time.monotonic() + deadline_s
        while identity not in self._kept:
            try:
                answer = self._answers.get(timeout=max(0.001, end_s - time.monotonic()))
            except Empty:
                raise NotInTime(f"answer to request {identity}") from None
            self._kept[answer.id] = answer
        return self._kept.pop(identity)

    def ask(
        self, command: str, member: str | None, epoch: int | None = None, deadline_s: float = 10.0, **args: object
    ) -> Answer:
        """Ask and wait."""
        return self.wait(self.send(command, member, epoch, deadline_s, **args), deadline_s + 5.0)

    def do(
        self, command: str, member: str, epoch: int, deadline_s: float = 10.0, **args: object
    ) -> Mapping[str, object]:
        """Ask, and expect evidence."""
        answer = self.ask(command, member, epoch, deadline_s, **args)
        assert answer.failure is None, answer.failure
        assert answer.evidence is not None
        return {**answer.evidence, "elapsed_s": answer.elapsed_s}

    def kill(self) -> None:
        """As if the host lost this process."""
        self._child.send_signal(signal.SIGKILL)
        self._child.wait()

        self._close_pipes()

    def close(self) -> None:
        """Hang up."""
        assert self._child.stdin is not None
        self._child.stdin.close()
        try:
            self._child.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._child.kill()
            self._child.wait()
        self._close_pipes()

    def _close_pipes(self) -> None:
        assert self._child.stdin is not None
        self._child.stdin.close()
        self._reader.join(timeout=5)
        assert self._child.stdout is not None
        self._child.stdout.close()


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """One PostgreSQL of the group."""

    name: str
    port: int
    pgdata: Path
    bindir: Path
    log: Path

    def connect(self) -> psycopg.Connection[tuple[object, ...]]:
        """A session over TCP, as a client has it."""
        return psycopg.connect(
            host="127.0.0.1", port=self.port, user=USER, dbname="postgres", connect_timeout=3, autocommit=True
        )

    def value(self, sql: str) -> object:
        """One value."""
        with self.connect() as connection:
            row = connection.execute(sql.encode()).fetchone()
        assert row is not None
        return row[0]

    def run(self, sql: str) -> None:
        """One statement."""
        with self.connect() as connection:
            connection.execute(sql.encode())

    def write_alone(self, note: str) -> None:
        """One row that waits for no standby."""
        with self.connect() as connection:
            connection.execute("SET synchronous_commit = local")
            connection.execute("INSERT INTO work (note) VALUES (%s)", [note])

    def start(self) -> None:
        """By hand, as an init system would."""
        _run([self.bindir / "pg_ctl", "-D", self.pgdata, "-l", self.log, "-w", "-s", "start"])

    def stop(self, mode: str = "fast") -> None:
        """By hand."""
        _run([self.bindir / "pg_ctl", "-D", self.pgdata, "-m", mode, "-w", "-s", "stop"])

    @property
    def pid(self) -> int:
        """The postmaster's."""
        return int((self.pgdata / "postmaster.pid").read_text().split()[0])

    def answers(self) -> bool:
        """Whether it takes sessions."""
        try:
            return self.value("SELECT 1") == 1
        except psycopg.OperationalError:
            return False


class Group:
    """A primary with its standbys, as `drctl init` would find them, and drctl-host's configuration for them."""

    def __init__(self, folder: Path, bindir: Path, names: Sequence[str] = NAMES) -> None:
        self.folder = folder
        self.bindir = bindir
        self.program = folder / "drctl-host"
        self.config = folder / "host.json"
        ports = _free_ports(len(names))
        self.members = {
            name: Instance(
                name=name, port=port, pgdata=folder / name / "pgdata", bindir=bindir, log=folder / name / "log"
            )
            for name, port in zip(names, ports, strict=True)
        }
        bundle.build(self.program)
        self._write_config()

    def __getitem__(self, name: str) -> Instance:
        """A member by its full name, or by its center's."""
        return self.members.get(name) or self.members[f"lis-{name}"]

    def create(self) -> None:
        """One primary, two standbys that stream, `ANY 1` of them in sync."""
        primary, *standbys = self.members.values()
        for member in self.members.values():
            member.pgdata.parent.mkdir(mode=0o700)
            _own(member.pgdata.parent)
        _run([self.bindir / "initdb", "-D", primary.pgdata, "-A", "trust", "-U", USER, "-N", "-k", "--wal-segsize=4"])
        _append(
            primary.pgdata / "pg_hba.conf", "host all all 127.0.0.1/32 trust\nhost replication all 127.0.0.1/32 trust\n"
        )
        _append(
            primary.pgdata / "postgresql.conf",
            "listen_addresses = '127.0.0.1'\nshared_buffers = 16MB\nmax_wal_size = 128MB\nwal_keep_size = 64MB\n"
            "include_if_exists = '../own.conf'\nhot_standby_feedback = off\nwal_retrieve_retry_interval = 5s\n",
        )
        self._own_conf(primary)
        primary.start()
        primary.run("CREATE ROLE replicator LOGIN REPLICATION")
        primary.run("CREATE TABLE work (id bigserial PRIMARY KEY, at timestamptz DEFAULT clock_timestamp(), note text)")
        for standby in standbys:
            self.copy(primary, standby)
        names = ", ".join(f'"{standby.name}"' for standby in standbys)
        primary.run(f"ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 ({names})'")
        primary.run("SELECT pg_reload_conf()")
        self.wait_in_sync()

    def copy(self, primary: Instance, standby: Instance) -> None:
        """Make a standby out of a base backup, and start it."""
        _run(
            [
                self.bindir / "pg_basebackup",
                "-D",
                standby.pgdata,
                "-h",
                "127.0.0.1",
                "-p",
                str(primary.port),
                "-U",
                USER,
                "-c",
                "fast",
            ]
        )
        self._own_conf(standby)
        conninfo = self.conninfo(primary.name, standby.name)
        _append(standby.pgdata / "postgresql.auto.conf", f"primary_conninfo = '{conninfo}'\n")
        (standby.pgdata / "standby.signal").touch()
        _own(standby.pgdata / "standby.signal")
        standby.start()

    def conninfo(self, upstream: str, member: str) -> str:
        """How an administrator would point a member at another."""
        return f"host=127.0.0.1 port={self[upstream].port} user=replicator application_name={member}"

    def channel(self) -> Channel:
        """A new `drctl-host serve`."""
        return Channel(["/usr/bin/python3", "-I", "-S", self.program, "serve", "--config", self.config])

    def may_start(self, name: str) -> bool:
        """What drctl-host tells the init system."""
        argv = as_user(["/usr/bin/python3", "-I", "-S", self.program, "may-start", name, "--config", self.config])
        code = subprocess.run(argv, check=False, timeout=10, cwd="/").returncode
        assert code in {0, 1}
        return code == 0

    def snapshot(self) -> None:
        """Stop everything, and keep the files, so that every test begins with the same group."""
        for member in reversed(self.members.values()):
            member.stop()
            _run(["cp", "-a", member.pgdata, member.pgdata.with_name("template")])

    def reset(self) -> None:
        """Begin anew from the snapshot."""
        self.kill()
        shutil.rmtree(self.folder / "state")
        self._make_state()
        for member in self.members.values():
            for leftover in member.pgdata.parent.glob("pgdata*"):
                shutil.rmtree(leftover)
            member.log.unlink(missing_ok=True)
            _run(["cp", "-a", "--reflink=auto", member.pgdata.with_name("template"), member.pgdata])
        for member in self.members.values():
            member.start()
        self.wait_in_sync()

    def wait_in_sync(self) -> None:
        """Until both standbys stream from the first primary."""
        primary, *standbys = self.members.values()
        sql = "SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming' AND sync_state = 'quorum'"
        wait_for(lambda: primary.value(sql) == len(standbys), "standbys in sync")

    def kill(self) -> None:
        """Kill every process that works in one of the data folders."""
        for member in self.members.values():
            for process in processes.members_of(member.pgdata):
                processes.send(process, signal.SIGCONT)
            assert processes.kill_all(member.pgdata, Deadline(10.0)), f"{member.name} does not die"
            # The dead may not have been collected yet, and their socket's lock would stand in the way.
            for lock in member.pgdata.parent.glob(".s.PGSQL.*"):
                lock.unlink()

    def end(self) -> None:
        """Kill everything and remove the files."""
        self.kill()
        shutil.rmtree(self.folder)

    def _make_state(self) -> None:
        state = self.folder / "state"
        state.mkdir(mode=0o700)
        _own(state)

    def _own_conf(self, member: Instance) -> None:
        own = member.pgdata.parent / "own.conf"
        own.write_text(
            f"port = {member.port}\nunix_socket_directories = '{member.pgdata.parent}'\ncluster_name = '{member.name}'\n"
        )
        _own(own)

    def _write_config(self) -> None:
        self._make_state()
        members = {
            member.name: {
                "group": "lis",
                "pgdata": str(member.pgdata),
                "bindir": str(member.bindir),
                "port": member.port,
                "socket_dir": str(member.pgdata.parent),
                "superuser": USER,
                "log": str(member.log),
                "start": None,
                "stop": None,
                "replication": {"user": "replicator", "passfile": None, "options": "sslmode=prefer"},
                "rewind_user": USER,
                "peers": {
                    peer.name: {"host": "127.0.0.1", "port": peer.port}
                    for peer in self.members.values()
                    if peer is not member
                },
            }
            for member in self.members.values()
        }
        self.config.write_text(
            json.dumps({"version": 1, "state_dir": str(self.folder / "state"), "members": members}, indent=1)
        )


@contextlib.contextmanager
def group(bindir: Path) -> Iterator[Group]:
    """A running group; nothing is left of it afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="drctl-host-test-"))
    folder.chmod(0o755)
    made = Group(folder, bindir)
    try:
        made.create()
        yield made
    finally:
        made.end()


class Writer:
    """Clients that insert all the while, and remember what was acknowledged."""

    def __init__(self, primary: Instance, clients: int = 3) -> None:
        self.acked: list[int] = []
        self.last_acked_at_s = 0.0
        self._primary = primary
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._write, daemon=True) for _ in range(clients)]

    def __enter__(self) -> Self:
        for thread in self._threads:
            thread.start()
        wait_for(lambda: len(self.acked) > 20, "the first acknowledgements")
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        # One whose commit waits for a standby ends with its server.
        end_s = time.monotonic() + 1.0
        for thread in self._threads:
            thread.join(timeout=max(0.0, end_s - time.monotonic()))

    def stop(self) -> None:
        """Send no more."""
        self._stop.set()

    def _write(self) -> None:
        try:
            with self._primary.connect() as connection:
                while not self._stop.is_set():
                    row = connection.execute(
                        "INSERT INTO work (note) VALUES (repeat('x', 200)) RETURNING id"
                    ).fetchone()
                    assert row is not None
                    self.last_acked_at_s = time.monotonic()
                    self.acked.append(int(row[0]))  # type: ignore[call-overload]
        except psycopg.Error:
            return


def _append(path: Path, text: str) -> None:
    with path.open("a", encoding="utf-8") as file:
        file.write(text)


def _own(path: Path) -> None:
    if os.geteuid() == 0:
        entry = pwd.getpwnam(USER)
        os.chown(path, entry.pw_uid, entry.pw_gid)


if __name__ == "__main__":
    sys.exit("a fixture, not a program")
