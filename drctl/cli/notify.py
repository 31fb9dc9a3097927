"""Whether messages to people arrive: `notify list|test`."""

from __future__ import annotations

import socket
import time
from datetime import UTC, datetime

import click

from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation, common_options, pass_invocation
from drctl.model.errors import DrctlError, InvalidInput
from drctl.model.identity import CenterName
from drctl.notify.build import channel as build_channel
from drctl.notify.channel import SEND_TIMEOUT_S
from drctl.notify.notice import trial


@click.group()
@common_options
def notify() -> None:
    """Messages to people: who gets them, and whether they arrive."""


@notify.command("list")
@common_options
@pass_invocation
def list_channels(invocation: Invocation) -> None:
    """List the channels, each with the least severity that it gets."""
    settings = invocation.configuration.notifications
    if not settings.channels:
        click.echo("no channel is configured: `notifications` in cluster.yaml")
    for each in settings.channels:
        kind = getattr(each, "kind", type(each).__name__.removesuffix("Settings").lower())
        click.echo(f"{each.name}  {kind}  {each.severity} and above  {each.language or settings.language}")


@notify.command()
@common_options
@click.argument("channel", required=False)
@pass_invocation
@click.pass_context
def test(context: click.Context, invocation: Invocation, channel: str | None) -> None:
    """Send a message that says it is a test, from here, through CHANNEL or all of them. Exit code 1 when one fails."""
    settings = invocation.configuration.notifications
    chosen = [each for each in settings.channels if channel in {None, each.name}]
    if not chosen:
        names = ", ".join(each.name for each in settings.channels)
        what = f"there is no channel {channel}" if channel else "no channel is configured"
        raise InvalidInput(
            f"{what} in {invocation.config_path}",
            remedy=f"name one of: {names}" if names else "write `notifications:`; see docs/how-to/notifications.md",
        )
    notice = trial(
        cluster=invocation.configuration.topology.cluster,
        center=CenterName(socket.gethostname()),
        at_utc=datetime.now(UTC).isoformat(timespec="milliseconds"),
    )
    failed = False
    for each in chosen:
        began_s = time.monotonic()
        try:
            build_channel(each, settings.language).send(notice, deadline_s=SEND_TIMEOUT_S)
        except DrctlError as error:
            failed = True
            click.secho(f"{each.name}: {error.message}", fg="red")
            if error.remedy:
                click.echo(f"  {error.remedy}")
        else:
            click.echo(f"{each.name}: handed over in {time.monotonic() - began_s:.1f} s")
    context.exit(ExitCode.REFUSED if failed else ExitCode.DONE)
