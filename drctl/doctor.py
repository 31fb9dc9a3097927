"""`drctl doctor` beside databases: what the record says of a group, and how much room its hosts have. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from drctl.model.identity import MemberName
from drctl.model.report import HostReport
from drctl.model.rule import GroupRecord
from drctl.model.takeover import Finding, FindingSeverity
from drctl.model.topology import Group
from drctl.ports import GroupState

DISK_FREE_LOW_BYTES = 5 << 30
DISK_FREE_MIN_BYTES = 1 << 30


def of_record(group: Group, state: GroupState) -> Iterator[Finding]:
    """What the coordinator holds of a group that a person should know of."""
    if state.unreadable:
        yield _error(
            group.name,
            f"its record cannot be read: {state.unreadable}",
            "nothing is decided about it",
            f"drctl version; the controllers and this program must be of one version; then: drctl list {group.name}",
        )
        return
    record = state.record
    if record is None:
        yield _error(
            group.name,
            "is not under drctl's protection",
            "no failover will happen",
            f"drctl init {group.name} --dry-run",
        )
        return
    yield from _of_state(group, record)
    unknown = sorted({name for rule in record.rules for name in (rule.primary, *rule.sync.members)} - _names(group))
    if unknown:
        yield _error(
            group.name,
            f"its record speaks of {', '.join(unknown)}, which cluster.yaml does not have",
            "what cannot be reached can be neither sealed nor promoted",
            f"correct groups.{group.name}.members in cluster.yaml of every center; then: drctl config diff",
        )


def _of_state(group: Group, record: GroupRecord) -> Iterator[Finding]:
    if record.degraded_since_utc is not None:
        yield _error(
            group.name,
            f"commits are acknowledged by {record.primary} alone since {record.degraded_since_utc}",
            "the policy lets it: a failover now loses what no standby has",
            f"bring a standby back: drctl list {group.name}; drctl rejoin",
        )
    if record.paused:
        yield _warning(
            group.name,
            "is paused",
            "nothing is done for it by itself: no failover",
            f"drctl resume {group.name}",
        )
    if record.joint and record.run is None:
        yield _warning(
            group.name,
            f"has {len(record.rules)} rules: a change was interrupted",
            "a failover must satisfy all of them, and needs more members for that",
            f"drctl explain {group.name}",
        )
    if not (record.degraded_since_utc or record.paused or record.joint):
        yield Finding(severity=FindingSeverity.OK, subject=group.name, what=f"is protected by the rule: {record.rule}")


def of_room(hosts: Mapping[MemberName, HostReport]) -> Iterator[Finding]:
    """Members whose disks are about to be full."""
    for name, host in hosts.items():
        free = host.disk_free_bytes
        if free is None or free >= DISK_FREE_LOW_BYTES:
            continue
        finding = _error if free < DISK_FREE_MIN_BYTES else _warning
        yield finding(
            name,
            f"has {free / (1 << 30):.1f} GiB free where its data is",
            "a full disk stops commits, and a rejoin keeps the discarded WAL beside the data",
            "on its host: df -h; du -xh --max-depth=2 PGDATA | sort -h | tail; old rejoins' WAL may go, a slot may keep more",
        )


def _names(group: Group) -> set[MemberName]:
    return {member.name for member in group.members}


def _error(subject: str, what: str, why: str, remedy: str) -> Finding:
    return Finding(severity=FindingSeverity.ERROR, subject=subject, what=what, why=why, remedy=remedy)


def _warning(subject: str, what: str, why: str, remedy: str) -> Finding:
    return Finding(severity=FindingSeverity.WARNING, subject=subject, what=what, why=why, remedy=remedy)
