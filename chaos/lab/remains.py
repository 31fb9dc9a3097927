"""Labs found by the marks that they leave, and their removal, whatever state they are in."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import subprocess
from dataclasses import dataclass, field
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.lab import cgroups, network
from chaos.lab.folder import LabRecord, registered_folders, registry
from chaos.lab.host import MARK, MARK_FOLDER
from chaos.lab.provision import forget_shared_memory
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable

KILL_DEADLINE_S = 5.0


class State(Enum):
    """Whose a lab is."""

    OWNED = "owned"
    """The process that brought it up lives and will take it down."""
    KEPT = "kept"
    """It was brought up from the command line and stays until it is taken down."""
    STALE = "stale"
    """Its owner is dead: it is what a killed run left."""


@dataclass(slots=True, kw_only=True)
class Remains:
    """Everything on this machine that carries the name of one lab."""

    name: str
    record: LabRecord | None = None
    """None when no record can be read: then the marks alone speak."""
    folder: Path | None = None
    namespaces: list[str] = field(default_factory=list)
    bridges: list[str] = field(default_factory=list)
    pids: list[int] = field(default_factory=list)
    """Processes that carry its mark in their environment."""

    @property
    def cgroup(self) -> cgroups.Cgroup:
        """The group of all its processes; it may not exist."""
        return cgroups.labs_group().child(self.name)

    @property
    def state(self) -> State:
        """Whose it is. Without a record it is nobody's."""
        if self.record is None:
            return State.STALE
        if self.record.kept:
            # A reboot takes the processes and the namespaces, and leaves the folder.
            return State.KEPT if self.namespaces or self.cgroup.populated else State.STALE
        return State.OWNED if self.record.owner.alive else State.STALE


def find() -> dict[str, Remains]:
    """Every lab of this machine by its name, from any one of its marks."""
    found: dict[str, Remains] = {}

    def of(name: str) -> Remains:
        return found.setdefault(name, Remains(name=name))

    for name, folder in registered_folders().items():
        of(name).folder = folder
    for namespace in network.namespaces():
        of(network.lab_of_namespace(namespace)).namespaces.append(namespace)
    for bridge, name in network.bridges().items():
        of(name).bridges.append(bridge)
    for group in cgroups.labs_group().children():
        of(group.path.name)
    for pid, name, folder in _marked_processes():
        remains = of(name)
        remains.pids.append(pid)
        # A lab whose registry is another's temporary folder is still found, with its record.
        if remains.folder is None and _is_lab_folder(folder, name):
            remains.folder = folder
    for remains in found.values():
        remains.record = None if remains.folder is None else LabRecord.load(remains.folder)
    return dict(sorted(found.items()))


def remove(remains: Remains) -> None:
    """Take everything away. Whatever was gone already is no error, so it may be done twice, or after a failure."""
    group = remains.cgroup
    cgroups.leave(group)
    group.kill(deadline_s=KILL_DEADLINE_S)
    _kill_marked(remains)
    if remains.folder is not None:
        forget_shared_memory(mark.parent for mark in remains.folder.glob("*/*/*/PG_VERSION"))
        _unmount_below(remains.folder)
    network.demolish(remains.name, remains.bridges, remains.namespaces)
    group.remove()
    if remains.folder is not None:
        shutil.rmtree(remains.folder, ignore_errors=True)
    entry = registry() / remains.name
    if entry.is_symlink():
        entry.unlink()
    with contextlib.suppress(OSError):
        # The last lab takes the parent with it; other labs keep it.
        group.path.parent.rmdir()


def remove_stale(told: Callable[[str], None]) -> list[str]:
    """Remove what killed runs left; the caller holds the registry's lock. The names of what was removed."""
    removed = []
    for remains in find().values():
        if remains.state is State.STALE:
            told(f"removing the lab {remains.name}, which a killed run left")
            remove(remains)
            removed.append(remains.name)
    return removed


def _marked_processes() -> list[tuple[int, str, Path]]:
    """Number, lab and lab folder of every process that a lab started, as far as its environment still shows it."""
    found = []
    wanted = f"{MARK}=".encode()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            text = (entry / "environ").read_bytes()
        except OSError:
            continue
        if wanted in text:
            variables = dict(part.decode(errors="replace").split("=", 1) for part in text.split(b"\0") if b"=" in part)
            if MARK in variables:
                found.append((int(entry.name), variables[MARK], Path(variables.get(MARK_FOLDER, "/nonexistent"))))
    return found


def _is_lab_folder(folder: Path, name: str) -> bool:
    """Whether a process that anyone may have started tells the truth about its lab's folder: it will be removed."""
    record = LabRecord.load(folder)
    return record is not None and (record.name, record.folder) == (name, folder) and folder.stat().st_uid == 0


def _kill_marked(remains: Remains) -> None:
    """Kill what runs outside the control group: in a namespace of the lab, or with its mark."""

    def left() -> list[int]:
        pids = {pid for pid, name, _ in _marked_processes() if name == remains.name}
        for namespace in remains.namespaces:
            shown = network.run_ip("netns", "pids", namespace, check=False)
            pids |= {int(line) for line in shown.split()}
        return sorted(pids - _own_line())

    def all_dead() -> bool:
        pids = left()
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        return not pids

    wait_until(
        all_dead, deadline_s=KILL_DEADLINE_S, what=f"every process of the lab {remains.name} is gone", poll_s=0.1
    )


def _own_line() -> set[int]:
    """This process and those that started it: who works in a lab's shell carries its mark."""
    line = set()
    pid = os.getpid()
    while pid > 1:
        line.add(pid)
        try:
            pid = int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
        except OSError:
            break
    return line


def _unmount_below(folder: Path) -> None:
    mounts = [line.split()[4] for line in Path("/proc/self/mountinfo").read_text().splitlines()]
    for mount in sorted((where for where in mounts if where.startswith(f"{folder}/")), reverse=True):
        subprocess.run(["umount", "--lazy", mount], capture_output=True, check=False, timeout=10)
