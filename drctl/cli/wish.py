"""An operator's wish, on its way: show, ask, submit, wait for the answer, follow, show again."""

from __future__ import annotations

import getpass
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime

import click

from drctl.cli.controllers import ask_cluster
from drctl.cli.exit_codes import ExitCode
from drctl.cli.follow import follow
from drctl.cli.invocation import Invocation
from drctl.cli.seam import CoordinatorClient, bootstrap
from drctl.model.errors import EffectUnknown, InvalidInput, Unreachable
from drctl.model.identity import GroupName, MemberName, RunId
from drctl.model.request import Request, RequestAnswer, RequestKind
from drctl.model.run_picture import picture_run
from drctl.model.snapshot import ClusterSnapshot, RunSnapshot

SUBMIT_TIMEOUT_S = 5.0
ANSWER_TIMEOUT_S = 20.0
"""The leader answers within a look or two; longer than an election takes, nobody waits."""
POLL_S = 0.1


def wish(
    kind: RequestKind,
    group: GroupName,
    *,
    reason: str = "",
    candidate: MemberName | None = None,
    not_before_utc: str = "",
    accept_data_loss: bool = False,
    run: RunId | None = None,
    step: str = "",
) -> Request:
    """A request of this user, now."""
    return Request(
        id="",
        kind=kind,
        group=group,
        operator=f"{getpass.getuser()}@{os.uname().nodename}",
        reason=reason,
        candidate=candidate,
        not_before_utc=not_before_utc,
        accept_data_loss=accept_data_loss,
        run=run,
        step=step,
        made_utc=now_utc(),
    )


def now_utc() -> str:
    """Wall time, as journals have it."""
    return datetime.now(UTC).isoformat(timespec="milliseconds")


def carry_out(
    invocation: Invocation, wishes: Sequence[Request], *, question: str, yes: bool, dry_run: bool = False
) -> ExitCode:
    """Do what an operator wishes: the whole conversation. The worst exit code of all wishes."""
    show_topology(invocation, [one.group for one in wishes])
    if dry_run:
        for one in wishes:
            click.echo(f"would ask for: {describe(one)}")
        click.echo("nothing was done (--dry-run)")
        return ExitCode.DONE
    confirm(question, yes=yes)
    with bootstrap().coordinator_client(invocation.configuration) as client:
        submitted = [client.submit(one, deadline_s=SUBMIT_TIMEOUT_S) for one in wishes]
        scheduled = [one for one in submitted if one.not_before_utc]
        for one in scheduled:
            click.echo(
                f"scheduled for {one.not_before_utc}: {describe(one)}; what became of it: {invocation.again} history"
            )
        answers = [wait_for_answer(client, one) for one in submitted if not one.not_before_utc]
        worst = max((tell(answer) for answer in answers), default=ExitCode.DONE)
        runs = [answer.run for answer in answers if answer.accepted and answer.run is not None]
        if runs:
            worst = max(worst, follow(invocation, runs, spare=lambda run: _from_journal(client, run)))
    if runs:
        show_topology(invocation, [one.group for one in wishes])
    return worst


def describe(request: Request) -> str:
    """A request in words."""
    who = f" to {request.candidate}" if request.candidate else ""
    loss = ", accepting that acknowledged commits may be lost" if request.accept_data_loss else ""
    return f"{request.kind} of {request.run or request.group}{who}{loss}"


def show_topology(invocation: Invocation, groups: Sequence[GroupName]) -> None:
    """Print the groups that an operation is about, as they are."""
    from drctl.cli import render  # noqa: PLC0415 - slow, and a refused command need not wait for it

    heard = ask_cluster(invocation.configuration)
    invocation.console.print(render.cluster(_only(heard.snapshot, groups), invocation.console))


def _only(snapshot: ClusterSnapshot, groups: Sequence[GroupName]) -> ClusterSnapshot:
    return replace(snapshot, groups=tuple(group for group in snapshot.groups if group.name in groups))


def confirm(question: str, *, yes: bool) -> None:
    """Ask. Raises InvalidInput when nobody is there to answer, click.Abort when the answer is no."""
    if yes:
        return
    if not at_terminal():
        raise InvalidInput(
            "this changes the cluster, and nobody is at the terminal to be asked; nothing was done",
            remedy="add --yes when it is meant",
        )
    if not click.confirm(question):
        click.echo("nothing was done")
        raise click.exceptions.Exit(ExitCode.REFUSED)


def at_terminal() -> bool:
    """Whether a person can be asked."""
    return sys.stdin.isatty()


def wait_for_answer(client: CoordinatorClient, request: Request) -> RequestAnswer:
    """The leader's answer. Raises EffectUnknown when none comes: the request stays open and may still be fulfilled."""
    end_s = time.monotonic() + ANSWER_TIMEOUT_S
    while time.monotonic() < end_s:
        answer = client.answered(request, deadline_s=SUBMIT_TIMEOUT_S)
        if answer is not None:
            return answer
        time.sleep(POLL_S)
    raise EffectUnknown(
        f"the request {describe(request)} was stored, and no controller has answered it within {ANSWER_TIMEOUT_S:g} s; "
        "a leader that comes may still fulfil it",
        remedy="does one lead? drctl list; what became of it: drctl history",
    )


def tell(answer: RequestAnswer) -> ExitCode:
    """Say what the leader answered."""
    if answer.accepted:
        click.echo(answer.message or "accepted")
        return ExitCode.DONE
    click.secho(f"refused: {answer.message}", fg="red", err=True)
    return ExitCode.REFUSED


def _from_journal(client: CoordinatorClient, run: RunId) -> RunSnapshot | None:
    try:
        found = client.run(run, deadline_s=SUBMIT_TIMEOUT_S)
    except Unreachable:
        # Both ways to the news are closed for now; the run goes on without being seen.
        return None
    return None if found is None else picture_run(found, now_utc=now_utc())
