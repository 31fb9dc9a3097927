"""Faults of single processes: killed, and started again to heal."""

from __future__ import annotations

import re
import signal
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from chaos.lab.errors import LabError
from chaos.lab.postgres import Process, signal_process

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.lab.center import Center
    from chaos.lab.postgres import Member

# Backends of clients only: the title of every other child names its task where theirs names a user and a database.
BACKEND = re.compile(r"^postgres: (?:\S+: )?(?P<user>\S+) (?P<database>\S+) (?:\[local\]|\S+\(\d+\)) ")
WALSENDER = re.compile(r"^postgres: (?:\S+: )?walsender \S+ (?P<address>[0-9.]+)\(\d+\)")


class Service(Protocol):
    """A program of a center that the lab starts: ZooKeeper, sshd, the controller."""

    @property
    def running(self) -> bool:
        """Whether it lives."""

    def kill(self) -> None:
        """SIGKILL."""

    def start(self) -> None:
        """Start it."""


@dataclass(slots=True, kw_only=True)
class KillService:
    """SIGKILL ZooKeeper, sshd or the controller of a center. Healed by starting it."""

    name: str
    center: Center
    service: Service

    @property
    def target(self) -> str:
        """The center."""
        return self.center.name

    def inject(self) -> None:
        """Kill it. Raises LabError when it does not run."""
        if not self.service.running:
            raise LabError(f"{self.name}: it does not run in {self.target}, there is nothing to kill")
        self.service.kill()

    def in_effect(self) -> bool:
        """Whether none of its processes lives."""
        return not self.service.running

    def heal(self) -> None:
        """Start it."""
        self.service.start()


@dataclass(slots=True, kw_only=True)
class KillPostmaster:
    """SIGKILL a member's postmaster, which leaves its children to find out. Healed by a start, unless it is fenced."""

    member: Member
    center: Center
    name: str = "kill-postmaster"
    victim_pid: int | None = None
    """The postmaster that was killed; None before that. Another one may run since, started by drctl."""

    @property
    def target(self) -> str:
        """The member."""
        return self.member.name

    def inject(self) -> None:
        """Kill it. Raises LabError when the member does not run."""
        self.victim_pid = self.member.postmaster_pid
        if self.victim_pid is None:
            raise LabError(f"{self.name}: {self.target} does not run, there is nothing to kill")
        signal_process(Process(pid=self.victim_pid, title="postmaster"), signal.SIGKILL)

    def in_effect(self) -> bool:
        """Whether that very postmaster is gone."""
        return self.victim_pid is not None and _gone(self.victim_pid)

    def heal(self) -> None:
        """Start the member as its init system would."""
        if self.center.drctl_host.may_start(self.member.name):
            self.member.start()


@dataclass(slots=True, kw_only=True)
class KillBackend:
    """Signal one of a member's children: SIGKILL makes PostgreSQL restart all of them. It heals by itself."""

    name: str
    member: Member
    pick: Callable[[Process], bool]
    """Which of the member's processes may be the victim."""
    number: signal.Signals = signal.SIGKILL
    victims: list[Process] = field(default_factory=list)

    @property
    def target(self) -> str:
        """The member."""
        return self.member.name

    def inject(self) -> None:
        """Kill the first that fits. Raises LabError when none does."""
        fitting = [process for process in self.member.processes() if self.pick(process)]
        if not fitting:
            raise LabError(f"{self.name}: {self.member.name} has no process that fits")
        self.victims = fitting[:1]
        signal_process(fitting[0], self.number)

    def in_effect(self) -> bool:
        """Whether the victim is gone."""
        return all(_gone(victim.pid) for victim in self.victims)

    def heal(self) -> None:
        """PostgreSQL and its clients do."""


def is_client_backend(process: Process) -> bool:
    """Whether a process serves a client; the lab's own looks are no clients."""
    return BACKEND.match(process.title) is not None and WALSENDER.match(process.title) is None


def is_walsender_for(address: str | None) -> Callable[[Process], bool]:
    """What tells the walsender that serves the standby at `address`; None takes any."""

    def fits(process: Process) -> bool:
        found = WALSENDER.match(process.title)
        return found is not None and address in {None, found["address"]}

    return fits


def _gone(pid: int) -> bool:
    """Whether a process is no more; a zombie, which its parent has not looked at yet, is no more."""
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except OSError:
        return True
    return state in "ZX"
