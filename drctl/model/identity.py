"""Names that must not be mixed up."""

from __future__ import annotations

from typing import NewType

CenterName = NewType("CenterName", str)
"""A failure domain: one hospital data center."""

GroupName = NewType("GroupName", str)
"""One replicated database: a primary and its standbys."""

MemberName = NewType("MemberName", str)
"""One PostgreSQL instance of a group; also the `application_name` of its WAL receiver."""

Epoch = NewType("Epoch", int)
"""One higher for every operation on a group. Every command to a host carries it, and hosts refuse a lower one."""

RunId = NewType("RunId", str)
"""`<group>-<epoch>`: a run is the operation that raised the group's epoch."""


def run_id(group: GroupName, epoch: Epoch) -> RunId:
    """The id of the run that raised `group` to `epoch`."""
    return RunId(f"{group}-{epoch}")
