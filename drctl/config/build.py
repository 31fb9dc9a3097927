"""From the file's entries to what the rest of drctl is given."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from pydantic import BaseModel

from drctl.config.configuration import (
    AuditSettings,
    Configuration,
    DatabaseSettings,
    DrillSettings,
    PgBouncerSettings,
    ReplicationSettings,
    SshSettings,
    ZooKeeperSettings,
)
from drctl.config.entries import ClusterEntry, DrillsEntry, GroupEntry, expected_at
from drctl.config.notifications import notifications
from drctl.config.policy_keys import FIELD_OF_KEY, defaults, given
from drctl.config.problem import KeyPath, Problem, dotted
from drctl.config.scalars import in_file_form
from drctl.drill.calendar import CalendarEntry, Freeze
from drctl.model.identity import CenterName, GroupName, MemberName
from drctl.model.policy import Policy
from drctl.model.topology import Address, Center, Group, Member, Pool, Topology


def build(entry: ClusterEntry, *, file: str, warnings: Sequence[Problem]) -> Configuration:
    """The configuration of entries that were checked."""
    return Configuration(
        topology=Topology(
            cluster=entry.cluster,
            centers=tuple(
                Center(name=CenterName(name), label=center.label or name, zookeeper=center.zookeeper, http=center.http)
                for name, center in entry.centers.items()
            ),
            groups=tuple(_group(entry, name, group) for name, group in entry.groups.items()),
        ),
        zookeeper=ZooKeeperSettings(root=entry.zookeeper.root, session_timeout_s=entry.zookeeper.session_timeout),
        ssh=SshSettings(
            user=entry.ssh.user,
            port=entry.ssh.port,
            identity=entry.ssh.identity,
            known_hosts=entry.ssh.known_hosts,
        ),
        database=DatabaseSettings(
            user=entry.database.user,
            password=entry.database.password,
            dbname=entry.database.dbname,
            sslmode=entry.database.sslmode,
        ),
        replication=ReplicationSettings(user=entry.replication.user),
        pgbouncer=PgBouncerSettings(
            user=entry.pgbouncer.user, password=entry.pgbouncer.password, sslmode=entry.pgbouncer.sslmode
        ),
        notifications=notifications(entry.notifications),
        playbooks=entry.playbooks,
        audit=AuditSettings(directory=entry.audit.directory),
        file=file,
        drills=_drills(entry.drills),
        warnings=tuple(warnings),
        effective=dict(_effective(entry)),
    )


def _drills(entry: DrillsEntry) -> DrillSettings:
    return DrillSettings(
        checks=entry.checks,
        user=entry.user or "",
        password=entry.password,
        dbname=entry.dbname or "",
        copy_rate_bytes=entry.copy_rate,
        keep_free_bytes=entry.keep_free,
        announce_s=entry.announce,
        calendar=tuple(
            CalendarEntry(
                name=name,
                kind=drill.kind,
                group=GroupName(drill.group),
                at=drill.at,
                window_s=drill.window,
                days=drill.days,
                to=None if drill.to is None else CenterName(drill.to),
                stay_s=drill.stay,
            )
            for name, drill in entry.calendar.items()
        ),
        freezes=tuple(
            Freeze(name=name, first=freeze.first, last=freeze.last) for name, freeze in entry.freezes.items()
        ),
    )


def policy_values(entry: ClusterEntry, group: GroupEntry) -> dict[str, Any]:
    """A group's policy by field name: the defaults, under the deployment's, under the group's own."""
    return {**defaults(), **given(entry.policy), **given(group.policy)}


def _group(entry: ClusterEntry, name: str, group: GroupEntry) -> Group:
    return Group(
        name=GroupName(name),
        home=CenterName(group.home),
        members=tuple(
            Member(
                name=MemberName(member_name),
                group=GroupName(name),
                center=CenterName(member.center),
                host=member.host,
                port=member.port,
                priority=member.priority,
                kind=member.kind,
            )
            for member_name, member in group.members.items()
        ),
        policy=Policy(**policy_values(entry, group)),
        after=tuple(GroupName(other) for other in group.after),
        pools=tuple(
            Pool(
                name=pool_name,
                address=Address(host=pool.host, port=pool.port),
                databases=tuple(pool.databases),
                route=pool.route,
            )
            for pool_name, pool in group.pgbouncers.items()
        ),
    )


def _effective(entry: ClusterEntry) -> Iterator[tuple[str, str]]:
    yield from _flat(entry, ())
    for name, group in entry.groups.items():
        values = policy_values(entry, group)
        for key, field_name in FIELD_OF_KEY.items():
            path = ("groups", name, "policy", key)
            yield dotted(path), in_file_form(values[field_name], expected_at(path))


def _flat(value: object, path: KeyPath) -> Iterator[tuple[str, str]]:
    match value:
        case BaseModel():
            for key in type(value).model_fields:
                # A policy is shown where it takes effect, in the groups.
                if key != "policy":
                    yield from _flat(getattr(value, key), (*path, key))
        case dict():
            for key, item in value.items():
                yield from _flat(item, (*path, key))
        case list():
            yield dotted(path), ", ".join(str(item) for item in value)
        case _:
            yield dotted(path), in_file_form(value, expected_at(path))
