"""One host of the lab: a network of its own, a control group of its own, a folder of its own."""

from __future__ import annotations

import os
import pwd
import subprocess
from dataclasses import dataclass
from typing import IO, TYPE_CHECKING

from chaos.lab import init, network
from chaos.lab.errors import LabError

if TYPE_CHECKING:
    import socket
    from collections.abc import Mapping, Sequence
    from pathlib import Path

    from chaos.lab.cgroups import Cgroup

DATABASE_USER = "postgres"
INIT_KIND = "init"
MARK = "DRCTL_LAB"
MARK_FOLDER = "DRCTL_LAB_FOLDER"
# The process joins its group before it becomes the program: in a group that a teardown has removed nothing starts.
JOIN_AND_BECOME = 'echo $$ > "$0" && exec "$@"'


@dataclass(frozen=True, slots=True, kw_only=True)
class Host:
    """A center or the client, as a place to run programs in."""

    lab: str
    name: str
    address: str
    cgroup: Cgroup
    lab_folder: Path

    @property
    def netns(self) -> str:
        """Its network namespace."""
        return network.namespace_name(self.lab, self.name)

    @property
    def folder(self) -> Path:
        """Its files."""
        return self.lab_folder / self.name

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        as_user: str | None = None,
        kind: str = "run",
        timeout_s: float = 30.0,
        check: bool = True,
        stdin_text: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program here and wait for it.

        Raises LabError when it fails (unless `check` is off) or takes longer than `timeout_s`.
        """
        command = self.command(argv, as_user=as_user, kind=kind)
        try:
            done = subprocess.run(
                command,
                input=stdin_text,
                capture_output=True,
                text=True,
                timeout=timeout_s,
                check=False,
                env=self.environment(as_user=as_user, extra=env),
                cwd=self.lab_folder,
            )
        except subprocess.TimeoutExpired as error:
            raise LabError(f"{argv[0]} on {self.name} did not end within {timeout_s:g} s") from error
        if check and done.returncode != 0:
            complaint = (done.stderr or done.stdout).strip()
            raise LabError(f"{argv[0]} on {self.name} failed with {done.returncode}: {complaint}")
        return done

    def popen(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        as_user: str | None = None,
        kind: str = "run",
        stdin: int | IO[str] | None = subprocess.DEVNULL,
        stdout: int | IO[str] | None = None,
        stderr: int | IO[str] | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a program here that the caller talks to and waits for."""
        return subprocess.Popen(
            self.command(argv, as_user=as_user, kind=kind),
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            text=True,
            env=self.environment(as_user=as_user, extra=env),
            cwd=self.lab_folder,
        )

    def daemon(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        kind: str,
        log: Path,
        as_user: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> None:
        """Start a program here that outlives the caller; it is found again through its control group `kind`."""
        with log.open("a") as stream:
            if as_user is not None:
                # Also when drctl-host starts the same program, it can write there.
                os.fchown(stream.fileno(), user_id(as_user), -1)
        try:
            init.spawn(
                init_socket(self.lab_folder),
                self.command(argv, as_user=as_user, kind=kind),
                group=self.cgroup.child(kind).procs,
                log=log,
                cwd=self.lab_folder,
                env=self.environment(as_user=as_user, extra=env),
            )
        except OSError as error:
            raise LabError(f"{argv[0]} cannot be started on {self.name}: {error}") from error

    def command(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        as_user: str | None = None,
        kind: str = "run",
    ) -> list[str]:
        """What runs `argv` in this host's network and in the part `kind` of its control group."""
        group = self.cgroup.child(kind).create()
        enter = ["nsenter", f"--net={network.NAMESPACES / self.netns}"]
        if as_user is not None:
            entry = pwd.getpwnam(as_user)
            enter += [f"--setuid={entry.pw_uid}", f"--setgid={entry.pw_gid}"]
        return [
            "sh",
            "-c",
            JOIN_AND_BECOME,
            str(group.procs),
            *enter,
            "--",
            *(os.fspath(part) for part in argv),
        ]

    def environment(self, *, as_user: str | None, extra: Mapping[str, str] | None) -> dict[str, str]:
        """The caller's environment with the lab's marks; no PG* variable leaks in from outside."""
        inherited = {key: value for key, value in os.environ.items() if not key.startswith(("PG", "DRCTL_"))}
        if as_user is not None:
            inherited |= {"USER": as_user, "LOGNAME": as_user, "HOME": str(self.lab_folder)}
        return inherited | {MARK: self.lab, MARK_FOLDER: str(self.lab_folder)} | dict(extra or {})

    def pids(self, kind: str) -> list[int]:
        """The processes of one part."""
        return self.cgroup.child(kind).pids()

    def runs(self, kind: str) -> bool:
        """Whether a process of one part lives."""
        return self.cgroup.child(kind).populated

    def connect(self, address: str, port: int, *, timeout_s: float = 1.0) -> socket.socket:
        """A TCP connection from here. Raises OSError."""
        return network.connect(self.netns, address, port, timeout_s=timeout_s)

    def listens(self, port: int, *, timeout_s: float = 0.5) -> bool:
        """Whether something accepts on this port of its address; asked from inside, so isolation does not hide it."""
        try:
            self.connect(self.address, port, timeout_s=timeout_s).close()
        except OSError:
            return False
        return True


def init_socket(lab_folder: Path) -> Path:
    """Where the lab's init takes requests."""
    return lab_folder / "init.sock"


def user_id(user: str) -> int:
    """The number of a user. Raises LabError when there is none."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError as error:
        raise LabError(f"there is no user {user} here", remedy=f"useradd --system --shell /bin/sh {user}") from error


def group_id(user: str) -> int:
    """The number of a user's own group."""
    return pwd.getpwnam(user).pw_gid
