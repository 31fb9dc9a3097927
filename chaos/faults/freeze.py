"""Faults of time: processes that stand still and do not know it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.lab.errors import LabError
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from chaos.lab.center import Center
    from chaos.lab.cgroups import Cgroup
    from chaos.lab.postgres import Member

GATHER_DEADLINE_S = 2.0


@dataclass(slots=True, kw_only=True)
class Freeze:
    """Every process of a control group stands still; the kernel goes on to accept packets for them."""

    target: str
    group: Cgroup
    name: str = "freeze"

    def inject(self) -> None:
        """Freeze it. Raises LabError when there is nothing to freeze."""
        if not self.group.populated:
            raise LabError(f"{self.target} has no running process to freeze")
        self.group.freeze()

    def in_effect(self) -> bool:
        """Whether the kernel says that all stand still."""
        return self.group.frozen

    def heal(self) -> None:
        """Let them run."""
        self.group.thaw()


@dataclass(slots=True, kw_only=True)
class FreezeMember:
    """Every process of one member stands still, wherever in the center it was started."""

    member: Member
    name: str = "freeze"

    @property
    def target(self) -> str:
        """The member."""
        return self.member.name

    @property
    def group(self) -> Cgroup:
        """Where its processes are gathered."""
        return self.member.host.cgroup.child(self.member.kind)

    def inject(self) -> None:
        """Gather them and freeze them. Raises LabError when it does not run."""
        if not self.member.running:
            raise LabError(f"{self.target} does not run: there is nothing to freeze")
        self.group.create()
        # What drctl-host started lives in sshd's group. The postmaster goes first, so that what it forks from then on
        # is born in the right one.
        wait_until(self._gathered, deadline_s=GATHER_DEADLINE_S, what=f"every process of {self.target} is in one group")
        self.group.freeze()

    def in_effect(self) -> bool:
        """Whether all of its processes are in the group and stand still."""
        return self.group.frozen and not self._outside()

    def heal(self) -> None:
        """Let them run."""
        self.group.thaw()

    def _gathered(self) -> bool:
        for pid in self._outside():
            self.group.add(pid)
        return not self._outside()

    def _outside(self) -> list[int]:
        inside = set(self.group.pids())
        postmaster = self.member.postmaster_pid
        outside = [process.pid for process in self.member.processes() if process.pid not in inside]
        return sorted(outside, key=lambda pid: pid != postmaster)


@dataclass(slots=True, kw_only=True)
class PowerOff:
    """A center loses its power: the link and every process at once."""

    center: Center
    name: str = "power-off"

    @property
    def target(self) -> str:
        """The center."""
        return self.center.name

    def inject(self) -> None:
        """Take the power away."""
        self.center.power_off()

    def in_effect(self) -> bool:
        """Whether nothing of it runs and its link is down."""
        return not self.center.powered and not self.center.cgroup.populated

    def heal(self) -> None:
        """Give the power back."""
        self.center.power_on()
