"""What a lab looks like right now, from the inside: no network fault hides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from rich.console import Group
from rich.table import Table

from chaos.faults import link
from chaos.lab import controller, sshd, zookeeper

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.lab.center import Center
    from chaos.lab.lab import Lab
    from chaos.lab.postgres import Member

PARTS = ("ZooKeeper", "sshd", "Controller")
DOWN = "[red]down[/]"
FROZEN = "[cyan]frozen[/]"
NO_QUORUM = "[yellow]no quorum[/]"
STATE = """
    select case when pg_is_in_recovery() then 'standby' else 'primary' end,
           -- What the control file says of a standby's timeline is old until its next restartpoint.
           coalesce((select received_tli from pg_stat_wal_receiver), (select timeline_id from pg_control_checkpoint())),
           case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                else pg_current_wal_flush_lsn() end::text,
           (select status from pg_stat_wal_receiver)
"""


def picture(lab: Lab) -> Group:
    """Two tables: what runs in each center and what was broken on purpose; then each member."""
    centers = _table(f"lab {lab.name}, PostgreSQL {lab.record.postgres_version}", "Center", "Power", *PARTS, "Faults")
    members = _table("", "Member", "State", "TL", "LSN")
    for center in lab.centers.values():
        centers.add_row(*_center_facts(center))
    for member in lab.members.values():
        members.add_row(member.name, *_member_facts(member))
    return Group(centers, members)


def _table(title: str, *headings: str) -> Table:
    table = Table(title=title, box=None, title_justify="left", title_style="bold")
    for heading in headings:
        table.add_column(heading, no_wrap=heading != "Faults")
    return table


def _center_facts(center: Center) -> tuple[str, ...]:
    name = f"{center.name} {center.label}"
    if not center.powered:
        return (name, "[red]off[/]", "", "", "", "")
    faults = [table.removeprefix(link.TABLE_PREFIX) for table in link.tables(center.host)]
    if link.has_bandwidth_limit(center.host):
        faults.append("bandwidth")
    if center.cgroup.told_to_freeze:
        return (name, "on", FROZEN, FROZEN, FROZEN, " ".join(faults))
    return (
        name,
        "on",
        _part(center, zookeeper.KIND, center.zookeeper.running, lambda: center.zookeeper.role() or NO_QUORUM),
        _part(center, sshd.KIND, center.sshd.running, lambda: "up"),
        _part(center, controller.KIND, center.controller.running, lambda: "up") if center.controller.enabled else "-",
        " ".join(faults),
    )


def _part(center: Center, kind: str, running: bool, word: Callable[[], str]) -> str:  # noqa: FBT001 -- a fact, not a switch
    if not running:
        return DOWN
    return FROZEN if center.cgroup.child(kind).frozen else word()


def _member_facts(member: Member) -> tuple[str, ...]:
    if not member.running:
        return (DOWN, "", "")
    if any(group.frozen for group in (member.host.cgroup, member.host.cgroup.child(member.kind))):
        return (FROZEN, "", "")
    if not member.ready:
        return ("[yellow]starting[/]", "", "")
    try:
        role, timeline, lsn, receiver = member.query(STATE)[0]
    except psycopg.Error:
        return ("[yellow]no answer[/]", "", "")
    state = f"[green]{role}[/]" if role == "primary" else f"{role}, {receiver or '[yellow]no stream[/]'}"
    return (state, str(timeline), str(lsn))
