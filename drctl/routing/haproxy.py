"""haproxy.cfg: which member takes writes is asked of the controllers, the center's own first."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from drctl.model.identity import CenterName
from drctl.model.topology import Address, Topology
from drctl.routing.doors import Door, centers_from, members_from

CHECK_PORT = 5999
"""On the loopback, where HAProxy's own checks reach whichever controller answers."""
READ_LAG = "16MiB"

_HEAD = """\
# Written by `drctl routing haproxy`. One file for each center; see docs/how-to/routing.md.
global
    maxconn 4096

defaults
    mode tcp
    timeout connect 1s
    # Of a session that says nothing; a pool's connections may be idle for hours.
    timeout client 24h
    timeout server 24h
    timeout check 500ms
    option tcpka
    option redispatch 1
    retries 3
"""

_CONTROLLERS = """
# Checks ask this door: {first} answers while it lives, else another center's controller. So members are told
# apart by what a living controller knows, and the restart of a controller cuts no session.
listen drctl
    bind 127.0.0.1:{check_port}
    mode http
    timeout client 5s
    timeout connect 300ms
    timeout server 300ms
    timeout queue 300ms
    timeout check 300ms
    retry-on conn-failure empty-response response-timeout
    option httpchk
    http-check send meth GET uri /liveness
    http-check expect status 200
    default-server inter 500ms fall 1 rise 1 observe layer4 error-limit 1 on-error mark-down
"""

_WRITES = """
# Writes of {group}: the member that takes them, and nobody else. Sessions to a former primary are cut.
listen {group}
    bind {bind}:{port}
    option httpchk
    http-check send meth GET uri-lf "/primary?group={group}&member=%[srv_name]"
    http-check expect status 200
    default-server check addr 127.0.0.1 port {check_port} inter 200ms fastinter 100ms downinter 100ms
    default-server fall 2 rise 1 on-marked-down shutdown-sessions
"""

_READS = """
# Reads of {group}: standbys that are less than {lag} behind; the primary when there is none.
listen {group}-read
    bind {bind}:{port}
    balance leastconn
    use_backend {group} if {{ nbsrv({group}-read) lt 1 }}
    option httpchk
    http-check send meth GET uri-lf "/replica?group={group}&member=%[srv_name]&lag={lag}"
    http-check expect status 200
    default-server check addr 127.0.0.1 port {check_port} inter 500ms
    default-server fall 2 rise 1 on-marked-down shutdown-sessions
"""


def haproxy(
    topology: Topology,
    doors: Sequence[Door],
    *,
    center: CenterName | None,
    bind: str = "*",
    check_port: int = CHECK_PORT,
) -> str:
    """The configuration of the HAProxy of `center`."""
    return _HEAD + "".join(
        [
            *_controllers(topology, center, check_port),
            *(line for door in doors for line in _group(door, center, bind, check_port)),
        ]
    )


def _controllers(topology: Topology, center: CenterName | None, check_port: int) -> Iterator[str]:
    first, *others = centers_from(topology, center)
    yield _CONTROLLERS.format(first=f"the controller of {first.name}", check_port=check_port)
    yield f"    server {first.name} {first.http} check\n"
    yield from (f"    server {other.name} {other.http} check backup\n" for other in others)


def _group(door: Door, center: CenterName | None, bind: str, check_port: int) -> Iterator[str]:
    group = door.group
    yield _WRITES.format(group=group.name, bind=bind, port=door.write_port, check_port=check_port)
    for member in group.peers:
        yield f"    server {member.name} {Address(host=member.host, port=member.port)}\n"
    yield _READS.format(group=group.name, bind=bind, port=door.read_port, check_port=check_port, lag=READ_LAG)
    for member in members_from(group, center):
        yield f"    server {member.name} {Address(host=member.host, port=member.port)}\n"
