"""Who may read and write drctl's nodes: the one place where access control lists come from."""

from __future__ import annotations

from kazoo.security import ACL, OPEN_ACL_UNSAFE


def node_acl() -> tuple[ACL, ...]:
    """The list that every node of drctl is created with: anybody, as on an ensemble that a firewall keeps."""
    return tuple(OPEN_ACL_UNSAFE)
