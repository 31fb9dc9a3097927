"""The daemon: `controller`."""

from __future__ import annotations

import click

from drctl.cli.invocation import Invocation, common_options, complete_center, pass_invocation
from drctl.cli.seam import bootstrap
from drctl.model.errors import InvalidInput
from drctl.model.identity import CenterName


@click.command()
@common_options
@click.option("--center", required=True, shell_complete=complete_center, help="The center that this controller is of.")
@pass_invocation
def controller(invocation: Invocation, center: str) -> None:
    """Watch the deployment and act for it, until SIGTERM."""
    configuration = invocation.configuration
    for warning in configuration.warnings:
        click.echo(f"warning: {warning}", err=True)
    known = [found.name for found in configuration.topology.centers]
    if center not in known:
        raise InvalidInput(
            f"there is no center {center} in {invocation.config_path}", remedy=f"name one of: {', '.join(known)}"
        )
    # A broken invariant of a daemon belongs into its log, not into a file beside it.
    invocation.debug = True
    bootstrap().run_controller(configuration, CenterName(center))
