"""The formats for machines: JSON, YAML, and tab-separated values."""

from __future__ import annotations

import json
from collections.abc import Sequence

import click

from drctl.model.position import format_lsn
from drctl.model.snapshot import ClusterSnapshot, RunSnapshot
from drctl.telemetry.codec import Json

MEMBER_COLUMNS = (
    "group", "member", "center", "host", "role", "state", "tl", "receive_lsn", "receive_lag_bytes", "replay_lsn",
    "replay_lag_bytes", "rpo",
)  # fmt: skip
RUN_COLUMNS = (
    "run", "group", "kind", "from", "to", "started_utc", "elapsed_s", "outcome", "requested_by", "reason", "note",
)  # fmt: skip


def print_json(value: Json) -> None:
    """Indented JSON, Chinese as it is."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2))


def print_yaml(value: Json) -> None:
    """YAML in the order of the fields."""
    import yaml  # noqa: PLC0415 - only when it is asked for

    click.echo(yaml.safe_dump(value, allow_unicode=True, sort_keys=False), nl=False)


def print_tsv(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """A line of names, then a line a row; what is not known is empty."""
    click.echo("\t".join(columns))
    for row in rows:
        click.echo("\t".join(_cell(value) for value in row))


def print_value(value: Json, form: str, columns: Sequence[str], rows: Sequence[Sequence[object]]) -> None:
    """In any of the formats for machines."""
    match form:
        case "json":
            print_json(value)
        case "yaml":
            print_yaml(value)
        case _:
            print_tsv(columns, rows)


def member_rows(snapshot: ClusterSnapshot) -> list[Sequence[object]]:
    """The rows of `drctl list -f tsv`."""
    return [
        (
            group.name,
            member.name,
            member.center,
            f"{member.host}:{member.port}",
            member.role,
            member.state,
            member.timeline,
            None if member.receive_lsn is None else format_lsn(member.receive_lsn),
            member.receive_lag_bytes,
            None if member.replay_lsn is None else format_lsn(member.replay_lsn),
            member.replay_lag_bytes,
            member.rpo,
        )
        for group in snapshot.groups
        for member in group.members
    ]


def run_rows(runs: Sequence[RunSnapshot]) -> list[Sequence[object]]:
    """The rows of `drctl history -f tsv`."""
    return [
        (
            run.id,
            run.group,
            run.kind,
            run.old_primary,
            run.heir,
            run.started_utc,
            f"{run.elapsed_s:.3f}",
            run.outcome or "running",
            run.requested_by,
            run.reason,
            run.note,
        )
        for run in runs
    ]


def _cell(value: object) -> str:
    text = "" if value is None else str(value)
    return text.replace("\t", " ").replace("\n", " ")
