"""Faults of the network: packets that are dropped, slowed down, or reset."""

from __future__ import annotations

import contextlib
import json
import socket
import subprocess
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chaos.lab import network
from chaos.lab.errors import LabError

if TYPE_CHECKING:
    from chaos.lab.host import Host
    from chaos.lab.network import Subnet

TABLE_PREFIX = "drlab_"
COMMAND_DEADLINE_S = 10.0
DISCARD_PORT = 9
LOSS_SAMPLE_PACKETS = 400

Direction = Literal["both", "in", "out"]


@dataclass(slots=True, kw_only=True)
class Isolate:
    """A host that no packet leaves or reaches, this machine's included. Open connections fall silent."""

    host: Host
    name: str = "isolate"

    @property
    def target(self) -> str:
        """The host."""
        return self.host.name

    @property
    def table(self) -> str:
        """The table of packet rules in the host's namespace."""
        return f"{TABLE_PREFIX}isolate"

    def inject(self) -> None:
        """Drop everything on its cable."""
        rule = f'"{network.DEVICE}" counter drop'
        _set_table(self.host, self.table, incoming=[f"iifname {rule}"], outgoing=[f"oifname {rule}"])

    def in_effect(self) -> bool:
        """Whether a connection from this machine to the host gets no answer, not even a refusal."""
        return has_table(self.host, self.table) and _silent(self.host.address, DISCARD_PORT)

    def heal(self) -> None:
        """Let packets pass again."""
        drop_table(self.host, self.table)


@dataclass(slots=True, kw_only=True)
class Cut:
    """No packet between two hosts, or none of one port, or none in one direction as `host` sees it."""

    host: Host
    peer: str
    """The other host's name."""
    peer_address: str
    port: int | None = None
    """None: every port."""
    direction: Direction = "both"
    name: str = "cut"

    @property
    def target(self) -> str:
        """Both ends."""
        arrow = {"both": "-", "in": "<", "out": ">"}[self.direction]
        return f"{self.host.name}{arrow}{self.peer}" + ("" if self.port is None else f":{self.port}")

    @property
    def table(self) -> str:
        """The table of packet rules in the host's namespace; several cuts stand side by side."""
        return f"{TABLE_PREFIX}cut_{self.peer}_{self.port or 'all'}_{self.direction}"

    def inject(self) -> None:
        """Drop the packets at `host`: on their way out, on their way in, or both."""
        # A port is that of whichever end listens: both directions of both connections.
        ports = [""] if self.port is None else [f"tcp {end} {self.port} " for end in ("dport", "sport")]
        _set_table(
            self.host,
            self.table,
            incoming=[f"ip saddr {self.peer_address} {port}counter drop" for port in ports if self.direction != "out"],
            outgoing=[f"ip daddr {self.peer_address} {port}counter drop" for port in ports if self.direction != "in"],
        )

    def in_effect(self) -> bool:
        """Whether a connection from the host to the peer gets no answer: one direction is enough to silence it."""
        port = self.port or DISCARD_PORT
        return has_table(self.host, self.table) and network.inside(
            self.host.netns, lambda: _silent(self.peer_address, port)
        )

    def heal(self) -> None:
        """Let packets pass again."""
        drop_table(self.host, self.table)


@dataclass(slots=True, kw_only=True)
class PacketLoss:
    """A share of the packets of a host is lost, by chance, each way."""

    host: Host
    percent: int
    name: str = "loss"

    @property
    def target(self) -> str:
        """The host and the share."""
        return f"{self.host.name} {self.percent}%"

    @property
    def table(self) -> str:
        """The table of packet rules in the host's namespace."""
        return f"{TABLE_PREFIX}loss"

    def inject(self) -> None:
        """Drop that share. Raises LabError for one that is none."""
        if not 1 <= self.percent <= 99:
            raise LabError(f"packet loss is 1 to 99 percent, not {self.percent}; 100 is `isolate`")
        chance = f"numgen random mod 100 < {self.percent} counter drop"
        _set_table(
            self.host,
            self.table,
            incoming=[f'iifname "{network.DEVICE}" {chance}'],
            outgoing=[f'oifname "{network.DEVICE}" {chance}'],
        )

    def in_effect(self) -> bool:
        """Whether some of many packets that this machine sends to the host are counted as dropped."""
        if not has_table(self.host, self.table):
            return False
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            for _ in range(LOSS_SAMPLE_PACKETS):
                # The host refuses them, which is heard here as an error of a later packet.
                with contextlib.suppress(OSError):
                    sender.sendto(b"x", (self.host.address, DISCARD_PORT))
        return packets_dropped(self.host, self.table) > 0

    def heal(self) -> None:
        """Lose none."""
        drop_table(self.host, self.table)


@dataclass(slots=True, kw_only=True)
class Bandwidth:
    """A thin line to a host, each way."""

    host: Host
    port_device: str
    """The bridge's end of its cable."""
    rate: str
    """As tc writes it, such as 1mbit."""
    name: str = "bandwidth"

    @property
    def target(self) -> str:
        """The host and the rate."""
        return f"{self.host.name} {self.rate}"

    def inject(self) -> None:
        """Narrow both ends of the cable. Raises LabError for a rate that tc does not understand."""
        shape = ["root", "tbf", "rate", self.rate, "burst", "32kb", "latency", "400ms"]
        _tc(["-n", self.host.netns, "qdisc", "replace", "dev", network.DEVICE, *shape])
        _tc(["qdisc", "replace", "dev", self.port_device, *shape])

    def in_effect(self) -> bool:
        """Whether the kernel shows the limit at both ends."""
        near = _tc(["-n", self.host.netns, "qdisc", "show", "dev", network.DEVICE])
        far = _tc(["qdisc", "show", "dev", self.port_device])
        return "tbf" in near and "tbf" in far

    def heal(self) -> None:
        """Full width again."""
        _tc(["-n", self.host.netns, "qdisc", "del", "dev", network.DEVICE, "root"], check=False)
        _tc(["qdisc", "del", "dev", self.port_device, "root"], check=False)


@dataclass(slots=True, kw_only=True)
class ResetConnections:
    """The TCP connections of a host, or those of one port, are reset: both ends are told. It heals by itself."""

    host: Host
    port: int | None = None
    name: str = "reset"
    victims: frozenset[str] = frozenset()
    """Both ends of each connection that was reset, as ss writes them; a new one has another port at one end."""

    @property
    def target(self) -> str:
        """The host and the port."""
        return self.host.name + ("" if self.port is None else f":{self.port}")

    def inject(self) -> None:
        """Destroy the sockets, which sends the resets."""
        self.victims = self._established()
        self._ss("-K")

    def in_effect(self) -> bool:
        """Whether none of those connections stands; new ones may."""
        return not self.victims & self._established()

    def heal(self) -> None:
        """Both ends connect again by themselves."""

    def _established(self) -> frozenset[str]:
        return frozenset(" ".join(line.split()[2:4]) for line in self._ss().splitlines())

    def _ss(self, *options: str) -> str:
        wanted = [] if self.port is None else [f"( sport = :{self.port} or dport = :{self.port} )"]
        return subprocess.run(
            ["ss", "-N", self.host.netns, *options, "-H", "-n", "-t", "state", "established", *wanted],
            capture_output=True,
            text=True,
            check=True,
            timeout=COMMAND_DEADLINE_S,
        ).stdout


def tables(host: Host) -> list[str]:
    """The names of our tables in a host's namespace: the network faults that are in place."""
    shown = json.loads(_nft(host, ["-j", "list", "tables"]))
    names = [entry["table"]["name"] for entry in shown["nftables"] if "table" in entry]
    return sorted(name for name in names if name.startswith(TABLE_PREFIX))


def has_table(host: Host, table: str) -> bool:
    """Whether one of our tables is in place."""
    return table in tables(host)


def drop_table(host: Host, table: str) -> None:
    """Remove one of our tables, if it is there."""
    # Added first, so that the removal of one that is not there succeeds.
    _nft(host, ["-f", "-"], stdin_text=f"add table inet {table}\ndelete table inet {table}\n")


def packets_dropped(host: Host, table: str) -> int:
    """What the rules of one table have dropped."""
    shown = json.loads(_nft(host, ["-j", "list", "table", "inet", table]))
    expressions = [one for entry in shown["nftables"] if "rule" in entry for one in entry["rule"]["expr"]]
    return sum(one["counter"]["packets"] for one in expressions if "counter" in one)


def has_bandwidth_limit(host: Host) -> bool:
    """Whether the host's end of its cable is narrowed."""
    return "tbf" in _tc(["-n", host.netns, "qdisc", "show", "dev", network.DEVICE], check=False)


def heal_host(host: Host, subnet: Subnet, number: int) -> None:
    """Remove every network fault of a host."""
    for table in tables(host):
        drop_table(host, table)
    if has_bandwidth_limit(host):
        Bandwidth(host=host, port_device=subnet.port_device(number), rate="").heal()


def _set_table(host: Host, table: str, *, incoming: list[str], outgoing: list[str]) -> None:
    """Replace a table in one step; its rules come before any other and before connection tracking."""
    rules = "\n".join(
        f"add chain inet {table} {chain} {{ type filter hook {hook} priority -300; }}\n"
        + "\n".join(f"add rule inet {table} {chain} {line}" for line in lines)
        for chain, hook, lines in (("incoming", "input", incoming), ("outgoing", "output", outgoing))
    )
    _nft(
        host,
        ["-f", "-"],
        stdin_text=f"add table inet {table}\ndelete table inet {table}\nadd table inet {table}\n{rules}\n",
    )


def _silent(address: str, port: int) -> bool:
    """Whether a connection attempt is not answered at all."""
    try:
        socket.create_connection((address, port), timeout=0.3).close()
    except TimeoutError:
        return True
    except OSError:
        return False
    return False


def _nft(host: Host, arguments: list[str], *, stdin_text: str | None = None) -> str:
    done = subprocess.run(
        ["nsenter", f"--net={network.NAMESPACES / host.netns}", "nft", *arguments],
        input=stdin_text,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_DEADLINE_S,
    )
    if done.returncode != 0:
        raise LabError(f"nft on {host.name} failed: {done.stderr.strip()}")
    return done.stdout


def _tc(arguments: list[str], *, check: bool = True) -> str:
    done = subprocess.run(["tc", *arguments], capture_output=True, text=True, check=False, timeout=COMMAND_DEADLINE_S)
    if check and done.returncode != 0:
        raise LabError(f"`tc {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout
