"""Which drctl: `version`."""

from __future__ import annotations

import click

from drctl.cli.controllers import ask_everyone
from drctl.cli.invocation import Invocation, common_options, pass_invocation
from drctl.model.errors import InvalidInput
from drctl.version import version


@click.command("version")
@common_options
@pass_invocation
def version_command(invocation: Invocation) -> None:
    """Show the version of this program, and of the controllers where there is a configuration."""
    click.echo(f"drctl {version()}")
    try:
        configuration = invocation.configuration
    except InvalidInput:
        return
    answers, silent = ask_everyone(configuration, "/cluster")
    for center in configuration.topology.centers:
        answer = answers.get(center.name)
        told = answer.get("version") if isinstance(answer, dict) else None
        click.echo(f"controller {center.name}: {told or silent.get(center.name, 'unknown')}")
