"""Looking: `list`, `topology`, `explain`."""

from __future__ import annotations

import sys
import time
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from drctl.cli.controllers import ask_cluster
from drctl.cli.invocation import Invocation, common_options, format_option, group_argument, pass_invocation
from drctl.cli.output import MEMBER_COLUMNS, member_rows, print_value
from drctl.telemetry.codec import to_json

if TYPE_CHECKING:
    from drctl.model.snapshot import ClusterSnapshot


@click.command("list")
@common_options
@format_option
@click.option(
    "-w", "--watch", "every_s", type=click.FloatRange(min=0.2), metavar="SECONDS", help="Print again and again."
)
@group_argument
@pass_invocation
def list_command(invocation: Invocation, form: str, every_s: float | None, group: str | None) -> None:
    """Show every member: role, state, lag, and what would happen if the primary died now (alias: status)."""
    show_cluster(invocation, form, group)
    # Ctrl-C is how people stop looking: no error.
    with suppress(KeyboardInterrupt):
        while every_s is not None:
            time.sleep(every_s)
            show_cluster(invocation, form, group, clear=sys.stdout.isatty())


def show_cluster(invocation: Invocation, form: str, group: str | None, *, clear: bool = False) -> ClusterSnapshot:
    """Ask for the cluster and print it; of one group when `group` names one."""
    snapshot = only(ask_cluster(invocation.configuration).snapshot, invocation, group)
    if form != "pretty":
        print_value(to_json(snapshot), form, MEMBER_COLUMNS, member_rows(snapshot))
        return snapshot
    from drctl.cli import render  # noqa: PLC0415 - slow, and not needed by the formats for machines

    if clear:
        click.clear()
    invocation.console.print(render.cluster(snapshot, invocation.console))
    return snapshot


def only(snapshot: ClusterSnapshot, invocation: Invocation, group: str | None) -> ClusterSnapshot:
    """The snapshot with one group of it, when `group` names one. Raises InvalidInput when there is none."""
    if group is None:
        return snapshot
    name = invocation.group(group)
    from dataclasses import replace  # noqa: PLC0415

    return replace(snapshot, groups=tuple(found for found in snapshot.groups if found.name == name))


@click.command()
@common_options
@format_option
@pass_invocation
def topology(invocation: Invocation, form: str) -> None:
    """Show the centers, and what stands in each."""
    snapshot = ask_cluster(invocation.configuration).snapshot
    if form != "pretty":
        print_value(to_json(snapshot), form, MEMBER_COLUMNS, member_rows(snapshot))
        return
    from drctl.cli import render  # noqa: PLC0415

    invocation.console.print(render.topology(snapshot))


@click.command()
@common_options
@format_option
@group_argument
@pass_invocation
def explain(invocation: Invocation, form: str, group: str | None) -> None:
    """Say what would happen if the primary died now: to whom, how soon, and if nothing, who is missing."""
    snapshot = only(ask_cluster(invocation.configuration).snapshot, invocation, group)
    if form != "pretty":
        print_value(
            {found.name: to_json(found.explanation) for found in snapshot.groups},
            form,
            ("group", "protection", "heir", "seconds", "missing", "would"),
            [
                (
                    found.name,
                    found.protection,
                    found.explanation.heir,
                    found.explanation.seconds,
                    ",".join(found.explanation.missing),
                    found.explanation.would,
                )
                for found in snapshot.groups
            ],
        )
        return
    from drctl.cli import render  # noqa: PLC0415

    for found in snapshot.groups:
        invocation.console.print(render.explanation(found))
