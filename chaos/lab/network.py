"""The lab's network: one bridge, one namespace a host, addresses that no other lab uses."""

from __future__ import annotations

import ctypes
import json
import os
import socket
import subprocess
import threading
from dataclasses import dataclass
from ipaddress import IPv4Network, ip_network
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from chaos.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterable

T = TypeVar("T")

NAMESPACES = Path("/run/netns")
DEVICES = Path("/sys/class/net")
PREFIX = "drlab-"
BRIDGE_PREFIX = "drlab"
DEVICE = "eth0"
CLONE_NEWNET = 0x40000000
COMMAND_DEADLINE_S = 20.0
LIBC = ctypes.CDLL(None, use_errno=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Subnet:
    """The addresses of one lab, 10.77.N.0/24."""

    number: int

    @property
    def network(self) -> IPv4Network:
        """All its addresses."""
        return IPv4Network(f"10.77.{self.number}.0/24")

    @property
    def bridge(self) -> str:
        """The bridge's device; it is also the claim on this subnet."""
        return f"{BRIDGE_PREFIX}{self.number}"

    @property
    def bridge_address(self) -> str:
        """This machine's own address in the lab."""
        return f"10.77.{self.number}.1"

    def address(self, host_number: int) -> str:
        """One host's address."""
        return f"10.77.{self.number}.{host_number}"

    def port_device(self, host_number: int) -> str:
        """The bridge's end of a host's cable."""
        return f"{self.bridge}-{host_number}"


def namespace_name(lab: str, host: str) -> str:
    """The name of a host's namespace: a mark by which remains are found."""
    return f"{PREFIX}{lab}-{host}"


def lab_of_namespace(namespace: str) -> str:
    """The lab that a namespace with our prefix belongs to."""
    return namespace.removeprefix(PREFIX).rpartition("-")[0]


def namespaces() -> list[str]:
    """Every namespace with our prefix."""
    if not NAMESPACES.is_dir():
        return []
    return sorted(entry.name for entry in NAMESPACES.iterdir() if entry.name.startswith(PREFIX))


def bridges() -> dict[str, str]:
    """Every bridge of ours and the lab that it belongs to."""
    shown = json.loads(run_ip("-j", "link", "show", "type", "bridge") or "[]")
    return {
        link["ifname"]: link["ifalias"].removeprefix(PREFIX)
        for link in shown
        if link.get("ifalias", "").startswith(PREFIX)
    }


def free_subnet(promised: Collection[int] = ()) -> Subnet:
    """A subnet that no route and no bridge of this machine touches; asked for under the registry's lock.

    `promised` are those of labs whose network may be gone for the moment, because they are half removed.
    """
    routes = json.loads(run_ip("-j", "-4", "route", "show", "table", "all") or "[]")
    taken = [ip_network(route["dst"]) for route in routes if route["dst"][0].isdigit()]
    for number in range(250):
        subnet = Subnet(number=number)
        free = not any(subnet.network.overlaps(network) for network in taken if network.prefixlen > 0)
        if free and number not in promised and not (DEVICES / subnet.bridge).exists():
            return subnet
    raise LabError("every subnet of 10.77.0.0/16 is in use here", remedy="python -m chaos lab down --stale")


def build(lab: str, subnet: Subnet, hosts: Iterable[tuple[str, int]]) -> None:
    """Make the bridge and, for each (name, number), a namespace with its cable and address."""
    lines = [
        f"link add {subnet.bridge} type bridge forward_delay 0 mcast_snooping 0",
        f"link set {subnet.bridge} alias {PREFIX}{lab}",
        f"addr add {subnet.bridge_address}/24 dev {subnet.bridge}",
        f"link set {subnet.bridge} up",
    ]
    for host, number in hosts:
        namespace, port = namespace_name(lab, host), subnet.port_device(number)
        run_ip("netns", "add", namespace)
        lines += [
            f"link add {port} type veth peer name {DEVICE} netns {namespace}",
            f"link set {port} master {subnet.bridge} up",
        ]
    run_ip("-batch", "-", stdin_text="\n".join(lines) + "\n")
    for host, number in hosts:
        run_ip(
            "-n",
            namespace_name(lab, host),
            "-batch",
            "-",
            stdin_text=f"link set lo up\naddr add {subnet.address(number)}/24 dev {DEVICE}\nlink set {DEVICE} up\n",
        )


def demolish(lab: str, bridges_of_lab: Iterable[str], namespaces_of_lab: Iterable[str]) -> None:
    """Remove what `build` made, or the part of it that is there; never a bridge that says it is another lab's."""
    owners = bridges()
    for bridge in bridges_of_lab:
        if owners.get(bridge, lab) != lab:
            continue
        ports = json.loads(run_ip("-j", "link", "show", "master", bridge, check=False) or "[]")
        for device in [*(link["ifname"] for link in ports if link), bridge]:
            run_ip("link", "del", device, check=False)
    for namespace in namespaces_of_lab:
        run_ip("netns", "del", namespace, check=False)


def link_up(namespace: str) -> bool:
    """Whether the host's cable is plugged in."""
    shown = json.loads(run_ip("-n", namespace, "-j", "link", "show", "dev", DEVICE, check=False) or "[]")
    return any("UP" in link.get("flags", []) for link in shown)


def set_link(namespace: str, *, up: bool) -> None:
    """Plug the host's cable in, or out."""
    run_ip("-n", namespace, "link", "set", DEVICE, "up" if up else "down")


def run_ip(*arguments: str, stdin_text: str | None = None, check: bool = True) -> str:
    """Run `ip`; what it printed. Raises LabError with what it complained of, unless told not to check."""
    done = subprocess.run(
        ["ip", *arguments],
        input=stdin_text,
        capture_output=True,
        text=True,
        check=False,
        timeout=COMMAND_DEADLINE_S,
    )
    if check and done.returncode != 0:
        raise LabError(f"`ip {' '.join(arguments)}` failed: {done.stderr.strip()}")
    return done.stdout


def inside(namespace: str, action: Callable[[], T]) -> T:
    """Run `action` with the network of a host, in a thread of its own.

    A socket that it opens stays in that network whoever uses it later. Raises what `action` raises.
    """
    outcome: list[T] = []
    trouble: list[BaseException] = []

    def enter_and_act() -> None:
        try:
            _enter(NAMESPACES / namespace)
            outcome.append(action())
        except BaseException as error:  # noqa: BLE001 -- handed to the caller's thread
            trouble.append(error)

    # The thread ends with the network it entered: no other code ever runs in it.
    thread = threading.Thread(target=enter_and_act, name=f"in {namespace}", daemon=True)
    thread.start()
    thread.join()
    if trouble:
        raise trouble[0]
    return outcome[0]


def return_to_the_machine(witnesses: Iterable[int]) -> None:
    """Leave the network of a lab's host, where who works in a lab's shell is, for the one that bridges are made in.

    `witnesses` are processes that live in the machine's own network. Called before there are threads: it moves the
    calling one. Raises LabError when no witness lives.
    """
    here = Path("/proc/self/ns/net").stat().st_ino
    if any((NAMESPACES / namespace).stat().st_ino == here for namespace in namespaces()):
        for pid in witnesses:
            _enter(Path(f"/proc/{pid}/ns/net"))
            return
        raise LabError("this shell is inside a lab that has lost its init", remedy="exit")


def connect(namespace: str, address: str, port: int, *, timeout_s: float = 1.0) -> socket.socket:
    """A TCP connection that starts at a host. Raises OSError."""
    return inside(namespace, lambda: socket.create_connection((address, port), timeout=timeout_s))


def _enter(namespace: Path) -> None:
    try:
        descriptor = os.open(namespace, os.O_RDONLY | os.O_CLOEXEC)
    except FileNotFoundError as error:
        raise LabError(f"the namespace {namespace} is gone") from error
    try:
        if LIBC.setns(descriptor, CLONE_NEWNET) != 0:
            number = ctypes.get_errno()
            raise LabError(f"the namespace {namespace} cannot be entered: {os.strerror(number)}")
    finally:
        os.close(descriptor)
