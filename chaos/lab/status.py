"""What a lab looks like right now, from the inside: no network fault hides it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import psycopg
from rich.table import Table

from chaos.faults import link

if TYPE_CHECKING:
    from chaos.lab.center import Center
    from chaos.lab.lab import Lab
    from chaos.lab.postgres import Member

STATE = """
    select case when pg_is_in_recovery() then 'standby' else 'primary' end,
           coalesce((select checkpoint.timeline_id from pg_control_checkpoint() as checkpoint), 0),
           case when pg_is_in_recovery() then greatest(pg_last_wal_receive_lsn(), pg_last_wal_replay_lsn())
                else pg_current_wal_flush_lsn() end::text,
           (select status from pg_stat_wal_receiver)
"""


def picture(lab: Lab) -> Table:
    """A table with one row a member and the state of its center beside it."""
    table = Table(title=f"lab {lab.name}, PostgreSQL {lab.record.postgres_version}", box=None, title_justify="left")
    for heading in ("Center", "Power", "ZooKeeper", "sshd", "Controller", "Faults", "Member", "State", "TL", "LSN"):
        table.add_column(heading)
    for center in lab.centers.values():
        facts = _center_facts(center)
        for member in center.members.values():
            table.add_row(*facts, member.name, *_member_facts(member))
            facts = ("",) * len(facts)
    return table


def _center_facts(center: Center) -> tuple[str, ...]:
    if not center.powered:
        return (f"{center.name} {center.label}", "[red]off[/]", "", "", "", "")
    controller = _alive(center.controller.running) if center.with_controller else "-"
    role = (
        center.zookeeper.role(timeout_s=0.3)
        if center.zookeeper.running and not _stands_still(center, "zookeeper")
        else None
    )
    return (
        f"{center.name} {center.label}",
        "on",
        role or ("[yellow]no quorum[/]" if center.zookeeper.running else "[red]down[/]"),
        _alive(center.sshd.running),
        controller,
        " ".join(
            [*_frozen_parts(center), *(name.removeprefix(link.TABLE_PREFIX) for name in link.tables(center.host))]
        ),
    )


def _member_facts(member: Member) -> tuple[str, ...]:
    if not member.running:
        return ("[red]down[/]", "", "")
    if any(group.frozen for group in (member.host.cgroup, member.host.cgroup.child(member.kind))):
        return ("[cyan]frozen[/]", "", "")
    if not member.ready:
        return ("[yellow]starting[/]", "", "")
    try:
        role, timeline, lsn, receiver = member.query(STATE)[0]
    except psycopg.Error:
        return ("[yellow]no answer[/]", "", "")
    state = f"[green]{role}[/]" if role == "primary" else f"{role}, {receiver or '[yellow]no stream[/]'}"
    return (state, str(timeline), str(lsn))


def _frozen_parts(center: Center) -> list[str]:
    if center.cgroup.told_to_freeze:
        return ["[cyan]frozen[/]"]
    return [f"[cyan]frozen:{group.path.name}[/]" for group in center.cgroup.children() if group.told_to_freeze]


def _stands_still(center: Center, kind: str) -> bool:
    return center.cgroup.child(kind).frozen


def _alive(running: bool) -> str:  # noqa: FBT001 -- one word for one fact
    return "up" if running else "[red]down[/]"
