"""The business checks, by hand: `drill check`."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drctl.cli.controllers import ask_cluster
from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import (
    Invocation,
    common_options,
    complete_member,
    format_option,
    group_argument,
    pass_invocation,
)
from drctl.cli.output import print_value
from drctl.cli.seam import bootstrap
from drctl.model.errors import InvalidInput
from drctl.model.identity import GroupName, MemberName

if TYPE_CHECKING:
    from drctl.model.check import CheckVerdict

COLUMNS = ("check", "title", "member", "verdict", "elapsed_s", "problem")


@click.command()
@common_options
@format_option
@click.option("--member", shell_complete=complete_member, help="On this member; without it, on the primary.")
@click.option("--only", "wanted", multiple=True, metavar="NAME", help="This check alone; may be given again.")
@click.option(
    "--validate", "file", type=click.Path(dir_okay=False, path_type=Path), help="Read this file, and run nothing."
)
@group_argument
@pass_invocation
@click.pass_context
def check(
    context: click.Context,
    invocation: Invocation,
    form: str,
    member: str | None,
    wanted: tuple[str, ...],
    file: Path | None,
    group: str | None,
) -> None:
    """Run the business checks on a group's primary. Their writes are rolled back, or stay in a schema that is dropped."""
    from drctl.config.business_checks import checks_in_force, load_check  # noqa: PLC0415 - pydantic is slow to import

    if file is not None:
        found = load_check(file)
        click.echo(f"{file}: {found.name} ({found.title}), {len(found.steps)} steps, {found.scope}")
        return
    name = invocation.group(group)
    known = [one.check for one in checks_in_force(invocation.configuration.drills.checks)]
    missing = sorted(set(wanted) - {one.name for one in known})
    if missing:
        raise InvalidInput(
            f"there is no check {', '.join(missing)}", remedy=f"name one of: {', '.join(one.name for one in known)}"
        )
    checks = [one for one in known if (not wanted or one.name in wanted) and (not one.groups or name in one.groups)]
    if not checks:
        raise InvalidInput(
            f"there is no check for {name}", remedy=f"write one: {invocation.configuration.drills.checks}"
        )
    chosen = invocation.member(name, member) if member else _primary(invocation, name)
    verdicts = bootstrap().run_checks(invocation.configuration, chosen, checks)
    rows = [_row(verdict) for verdict in verdicts]
    if form != "pretty":
        print_value([asdict(verdict) for verdict in verdicts], form, COLUMNS, rows)
    else:
        for verdict in verdicts:
            _tell(verdict)
    context.exit(ExitCode.DONE if all(verdict.passed for verdict in verdicts) else ExitCode.REFUSED)


def _primary(invocation: Invocation, group: GroupName) -> MemberName:
    snapshot = next(one for one in ask_cluster(invocation.configuration).snapshot.groups if one.name == group)
    if snapshot.primary is None:
        raise InvalidInput(f"{group} has no primary now", remedy=f"see: drctl explain {group}; or name one: --member")
    return snapshot.primary


def _row(verdict: CheckVerdict) -> tuple[object, ...]:
    word = "passed" if verdict.passed else "failed"
    return (verdict.name, verdict.title, verdict.member, word, f"{verdict.elapsed_s:.3f}", verdict.problem)


def _tell(verdict: CheckVerdict) -> None:
    click.secho(
        f"{'passed' if verdict.passed else 'FAILED'}  {verdict.name} ({verdict.title}) on {verdict.member}, "
        f"{verdict.elapsed_s:.3f} s" + (f": {verdict.problem}" if verdict.problem else ""),
        fg=None if verdict.passed else "red",
    )
    for step in verdict.steps:
        mark = "ok " if step.passed else "-- "
        click.echo(
            f"  {mark}{step.id}: {step.rows} rows, {step.elapsed_s:.3f} s"
            + (f", {step.problem}" if step.problem else "")
        )
