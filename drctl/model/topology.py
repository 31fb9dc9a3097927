"""What a deployment is made of: centers, groups, members."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.identity import CenterName, GroupName, MemberName
from drctl.model.policy import Policy


class MemberKind(StrEnum):
    """What a member may become."""

    PEER = "peer"
    """May be primary, and may be in the sync set."""
    SATELLITE = "satellite"
    """Follows for local reads; never in the sync set, never an heir."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Address:
    """Where a service listens."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Center:
    """A failure domain, with one ZooKeeper voter and one controller."""

    name: CenterName
    label: str
    """What people call it, e.g. 朝晖."""
    zookeeper: Address
    http: Address
    """Where the center's controller answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One PostgreSQL instance of a group."""

    name: MemberName
    group: GroupName
    center: CenterName
    host: str
    """Of its PostgreSQL and of the sshd beside it."""
    port: int
    priority: int = 0
    """Among equally advanced heirs the greater wins."""
    kind: MemberKind = MemberKind.PEER


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """A PgBouncer that clients of a group go through."""

    name: str
    address: Address
    """Of its clients, and of its admin console."""
    databases: tuple[str, ...] = ()
    """Its databases that lead to the group; empty when all of them do."""
    route: Address | None = None
    """Where its own connections go: the HAProxy behind it. None when that is not known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """One replicated database."""

    name: GroupName
    home: CenterName
    """Where its primary belongs when all is well."""
    members: tuple[Member, ...]
    policy: Policy
    after: tuple[GroupName, ...] = ()
    """Groups that must be served before an operation on this one begins."""
    pools: tuple[Pool, ...] = ()
    """What a switchover pauses and resumes."""

    def member(self, name: MemberName) -> Member:
        """The member called `name`. Raises KeyError."""
        for member in self.members:
            if member.name == name:
                return member
        raise KeyError(name)

    @property
    def peers(self) -> tuple[Member, ...]:
        """The members that may be primary or stand by synchronously."""
        return tuple(member for member in self.members if member.kind is MemberKind.PEER)


@dataclass(frozen=True, slots=True, kw_only=True)
class Topology:
    """The whole deployment, the same in every center."""

    cluster: str
    centers: tuple[Center, ...]
    groups: tuple[Group, ...]

    def center(self, name: CenterName) -> Center:
        """The center called `name`. Raises KeyError."""
        for center in self.centers:
            if center.name == name:
                return center
        raise KeyError(name)

    def group(self, name: GroupName) -> Group:
        """The group called `name`. Raises KeyError."""
        for group in self.groups:
            if group.name == name:
                return group
        raise KeyError(name)

    @property
    def members(self) -> tuple[Member, ...]:
        """The members of every group."""
        return tuple(member for group in self.groups for member in group.members)
