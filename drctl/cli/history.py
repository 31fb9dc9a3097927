"""What was done: `history`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from drctl.cli.controllers import BETTER_ANSWER_S, ask_everyone, ask_run, require_run
from drctl.cli.invocation import Invocation, common_options, format_option, pass_invocation
from drctl.cli.output import RUN_COLUMNS, print_value, run_rows
from drctl.model.errors import Unreachable
from drctl.model.identity import GroupName, RunId
from drctl.model.snapshot import RunSnapshot
from drctl.telemetry.codec import from_json, to_json


@click.command()
@common_options
@format_option
@click.option("--group", help="Of one group only.")
@click.option("-n", "--limit", type=click.IntRange(min=1), default=20, show_default=True, help="At most so many.")
@click.argument("run", required=False)
@pass_invocation
def history(invocation: Invocation, form: str, group: str | None, limit: int, run: str | None) -> None:
    """List the operations that were done, the newest first; with RUN, one of them step by step."""
    if run is not None:
        _one(invocation, form, run)
        return
    newest = runs_of(invocation, invocation.groups(group))[:limit]
    if form != "pretty":
        print_value([to_json(told) for told in newest], form, RUN_COLUMNS, run_rows(newest))
        return
    from drctl.cli import render_run  # noqa: PLC0415 - slow, and not needed by the formats for machines

    if not newest:
        invocation.console.print("no operation has ended yet")
        return
    invocation.console.print(render_run.runs(newest))


def runs_of(invocation: Invocation, names: Sequence[GroupName]) -> list[RunSnapshot]:
    """The runs of these groups that are kept, the newest first. Raises Unreachable when no controller answers."""
    answers, silent = ask_everyone(invocation.configuration, "/history", patience_s=BETTER_ANSWER_S)
    if not answers:
        raise Unreachable(
            f"no controller answers: {'; '.join(f'{center}: {why}' for center, why in silent.items())}",
            remedy="is it running? on a center's host: systemctl status drctl",
        )
    found: dict[RunId, RunSnapshot] = {}
    for answer in answers.values():
        assert isinstance(answer, dict), "/history is an object"
        for name in names:
            for told in from_json_runs(answer.get(name)):
                found.setdefault(told.id, told)
    return sorted(found.values(), key=lambda told: told.started_utc, reverse=True)


def from_json_runs(told: object) -> list[RunSnapshot]:
    """The runs of a group; none when the controller does not know the group."""
    return [from_json(RunSnapshot, run) for run in told] if isinstance(told, list) else []


def _one(invocation: Invocation, form: str, run: str) -> None:
    found = require_run(ask_run(invocation.configuration, RunId(run)), run)
    if form != "pretty":
        print_value(to_json(found), form, RUN_COLUMNS, run_rows([found]))
        return
    from drctl.cli import render_run  # noqa: PLC0415

    invocation.console.print(render_run.run(found))
