"""Control groups: the exact set of a center's processes, to freeze, thaw and kill as one."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import tempfile
from dataclasses import dataclass
from pathlib import Path

from chaos.lab.errors import LabError
from chaos.lab.waiting import wait_until

PARENT = "drctl-lab"
MOUNTS = Path("/proc/mounts")


@dataclass(frozen=True, slots=True)
class Cgroup:
    """A folder of the version 2 hierarchy; everything below it belongs to it."""

    path: Path

    def create(self) -> Cgroup:
        """Make it, with its parents; nothing happens when it is there."""
        self.path.mkdir(parents=True, exist_ok=True)
        return self

    def child(self, name: str) -> Cgroup:
        """A part of this group, which is not made by asking for it."""
        return Cgroup(self.path / name)

    def children(self) -> list[Cgroup]:
        """The groups directly below, by name."""
        try:
            return [Cgroup(entry) for entry in sorted(self.path.iterdir()) if entry.is_dir()]
        except FileNotFoundError:
            return []

    @property
    def procs(self) -> Path:
        """The file that a process writes itself into."""
        return self.path / "cgroup.procs"

    @property
    def exists(self) -> bool:
        """Whether the kernel knows it."""
        return self.path.is_dir()

    def add(self, pid: int) -> bool:
        """Move one process here; False when it has ended."""
        try:
            self.procs.write_text(str(pid))
        except ProcessLookupError:
            return False
        return True

    def pids(self) -> list[int]:
        """Every living process in it and below it."""
        found: list[int] = []
        for group in [self, *self.children()]:
            if group is self:
                # A group that is being removed answers ENODEV; it has no processes any more.
                with contextlib.suppress(OSError):
                    found += [int(line) for line in self.procs.read_text().split()]
            else:
                found += group.pids()
        return found

    @property
    def populated(self) -> bool:
        """Whether a living process is in it or below it."""
        return self._event("populated")

    @property
    def frozen(self) -> bool:
        """Whether every process in it stands still. An empty group counts too, when it was told to freeze."""
        return self._event("frozen")

    @property
    def told_to_freeze(self) -> bool:
        """Whether this very group was frozen, and not one above it."""
        try:
            return (self.path / "cgroup.freeze").read_text().strip() == "1"
        except OSError:
            return False

    def freeze(self, *, deadline_s: float = 5.0) -> None:
        """Stop every process in it where it stands; return when all of them do."""
        (self.path / "cgroup.freeze").write_text("1")
        wait_until(lambda: self.frozen, deadline_s=deadline_s, what=f"every process of {self.path.name} stands still")

    def thaw(self) -> None:
        """Let them run again, here and in every group below."""
        for group in self.children():
            group.thaw()
        with contextlib.suppress(FileNotFoundError):
            (self.path / "cgroup.freeze").write_text("0")

    def kill(self, *, deadline_s: float = 5.0) -> None:
        """SIGKILL all at once, frozen ones too; return when none is left."""
        if not self.exists:
            return
        # Again and again: a thread of ours may have been about to start one more.
        wait_until(self._killed, deadline_s=deadline_s, what=f"every process of {self.path.name} is gone")

    def remove(self, *, deadline_s: float = 2.0) -> None:
        """Remove the folder and those below it; it must be empty of processes."""
        for group in self.children():
            group.remove(deadline_s=deadline_s)
        if self.exists:
            wait_until(self._removed, deadline_s=deadline_s, what=f"the control group {self.path} is removed")

    def _killed(self) -> bool:
        if self.populated:
            kill_file = self.path / "cgroup.kill"
            if kill_file.exists():
                kill_file.write_text("1")
            else:
                self._kill_one_by_one()
        return not self.populated

    def _removed(self) -> bool:
        try:
            self.path.rmdir()
        except FileNotFoundError:
            return True
        except OSError:
            # The kernel takes a moment after the last process to call the group empty.
            return False
        return True

    def _event(self, name: str) -> bool:
        try:
            text = (self.path / "cgroup.events").read_text()
        except OSError:
            return False
        return f"{name} 1" in text.splitlines()

    def _kill_one_by_one(self) -> None:
        # Before Linux 5.14. Frozen first, so that nobody forks between the look and the kill.
        self.freeze()
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.thaw()


def hierarchy() -> Path:
    """Where the version 2 hierarchy is mounted and writable; mounts it when it is nowhere.

    Raises LabError when the kernel has none.
    """
    mounted = _mounted()
    if mounted is not None:
        return mounted
    here = Path(tempfile.gettempdir()) / "drctl-lab-cgroup2"
    here.mkdir(mode=0o755, exist_ok=True)
    mount = subprocess.run(["mount", "-t", "cgroup2", "none", here], capture_output=True, text=True, check=False)
    if mount.returncode != 0:
        raise LabError(
            f"no control groups of version 2 here ({mount.stderr.strip()}): the lab freezes and kills centers by them",
            remedy="mount -t cgroup2 none /sys/fs/cgroup   # Linux 5.2 or later, in a container: run it privileged",
        )
    return here


def labs_group() -> Cgroup:
    """The parent of every lab's group."""
    return Cgroup(hierarchy() / PARENT)


def leave(group: Cgroup) -> None:
    """Move this process out of `group`: who takes a lab down from a shell inside must not kill itself."""
    if os.getpid() in group.pids():
        Cgroup(hierarchy()).add(os.getpid())


def _mounted() -> Path | None:
    """The first writable mount; None when there is none."""
    for line in MOUNTS.read_text().splitlines():
        _, where, kind, options, *_ = line.split()
        if kind == "cgroup2" and "rw" in options.split(",") and os.access(where, os.W_OK):
            return Path(where)
    return None
