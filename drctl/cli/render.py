"""Tables and colours: a snapshot as people read it. rich measures Chinese text by its width on the screen."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from rich.console import Console, Group, RenderableType
from rich.measure import Measurement
from rich.table import Table
from rich.text import Text
from rich.tree import Tree

from drctl.model.event import Severity
from drctl.model.identity import CenterName
from drctl.model.position import Lsn, format_lsn
from drctl.model.snapshot import (
    ClusterSnapshot,
    GroupSnapshot,
    MemberSnapshot,
    MemberState,
    Protection,
    Role,
    Rpo,
)

GOOD, WARN, BAD, FAINT = "green", "yellow", "bold red", "bright_black"

_STATE_STYLES: Mapping[MemberState, str] = {
    MemberState.RUNNING: GOOD,
    MemberState.STREAMING: GOOD,
    MemberState.CATCHING_UP: WARN,
    MemberState.CONNECTING: WARN,
    MemberState.STARTING: WARN,
    MemberState.REJOINING: WARN,
    MemberState.UNKNOWN: FAINT,
}
_PROTECTION_STYLES: Mapping[Protection, str] = {
    Protection.PROTECTED: GOOD,
    Protection.NO_SPARE: WARN,
    Protection.UNKNOWN: FAINT,
    Protection.NOT_INITIALISED: WARN,
}
_RPO_STYLES: Mapping[Rpo, str] = {Rpo.ZERO: GOOD, Rpo.EXPOSED: BAD}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Column:
    """A column of `drctl list`."""

    title: str
    cell: Callable[[GroupSnapshot, MemberSnapshot, Mapping[CenterName, str]], Text | str]
    right: bool = False
    expendable: int = 0
    """On a terminal that is too narrow the greatest goes first; 0 stays."""


_WIDTH_WITHOUT_BOUND = 1000

_COLUMNS = (
    _Column(title="Group", cell=lambda group, _, __: group.name, expendable=2),
    _Column(title="Member", cell=lambda _, member, __: Text(member.name, "bold" if member.writable else "")),
    _Column(title="Center", cell=lambda _, member, labels: labels.get(member.center, member.center), expendable=4),
    _Column(title="Host", cell=lambda _, member, __: f"{member.host}:{member.port}", expendable=7),
    _Column(title="Role", cell=lambda _, member, __: Text(member.role.value, _role_style(member.role))),
    _Column(title="State", cell=lambda _, member, __: Text(member.state.value, _STATE_STYLES.get(member.state, BAD))),
    _Column(title="TL", cell=lambda _, member, __: str(member.timeline or ""), right=True, expendable=3),
    _Column(title="Receive LSN", cell=lambda _, member, __: lsn(member.receive_lsn), right=True, expendable=5),
    _Column(title="Lag", cell=lambda _, member, __: lag(member.receive_lag_bytes), right=True),
    _Column(title="Replay LSN", cell=lambda _, member, __: lsn(member.replay_lsn), right=True, expendable=6),
    _Column(title="Lag", cell=lambda _, member, __: lag(member.replay_lag_bytes), right=True, expendable=1),
    _Column(title="RPO", cell=lambda _, member, __: Text(member.rpo.value, _RPO_STYLES.get(member.rpo, FAINT))),
)


def cluster(snapshot: ClusterSnapshot, console: Console) -> RenderableType:
    """What `drctl list` shows."""
    parts: list[RenderableType] = [_heading(snapshot), members(snapshot, console)]
    parts += [_group_notes(group) for group in snapshot.groups]
    return Group(*parts)


def members(snapshot: ClusterSnapshot, console: Console) -> RenderableType:
    """The table of all members, without the columns that the terminal has no room for."""
    columns = list(_COLUMNS)
    while True:
        table = _members_table(snapshot, columns)
        expendable = [column for column in columns if column.expendable]
        if not expendable or _width(console, table) <= console.width:
            break
        columns.remove(max(expendable, key=lambda column: column.expendable))
    if len(columns) == len(_COLUMNS):
        return table
    return Group(table, Text(" this terminal is narrow: some columns are left out (all: -f tsv)", FAINT))


def _width(console: Console, table: Table) -> int:
    """What the table would take with all the room that it wants."""
    return Measurement.get(console, console.options.update(width=_WIDTH_WITHOUT_BOUND), table).maximum


def _members_table(snapshot: ClusterSnapshot, columns: list[_Column]) -> Table:
    table = table_of(*((column.title, column.right) for column in columns))
    labels = center_labels(snapshot)
    for group in snapshot.groups:
        for member in group.members:
            table.add_row(*(column.cell(group, member, labels) for column in columns))
        table.add_section()
    return table


def table_of(*columns: tuple[str, bool]) -> Table:
    """An empty table with these titles; True for numbers, which stand to the right."""
    table = Table(box=None, header_style="bold", pad_edge=True, show_edge=False, padding=(0, 1))
    for title, right in columns:
        table.add_column(title, justify="right" if right else "left", no_wrap=True)
    return table


def center_labels(snapshot: ClusterSnapshot) -> dict[CenterName, str]:
    """`朝晖 zhaohui`; the name alone where the label says nothing more."""
    return {
        center.name: center.name if center.label == center.name else f"{center.label} {center.name}"
        for center in snapshot.centers
    }


def _heading(snapshot: ClusterSnapshot) -> Text:
    text = Text.assemble(("Cluster ", ""), (snapshot.cluster, "bold"))
    text.append(
        f", leader {snapshot.leader or 'unknown'}, as {snapshot.center} knows it at {when(snapshot.at_utc)}", FAINT
    )
    if not snapshot.connected:
        text.append(
            f"\nwarning: the controller in {snapshot.center} is without its coordinator (ZooKeeper), and none that has one "
            "answers:\n  databases are shown as they are now, roles and rules as they were; commits go on, changes wait. "
            "See: drctl doctor",
            WARN,
        )
    absent = [center.name for center in snapshot.centers if not center.controller]
    if absent and snapshot.connected:
        text.append(f"\nwarning: no controller in {', '.join(absent)}", WARN)
    return text


def _group_notes(group: GroupSnapshot) -> RenderableType:
    lines = Text()
    lines.append(f" {group.name}: ", "bold")
    lines.append(group.protection.value, _PROTECTION_STYLES.get(group.protection, BAD))
    lines.append(f": {group.protection_text}\n")
    lines.append("   if the primary died now: ", FAINT)
    lines.append(group.explanation.would, "" if group.explanation.heir else WARN)
    for note, style in _extra_notes(group):
        lines.append(f"\n   {note}", style)
    return lines


def _extra_notes(group: GroupSnapshot) -> Iterator[tuple[str, str]]:
    if group.exposed_since_utc:
        yield f"RPO exposed since {when(group.exposed_since_utc)}", BAD
    if group.paused:
        yield f"paused: drctl observes and changes nothing; to go on: drctl resume {group.name}", WARN
    if group.run is not None:
        yield f"run {group.run.id} ({group.run.kind.value}) is under way; to see it: drctl watch {group.run.id}", WARN
    elif len(group.rules) > 1:
        yield f"a change of rules was interrupted: {'; '.join(group.rules)}", WARN
    for member in group.members:
        if member.detail:
            # The database's own words may go on for several lines; the log has them all.
            yield f"{member.name}: {member.state.value}, {member.detail.partition(chr(10))[0]}", FAINT
    for alarm in group.alarms:
        remedy = f"; {alarm.remedy}" if alarm.remedy else ""
        yield f"{alarm.severity.value}: {alarm.message}{remedy}", BAD if alarm.severity is Severity.ALARM else WARN


def _role_style(role: Role) -> str:
    return {Role.PRIMARY: "bold cyan", Role.REPLICA: "", Role.SATELLITE: FAINT}.get(role, "cyan")


def lsn(position: Lsn | None) -> str:
    """A position; empty when it is not known."""
    return "" if position is None else format_lsn(position)


def lag(behind_bytes: int | None) -> str:
    """`1.5 MiB`; empty when it is not known."""
    if behind_bytes is None:
        return ""
    amount, unit = float(behind_bytes), "B"
    for greater in ("KiB", "MiB", "GiB"):
        if amount < 1024:
            break
        amount, unit = amount / 1024, greater
    return "0" if behind_bytes == 0 else f"{amount:.0f} {unit}" if unit == "B" else f"{amount:.1f} {unit}"


def topology(snapshot: ClusterSnapshot) -> RenderableType:
    """Centers, and what stands in each."""
    tree = Tree(_heading(snapshot), guide_style=FAINT)
    for center in snapshot.centers:
        known = center.controller and snapshot.connected
        how = "leads" if snapshot.leader == center.name else "watches" if known else "is not known to run"
        branch = tree.add(
            Text.assemble(
                (center_labels(snapshot)[center.name], "bold"),
                (f"  its controller {how}", GOOD if known else WARN),
            )
        )
        for group in snapshot.groups:
            for member in group.members:
                if member.center == center.name:
                    branch.add(_leaf(group, member))
    return tree


def _leaf(group: GroupSnapshot, member: MemberSnapshot) -> Text:
    leaf = Text.assemble(
        (member.name, "bold" if member.writable else ""),
        ("  ", ""),
        (member.role.value, _role_style(member.role)),
        ("  ", ""),
        (member.state.value, _STATE_STYLES.get(member.state, BAD)),
        (f"  {member.host}:{member.port}", FAINT),
    )
    if member.role is not Role.PRIMARY and member.receive_lag_bytes:
        leaf.append(f"  {lag(member.receive_lag_bytes)} behind", WARN)
    if group.home == member.center:
        leaf.append("  home", FAINT)
    return leaf


def explanation(group: GroupSnapshot) -> RenderableType:
    """What `drctl explain` shows of a group."""
    text = Text()
    text.append(f"{group.name}\n", "bold")
    text.append("  protection: ")
    text.append(group.protection.value, _PROTECTION_STYLES.get(group.protection, BAD))
    text.append(f": {group.protection_text}\n")
    for rule in group.rules:
        text.append(f"  rule: every commit that was acknowledged is on {rule}\n", FAINT)
    text.append(f"  if the primary died now: {group.explanation.would}")
    if group.explanation.heir is not None:
        seconds = group.explanation.seconds
        within = f", writes again within {seconds:.1f} s" if seconds is not None else ""
        text.append(f"\n  heir: {group.explanation.heir}{within}", GOOD)
    if group.explanation.missing:
        text.append(f"\n  missing: {', '.join(group.explanation.missing)}; the return of one would settle it", BAD)
    for note, style in _extra_notes(group):
        text.append(f"\n  {note}", style)
    return text


def when(utc: str) -> str:
    """A wall time in the local zone, with its offset."""
    return datetime.fromisoformat(utc).astimezone().isoformat(sep=" ", timespec="seconds")
