"""Where a lab keeps its files, what it writes down about itself, and the lock that orders labs."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import stat
import tempfile
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Self

from chaos.lab.errors import LabError
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Iterator

LOCK_DEADLINE_S = 60.0
NAME = re.compile(r"[a-z][a-z0-9-]{0,30}")
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")


def registry() -> Path:
    """The folder that knows every lab: one entry a lab, its folder or a link to it. Made when absent."""
    return private_folder(Path(tempfile.gettempdir()) / "drctl-labs")


def private_folder(path: Path) -> Path:
    """A folder that others may read and root alone may write; raises LabError when someone else made it first."""
    path.mkdir(mode=0o755, parents=True, exist_ok=True)
    facts = path.lstat()
    if not stat.S_ISDIR(facts.st_mode) or facts.st_uid != os.geteuid() or facts.st_mode & 0o022:
        raise LabError(
            f"{path} is not a folder that only this user may write: what the lab would run from it could be anyone's",
            remedy=f"rm -rf {path}",
        )
    return path


@contextlib.contextmanager
def registry_lock() -> Iterator[None]:
    """Hold what must be one after the other: choosing a subnet, claiming a name, removing remains."""
    with (registry() / ".lock").open("w") as stream:
        wait_until(
            lambda: _locked(stream.fileno()), deadline_s=LOCK_DEADLINE_S, what="another lab ends its start or removal"
        )
        yield


def _locked(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """A process that a lab belongs to. The start time tells it from a later one with the same number."""

    pid: int
    start_ticks: int
    boot_id: str

    @classmethod
    def this_process(cls) -> Self:
        """The caller."""
        return cls(pid=os.getpid(), start_ticks=_start_ticks(os.getpid()) or 0, boot_id=BOOT_ID.read_text().strip())

    @property
    def alive(self) -> bool:
        """Whether that very process still runs."""
        return self.boot_id == BOOT_ID.read_text().strip() and _start_ticks(self.pid) == self.start_ticks


def _start_ticks(pid: int) -> int | None:
    """When the process started, in ticks since boot; None when there is no such process, or a dead one."""
    try:
        text = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return None
    # The name, in parentheses, may hold spaces: fields are counted from behind it.
    state, *fields = text.rpartition(")")[2].split()
    return None if state in "ZX" else int(fields[18])


@dataclass(frozen=True, slots=True, kw_only=True)
class LabRecord:
    """What a lab writes down, enough for another process to use it or to remove it."""

    name: str
    folder: Path
    subnet_number: int
    owner: Owner
    kept: bool
    """A kept lab outlives its owner: it was brought up from the command line."""
    groups: int
    bindir: Path
    postgres_version: str
    controllers: bool
    policy: dict[str, str | int]
    controller_program: str = "drctl"
    """Whose controller runs: `drctl`, or `chaos` for the same one with crash points."""
    routing: str = "none"
    """What stands between clients and databases in each center: `none`, `haproxy`, or `pgbouncer` before HAProxy."""

    def save(self) -> None:
        """Write it whole or not at all."""
        document = asdict(self) | {"folder": str(self.folder), "bindir": str(self.bindir)}
        target = self.folder / "lab.json"
        draft = target.with_suffix(".new")
        draft.write_text(json.dumps(document, indent=1) + "\n")
        draft.replace(target)

    @classmethod
    def load(cls, folder: Path) -> Self | None:
        """The record in `folder`; None when none can be read: a run was killed while it made the folder."""
        try:
            document = json.loads((folder / "lab.json").read_text())
            # Another version's lab is somebody's too: what only that version knows is left aside.
            known = {field.name for field in fields(cls)} & document.keys()
            return cls(
                **{key: document[key] for key in known}
                | {
                    "folder": Path(document["folder"]),
                    "bindir": Path(document["bindir"]),
                    "owner": Owner(**document["owner"]),
                }
            )
        except (FileNotFoundError, NotADirectoryError, ValueError, KeyError, TypeError):
            return None

    def as_kept(self) -> LabRecord:
        """The same lab, which now outlives its owner."""
        return replace(self, kept=True)


def new_folder(name: str, root: Path | None) -> Path:
    """Make the empty folder of a lab and enter it in the registry. Raises LabError when name or root do not do."""
    if not NAME.fullmatch(name):
        raise LabError(
            f"a lab cannot be called {name!r}: small letters, digits and hyphens, at most 31, the first one a letter"
        )
    entry = registry() / name
    folder = entry if root is None else root.absolute() / f"drctl-lab-{name}"
    # The longest path of all is a socket's, and the kernel takes 107 bytes: what comes below the folder has up to 55,
    # as in yuecheng/lis-yuecheng-3-yuecheng/run/.s.PGSQL.5440.lock.
    if len(str(folder)) > 50:
        raise LabError(
            f"{folder} is too long a path: PostgreSQL's sockets below it would exceed 107 bytes; give a shorter root"
        )
    try:
        folder.mkdir(mode=0o755)
        folder.chmod(0o755)
        if root is not None:
            entry.symlink_to(folder)
    except OSError as error:
        raise LabError(f"the lab's folder {folder} cannot be made: {error.strerror}") from error
    return folder


def registered_folders() -> dict[str, Path]:
    """Every lab's name and folder, whether or not it still exists."""
    return {entry.name: entry.resolve() for entry in sorted(registry().iterdir()) if entry.name != ".lock"}
