"""One center of the lab: everything that loses its power together."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.lab import network
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    import os
    from collections.abc import Mapping, Sequence

    from chaos.lab.cgroups import Cgroup
    from chaos.lab.controller import Controller
    from chaos.lab.drctl_host import DrctlHost
    from chaos.lab.haproxy import HAProxy
    from chaos.lab.host import Host
    from chaos.lab.pgbouncer import PgBouncer
    from chaos.lab.postgres import Member
    from chaos.lab.sshd import Sshd
    from chaos.lab.zookeeper import ZooKeeper

POWER_DEADLINE_S = 5.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Center:
    """A data center of the hospital: one host that runs all it has."""

    host: Host
    label: str
    zookeeper: ZooKeeper
    sshd: Sshd
    drctl_host: DrctlHost
    controller: Controller
    haproxy: HAProxy
    pgbouncer: PgBouncer
    members: Mapping[str, Member]

    @property
    def name(self) -> str:
        """Its name, as in cluster.yaml."""
        return self.host.name

    @property
    def address(self) -> str:
        """Its address in the lab."""
        return self.host.address

    @property
    def netns(self) -> str:
        """Its network namespace."""
        return self.host.netns

    @property
    def folder(self) -> Path:
        """Its files."""
        return self.host.folder

    @property
    def cgroup(self) -> Cgroup:
        """All its processes."""
        return self.host.cgroup

    def run(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        as_user: str | None = None,
        timeout_s: float = 30.0,
        check: bool = True,
        stdin_text: str | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.CompletedProcess[str]:
        """Run a program in the center and wait for it; see Host.run."""
        return self.host.run(argv, as_user=as_user, timeout_s=timeout_s, check=check, stdin_text=stdin_text, env=env)

    def popen(
        self,
        argv: Sequence[str | os.PathLike[str]],
        *,
        as_user: str | None = None,
        stdin: int | None = subprocess.DEVNULL,
        stdout: int | None = None,
        stderr: int | None = None,
        env: Mapping[str, str] | None = None,
    ) -> subprocess.Popen[str]:
        """Start a program in the center; it dies with the center's power. See Host.popen."""
        return self.host.popen(argv, as_user=as_user, stdin=stdin, stdout=stdout, stderr=stderr, env=env)

    @property
    def powered(self) -> bool:
        """Whether its link is up; nothing of it runs otherwise."""
        return network.link_up(self.netns)

    def power_off(self) -> None:
        """Take the power away: the link goes first, so that no peer hears a goodbye, then every process at once."""
        network.set_link(self.netns, up=False)
        postmasters = [member.postmaster_pid for member in self.members.values()]
        self.cgroup.kill(deadline_s=POWER_DEADLINE_S)
        self.cgroup.thaw()
        # PostgreSQL would take the number of an unburied one for a living server, and not start when the power is back.
        wait_until(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in postmasters if pid is not None),
            deadline_s=POWER_DEADLINE_S,
            what=f"every postmaster of {self.name} is buried",
        )
        # The kernel is the machine's and lives on: it would end the dead processes' connections when the link returns.
        wait_until(
            self._sockets_gone, deadline_s=POWER_DEADLINE_S, what=f"no socket of {self.name} is left", poll_s=0.05
        )

    def power_on(self) -> list[str]:
        """Give the power back, as an init system would bring the host up; the members that drctl-host kept down."""
        network.set_link(self.netns, up=True)
        self.zookeeper.start()
        self.sshd.start()
        fenced = [name for name in self.members if not self.drctl_host.may_start(name)]
        for name, member in self.members.items():
            if name not in fenced:
                member.start()
        if self.controller.enabled:
            self.controller.start()
        self.haproxy.start()
        self.pgbouncer.start()
        return fenced

    def _sockets_gone(self) -> bool:
        subprocess.run(["ss", "-N", self.netns, "-K", "-a", "-t"], capture_output=True, check=False, timeout=10)
        left = subprocess.run(
            ["ss", "-N", self.netns, "-H", "-a", "-t"], capture_output=True, text=True, check=False, timeout=10
        )
        return not left.stdout.strip()
