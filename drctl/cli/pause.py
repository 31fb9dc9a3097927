"""Letting people work: `pause`, `resume`."""

from __future__ import annotations

import time

import click

from drctl.cli.controllers import ask_everyone
from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import (
    Invocation,
    common_options,
    group_argument,
    pass_invocation,
    reason_option,
    yes_option,
)
from drctl.cli.wish import carry_out, wish
from drctl.model.request import RequestKind
from drctl.model.snapshot import ClusterSnapshot
from drctl.telemetry.codec import from_json

WAIT_TIMEOUT_S = 30.0
POLL_S = 0.3

wait_option = click.option("--wait", is_flag=True, help="Wait until every controller that can be reached knows of it.")


@click.command()
@common_options
@wait_option
@reason_option
@yes_option
@group_argument
@pass_invocation
@click.pass_context
def pause(
    context: click.Context,
    invocation: Invocation,
    wait: bool,  # noqa: FBT001 - click passes options by name
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    group: str | None,
) -> None:
    """Stop automatic operations of GROUP, or of all: drctl observes and reports, and changes nothing."""
    context.exit(_set(invocation, RequestKind.PAUSE, group, reason, wait=wait, yes=yes))


@click.command()
@common_options
@wait_option
@reason_option
@yes_option
@group_argument
@pass_invocation
@click.pass_context
def resume(
    context: click.Context,
    invocation: Invocation,
    wait: bool,  # noqa: FBT001 - click passes options by name
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    group: str | None,
) -> None:
    """Let automatic operations of GROUP, or of all, go on."""
    context.exit(_set(invocation, RequestKind.RESUME, group, reason, wait=wait, yes=yes))


def _set(
    invocation: Invocation, kind: RequestKind, group: str | None, reason: str, *, wait: bool, yes: bool
) -> ExitCode:
    names = invocation.groups(group)
    wishes = [wish(kind, name, reason=reason) for name in names]
    what = (
        "no failover will be automatic while it is paused"
        if kind is RequestKind.PAUSE
        else "failovers are automatic again"
    )
    code = carry_out(invocation, wishes, question=f"{kind} {', '.join(names)} ({what})?", yes=yes)
    if not wait or code is not ExitCode.DONE:
        return code
    return _wait(invocation, set(names), paused=kind is RequestKind.PAUSE)


def _wait(invocation: Invocation, names: set[str], *, paused: bool) -> ExitCode:
    end_s = time.monotonic() + WAIT_TIMEOUT_S
    while True:
        answers, silent = ask_everyone(invocation.configuration, "/cluster")
        waiting = [
            center
            for center, answer in answers.items()
            if any(
                found.paused is not paused for found in from_json(ClusterSnapshot, answer).groups if found.name in names
            )
        ]
        if answers and not waiting:
            told = f"known to the controllers in {', '.join(sorted(answers))}"
            click.echo(told + (f"; not reached: {', '.join(sorted(silent))}" if silent else ""))
            return ExitCode.DONE
        if time.monotonic() >= end_s:
            click.secho(
                f"not known yet in {', '.join(waiting) or 'any center'}; see: drctl list", fg="yellow", err=True
            )
            return ExitCode.UNKNOWN
        time.sleep(POLL_S)
