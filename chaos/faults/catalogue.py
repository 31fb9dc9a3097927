"""Every fault of the lab by its name: applied, seen, handed back so that it can be healed."""

from __future__ import annotations

import signal
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.faults import link
from chaos.faults.fault import apply
from chaos.faults.freeze import Freeze, FreezeMember, PowerOff
from chaos.faults.link import Bandwidth, Cut, Direction, Isolate, PacketLoss, ResetConnections
from chaos.faults.process import KillBackend, KillPostmaster, KillService, is_client_backend, is_walsender_for
from chaos.lab import controller, sshd, zookeeper
from chaos.lab.errors import LabError
from chaos.lab.topology import CENTERS, CLIENT, CLIENT_NUMBER

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaos.faults.process import Service
    from chaos.lab.center import Center
    from chaos.lab.host import Host
    from chaos.lab.network import Subnet
    from chaos.lab.postgres import Member

# The name of this machine itself, which is on the bridge too: as one end of a cut.
MACHINE = "machine"


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """The faults of one lab. Each method returns once the effect was seen; raises FaultNotSeen when it was not.

    A target is a center (`zhaohui`), a member (`lis-zhaohui`), or a process of a center (`zhaohui/zookeeper`,
    `zhaohui/sshd`, `zhaohui/controller`).
    """

    centers: Mapping[str, Center]
    members: Mapping[str, Member]
    client: Host
    subnet: Subnet

    def kill(self, target: str) -> KillPostmaster | KillService:
        """Kill a member's postmaster, or a process of a center."""
        if target in self.members:
            return self.kill_postmaster(target)
        center, _, kind = target.partition("/")
        return apply(KillService(name=f"kill-{kind}", center=self._center(center), service=self._service(center, kind)))

    def kill_postmaster(self, member: str) -> KillPostmaster:
        """SIGKILL the postmaster alone."""
        found = self._member(member)
        return apply(KillPostmaster(member=found, center=self.centers[found.center]))

    def kill_backend(self, member: str, *, number: signal.Signals = signal.SIGKILL) -> KillBackend:
        """SIGKILL one backend that serves a client: PostgreSQL restarts. SIGTERM ends that backend alone."""
        return apply(
            KillBackend(name="kill-backend", member=self._member(member), pick=is_client_backend, number=number)
        )

    def kill_walsender(self, member: str, *, standby: str | None = None) -> KillBackend:
        """SIGTERM one walsender, the one for `standby` when it is given: the stream breaks, the member goes on."""
        address = None if standby is None else self._member(standby).host.address
        return apply(
            KillBackend(
                name="kill-walsender",
                member=self._member(member),
                pick=is_walsender_for(address),
                number=signal.SIGTERM,
            )
        )

    def kill_controller(self, center: str) -> KillService:
        """SIGKILL a center's controller."""
        return self._kill_service(center, controller.KIND)

    def kill_zookeeper(self, center: str) -> KillService:
        """SIGKILL a center's ZooKeeper server."""
        return self._kill_service(center, zookeeper.KIND)

    def stop_sshd(self, center: str) -> KillService:
        """Kill a center's sshd and its sessions."""
        return self._kill_service(center, sshd.KIND)

    def start(self, target: str) -> None:
        """Start a member (unless it is fenced) or a process of a center, as an init system would."""
        if target in self.members:
            member = self.members[target]
            if not self.centers[member.center].drctl_host.may_start(target):
                raise LabError(f"{target} is fenced: drctl-host keeps it down until drctl has rejoined it")
            member.start()
            return
        center, _, kind = target.partition("/")
        self._service(center, kind).start()

    def start_controller(self, center: str, *, env: Mapping[str, str] | None = None) -> None:
        """Start a center's controller; `env` may name a crash point."""
        self._center(center).controller.start(env)

    def start_zookeeper(self, center: str) -> None:
        """Start a center's ZooKeeper server."""
        self._center(center).zookeeper.start()

    def start_sshd(self, center: str) -> None:
        """Start a center's sshd."""
        self._center(center).sshd.start()

    def zookeeper_leader(self) -> str | None:
        """The center whose ZooKeeper leads; None while there is none."""
        return zookeeper.leader({name: center.zookeeper for name, center in self.centers.items()})

    def freeze(self, target: str) -> Freeze | FreezeMember:
        """Stop every process of a center, of a member, or of one kind in a center where it stands."""
        if target in self.members:
            return apply(FreezeMember(member=self.members[target]))
        center, _, kind = target.partition("/")
        group = self._center(center).cgroup
        if kind:
            self._service(center, kind)
        return apply(Freeze(target=target, group=group.child(kind) if kind else group))

    def thaw(self, target: str) -> None:
        """Let a frozen center, member or process run again."""
        if target in self.members:
            FreezeMember(member=self.members[target]).heal()
            return
        center, _, kind = target.partition("/")
        group = self._center(center).cgroup
        (group.child(kind) if kind else group).thaw()

    def isolate(self, host: str) -> Isolate:
        """Drop every packet of a center, or of the client."""
        return apply(Isolate(host=self._host(host)))

    def cut(self, a: str, b: str, *, port: int | None = None, direction: Direction = "both") -> Cut:
        """Drop what passes between two hosts: only to or from `port`; only `out` of a to b, or only `in` from b to a.

        `b` may also be `machine`, this machine's own address on the bridge.
        """
        peer_address = self.subnet.bridge_address if b == MACHINE else self._host(b).address
        return apply(Cut(host=self._host(a), peer=b, peer_address=peer_address, port=port, direction=direction))

    def packet_loss(self, host: str, percent: int) -> PacketLoss:
        """Lose a share of a host's packets, each way."""
        return apply(PacketLoss(host=self._host(host), percent=percent))

    def bandwidth(self, host: str, rate: str) -> Bandwidth:
        """Narrow a host's line to `rate`, such as 1mbit, each way."""
        return apply(Bandwidth(host=self._host(host), port_device=self.subnet.port_device(_number(host)), rate=rate))

    def reset(self, host: str, *, port: int | None = None) -> ResetConnections:
        """Reset every connection of a host, or those of one port."""
        return apply(ResetConnections(host=self._host(host), port=port))

    def power_off(self, center: str) -> PowerOff:
        """Take a center's power away."""
        return apply(PowerOff(center=self._center(center)))

    def power_on(self, center: str) -> list[str]:
        """Give it back; the members that drctl-host kept down."""
        return self._center(center).power_on()

    def heal(self, host: str) -> None:
        """Remove every network fault of a host, cuts included that were made at it."""
        link.heal_host(self._host(host), self.subnet, _number(host))

    def heal_all(self) -> None:
        """Power, network and time as they should be everywhere, and every process of a center started that is down."""
        self.heal(CLIENT)
        for name, center in self.centers.items():
            center.cgroup.thaw()
            self.heal(name)
            center.power_on()

    def _kill_service(self, center: str, kind: str) -> KillService:
        return apply(KillService(name=f"kill-{kind}", center=self._center(center), service=self._service(center, kind)))

    def _service(self, center: str, kind: str) -> Service:
        found = self._center(center)
        match kind:
            case zookeeper.KIND:
                return found.zookeeper
            case sshd.KIND:
                return found.sshd
            case controller.KIND:
                return found.controller
            case _:
                raise LabError(
                    f"{center}/{kind} is no process; {center} has {zookeeper.KIND}, {sshd.KIND}, {controller.KIND}"
                )

    def _center(self, name: str) -> Center:
        try:
            return self.centers[name]
        except KeyError as error:
            raise LabError(f"there is no center {name}; there are {', '.join(self.centers)}") from error

    def _member(self, name: str) -> Member:
        try:
            return self.members[name]
        except KeyError as error:
            raise LabError(f"there is no member {name}; there are {', '.join(self.members)}") from error

    def _host(self, name: str) -> Host:
        return self.client if name == CLIENT else self._center(name).host


def _number(host: str) -> int:
    return {center.name: center.host_number for center in CENTERS}.get(host, CLIENT_NUMBER)
