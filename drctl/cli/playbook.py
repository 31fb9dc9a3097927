"""Playbooks: `playbook list|show|validate|schema|plan`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from drctl.cli.controllers import ask_cluster
from drctl.cli.exit_codes import ExitCode
from drctl.cli.history import runs_of
from drctl.cli.invocation import (
    Invocation,
    common_options,
    complete_member,
    format_option,
    group_argument,
    pass_invocation,
)
from drctl.cli.main import show_error
from drctl.cli.output import print_json, print_value
from drctl.model.errors import InvalidInput
from drctl.model.identity import CenterName, GroupName, MemberName
from drctl.model.playbook import Playbook, RunKind, Step
from drctl.model.snapshot import GroupSnapshot, MemberState, Role

if TYPE_CHECKING:
    from drctl.config.playbooks import PlaybookFile
    from drctl.playbook.forecast import Forecast

BOOK_COLUMNS = ("name", "kind", "version", "steps", "worst_s", "budget_s", "digest", "file")
STEP_COLUMNS = (
    "part", "id", "uses", "name", "needs", "timeout_s", "retries", "delay_s", "on_failure", "waited_for", "always",
    "no_return", "when", "approvals",
)  # fmt: skip
PLAN_COLUMNS = ("id", "uses", "name", "members", "towards", "usual_s", "worst_s", "no_return", "when")


@click.group()
@common_options
def playbook() -> None:
    """Show, check and try out what operations do, step by step."""


@playbook.command("list")
@common_options
@format_option
@pass_invocation
def list_command(invocation: Invocation, form: str) -> None:
    """List the playbooks in force here: a controller reads those of its own host when it starts."""
    from drctl.config.playbooks import playbooks_in_force  # noqa: PLC0415 - slow, and not needed by `--help`

    rows = [_book_row(found) for found in playbooks_in_force(invocation.configuration.playbooks).values()]
    _print(invocation, form, BOOK_COLUMNS, rows, ("Playbook", "Kind", "Version", "Steps", "At most", "Budget", "", ""))


@playbook.command()
@common_options
@format_option
@click.option("--source", is_flag=True, help="Print the file as it is, to be copied into the hospital's own folder.")
@click.argument("name")
@pass_invocation
def show(
    invocation: Invocation,
    form: str,
    source: bool,  # noqa: FBT001 - click passes options by name
    name: str,
) -> None:
    """Show the steps of the playbook NAME, or of that kind."""
    from drctl.config.playbooks import playbooks_in_force  # noqa: PLC0415

    shelf = list(playbooks_in_force(invocation.configuration.playbooks).values())
    chosen = next((found for found in shelf if name in {found.playbook.name, found.playbook.kind.value}), None)
    if chosen is None:
        names = ", ".join(found.playbook.name for found in shelf)
        raise InvalidInput(f"there is no playbook {name}", remedy=f"name one of: {names}")
    if source:
        click.echo(chosen.file.read_text(encoding="utf-8"), nl=False)
        return
    book = chosen.playbook
    rows = [
        *(_step_row("steps", step) for step in book.steps),
        *(_step_row("rollback", step) for step in book.rollback),
    ]
    _print(
        invocation, form, STEP_COLUMNS, rows,
        ("", "Step", "Action", "", "Needs", "Timeout", "Retries", "Delay", "On failure",
         "Waited for", "Always", "No return", "When", "Approvals"),
    )  # fmt: skip


@playbook.command()
@common_options
@click.argument("files", nargs=-1, metavar="[FILE]...", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_invocation
@click.pass_context
def validate(context: click.Context, invocation: Invocation, files: tuple[Path, ...]) -> None:
    """Check playbooks, without FILE all that are in force here: every error, with its place and what to write instead.

    Exit code 2 when there are any.
    """
    from drctl.config.playbooks import PlaybookFile, load_playbook, playbooks_in_force  # noqa: PLC0415

    if not files:
        for found in playbooks_in_force(invocation.configuration.playbooks).values():
            click.echo(_valid(found))
        return
    worst = ExitCode.DONE
    for file in files:
        try:
            click.echo(_valid(PlaybookFile(file=file, playbook=load_playbook(file))))
        except InvalidInput as error:
            show_error(error)
            worst = ExitCode.USAGE
    context.exit(worst)


def _valid(found: PlaybookFile) -> str:
    book = found.playbook
    return (
        f"{found.file} is valid: {book.kind}, {len(book.steps)} step{'' if len(book.steps) == 1 else 's'}; its worst path "
        f"takes {_worst_s(book):g} s of {book.budget_s:g} s; digest {book.digest[:12]}"
    )


@playbook.command()
def schema() -> None:
    """Print the JSON schema of a playbook, for editors."""
    from drctl.config.playbook_schema import playbook_schema  # noqa: PLC0415

    print_json(playbook_schema())


@playbook.command()
@common_options
@format_option
@click.option(
    "--candidate",
    "wanted",
    metavar="MEMBER",
    shell_complete=complete_member,
    help="The standby that is to take over, or the member that rejoins.",
)
@click.argument("kind", type=click.Choice([kind.value for kind in RunKind]))
@group_argument
@pass_invocation
def plan(invocation: Invocation, form: str, wanted: str | None, kind: str, group: str | None) -> None:
    """Show what an operation would do now, with its members and the usual seconds of each step; nothing is done."""
    from drctl.config.playbooks import playbooks_in_force  # noqa: PLC0415
    from drctl.playbook.forecast import Cast, forecast, usual_s  # noqa: PLC0415 - statistics is slow to import
    from drctl.playbook.order import worst_s  # noqa: PLC0415

    found = playbooks_in_force(invocation.configuration.playbooks).get(RunKind(kind))
    if found is None:
        raise InvalidInput(f"there is no playbook of the kind {kind}", remedy="see what there is: drctl playbook list")
    name = invocation.group(group)
    seen = ask_cluster(invocation.configuration).snapshot.group(name)
    if seen is None or seen.primary is None:
        raise InvalidInput(f"drctl does not protect {name} yet", remedy=f"type: {invocation.again} init {name}")
    candidate = invocation.member(name, wanted) if wanted else _candidate(RunKind(kind), seen)
    known = invocation.configuration.topology.group(name)
    cast = Cast(
        primary=seen.primary,
        candidate=candidate,
        peers=tuple(member.name for member in known.peers),
        members=tuple(member.name for member in known.members),
    )
    planned = forecast(found.playbook, cast, runs_of(invocation, (GroupName(name),)))
    if form == "pretty":
        who = candidate or "nobody can be named now"
        invocation.console.print(f"{found.playbook.name} of {name}: primary {seen.primary}, candidate {who}")
    _print(
        invocation, form, PLAN_COLUMNS, [_plan_row(each) for each in planned],
        ("Step", "Action", "", "Members", "Towards", "Usually", "At most", "No return", "When"),
    )  # fmt: skip
    if form == "pretty":
        whole_s = usual_s(planned)
        from drctl.cli.render_run import seconds  # noqa: PLC0415 - slow, and not needed by the formats for machines

        usually = "-" if whole_s is None else seconds(whole_s)
        invocation.console.print(f"in all usually {usually}, at most {seconds(worst_s(found.playbook.steps))}")


def _candidate(kind: RunKind, group: GroupSnapshot) -> MemberName | None:
    """Whom the operation would be about, if nobody is named."""
    match kind:
        case RunKind.FAILOVER | RunKind.SWITCHOVER | RunKind.EVACUATE | RunKind.DRILL:
            return group.explanation.heir
        case RunKind.SWITCHBACK:
            return _of_center(group, group.home)
        case RunKind.REJOIN:
            astray = (each for each in group.members if each.role is not Role.PRIMARY)
            return next((each.name for each in astray if each.state is not MemberState.STREAMING), None)
        case _:
            return None


def _of_center(group: GroupSnapshot, center: CenterName) -> MemberName | None:
    return next((each.name for each in group.members if each.center == center and each.name != group.primary), None)


def _worst_s(book: Playbook) -> float:
    from drctl.playbook.order import worst_s  # noqa: PLC0415

    return worst_s(book.steps) + worst_s(book.rollback)


def _book_row(found: PlaybookFile) -> tuple[object, ...]:
    book = found.playbook
    return (
        book.name,
        book.kind.value,
        book.version,
        len(book.steps),
        round(_worst_s(book), 3),
        book.budget_s,
        book.digest,
        str(found.file),
    )


def _step_row(part: str, step: Step) -> tuple[object, ...]:
    return (
        part,
        step.id,
        step.uses,
        step.name,
        list(step.needs),
        step.timeout_s,
        step.retries,
        step.delay_s,
        step.on_failure.value,
        step.waited_for,
        step.always,
        step.point_of_no_return,
        step.when,
        step.approval.min if step.approval else 0,
    )


def _plan_row(planned: Forecast) -> tuple[object, ...]:
    step = planned.step
    return (
        step.id,
        step.uses,
        step.name,
        list(planned.members),
        planned.towards,
        None if planned.usual_s is None else round(planned.usual_s, 3),
        round(step.worst_s, 3),
        step.point_of_no_return,
        step.when,
    )


def _print(
    invocation: Invocation, form: str, columns: Sequence[str], rows: Sequence[tuple[object, ...]], titles: Sequence[str]
) -> None:
    """The rows in the format that was asked for; people read `-` where nothing is known."""
    if form != "pretty":
        told = [dict(zip(columns, row, strict=True)) for row in rows]
        print_value(told, form, columns, [[_plain(cell) for cell in row] for row in rows])  # type: ignore[arg-type]
        return
    from drctl.cli.render import table_of  # noqa: PLC0415 - slow, and not needed by the formats for machines

    table = table_of(*((title, column.endswith("_s")) for title, column in zip(titles, columns, strict=True)))
    for row in rows:
        table.add_row(*(_for_people(column, cell) for column, cell in zip(columns, row, strict=True)))
    invocation.console.print(table)


def _plain(cell: object) -> object:
    return ",".join(map(str, cell)) if isinstance(cell, list) else cell


def _for_people(column: str, cell: object) -> str:
    from drctl.cli.render_run import seconds  # noqa: PLC0415

    match cell:
        case bool():
            return "yes" if cell else ""
        case None:
            return "-"
        case int() | float() if column.endswith("_s"):
            return seconds(cell)
        case _ if column == "digest":
            return str(cell)[:12]
        case _:
            return str(_plain(cell))
