"""Where clients knock: one port a group for writes, one for reads."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.model.identity import CenterName
from drctl.model.topology import Center, Group, Member, Topology

FIRST_PORT = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Door:
    """The ports of one group, the same in every center."""

    group: Group
    write_port: int
    read_port: int


def doors(topology: Topology, *, first_port: int = FIRST_PORT) -> tuple[Door, ...]:
    """Every group's ports, by its place in cluster.yaml: a file for one group has the ports of the file for all."""
    return tuple(
        Door(group=group, write_port=first_port + 2 * place, read_port=first_port + 2 * place + 1)
        for place, group in enumerate(topology.groups)
    )


def centers_from(topology: Topology, center: CenterName | None) -> tuple[Center, ...]:
    """The centers, `center` first; in the order of cluster.yaml without one."""
    return tuple(sorted(topology.centers, key=lambda each: each.name != center))


def members_from(group: Group, center: CenterName | None) -> tuple[Member, ...]:
    """The members, those of `center` first."""
    return tuple(sorted(group.members, key=lambda member: member.center != center))
