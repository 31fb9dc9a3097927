"""Saying something to a run that is under way: `run approve|reject|continue|abort`."""

from __future__ import annotations

import click

from drctl.cli.controllers import ask_run, require_run
from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation, common_options, pass_invocation, reason_option, yes_option
from drctl.cli.seam import bootstrap
from drctl.cli.wish import SUBMIT_TIMEOUT_S, confirm, tell, wait_for_answer, wish
from drctl.model.errors import EffectRefused
from drctl.model.identity import RunId
from drctl.model.request import RequestKind

step_option = click.option("--step", default="", metavar="ID", help="Which step, when several wait.")


@click.group("run")
@common_options
def run_group() -> None:
    """Answer a run that waits for people, or end one before its point of no return."""


@run_group.command()
@common_options
@step_option
@reason_option
@yes_option
@click.argument("run")
@pass_invocation
@click.pass_context
def approve(
    context: click.Context,
    invocation: Invocation,
    step: str,
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    run: str,
) -> None:
    """Agree that a step of RUN begins. The person who asked for the run does not count."""
    context.exit(_say(invocation, RequestKind.APPROVE, run, step=step, reason=reason, yes=yes))


@run_group.command()
@common_options
@step_option
@reason_option
@yes_option
@click.argument("run")
@pass_invocation
@click.pass_context
def reject(
    context: click.Context,
    invocation: Invocation,
    step: str,
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    run: str,
) -> None:
    """Say no to a step of RUN: it fails, and the run goes the way that its playbook says."""
    context.exit(_say(invocation, RequestKind.REJECT, run, step=step, reason=reason, yes=yes))


@run_group.command("continue")
@common_options
@step_option
@reason_option
@yes_option
@click.argument("run")
@pass_invocation
@click.pass_context
def continue_command(
    context: click.Context,
    invocation: Invocation,
    step: str,
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    run: str,
) -> None:
    """Let RUN go on although a step failed that asks a person."""
    context.exit(_say(invocation, RequestKind.CONTINUE, run, step=step, reason=reason, yes=yes))


@run_group.command()
@common_options
@reason_option
@yes_option
@click.argument("run")
@pass_invocation
@click.pass_context
def abort(
    context: click.Context,
    invocation: Invocation,
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    run: str,
) -> None:
    """End RUN: it goes back where its playbook can. Refused past the point of no return."""
    context.exit(_say(invocation, RequestKind.ABORT, run, step="", reason=reason, yes=yes))


def _say(invocation: Invocation, kind: RequestKind, name: str, *, step: str, reason: str, yes: bool) -> ExitCode:
    """Show the run, ask, and hand the person's word to the leader."""
    from drctl.cli import render_run  # noqa: PLC0415 - slow, and not needed by `--help`

    found = require_run(ask_run(invocation.configuration, RunId(name)), name)
    invocation.console.print(render_run.run(found))
    if found.outcome is not None:
        raise EffectRefused(f"{name} has ended ({found.outcome})", remedy=f"see: {invocation.again} history {name}")
    confirm(f"{kind} {name}{f', step {step}' if step else ''}?", yes=yes)
    one = wish(kind, found.group, reason=reason, run=found.id, step=step)
    with bootstrap().coordinator_client(invocation.configuration) as client:
        code = tell(wait_for_answer(client, client.submit(one, deadline_s=SUBMIT_TIMEOUT_S)))
    if code is ExitCode.DONE:
        click.echo(f"to follow it: {invocation.again} watch {name}")
    return code
