"""Prerequisites and risks: `doctor`."""

from __future__ import annotations

import click

from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation, common_options, format_option, group_argument, pass_invocation
from drctl.cli.output import print_value
from drctl.cli.seam import bootstrap
from drctl.model.takeover import AdminAccess, FindingSeverity
from drctl.telemetry.codec import to_json


@click.command()
@common_options
@format_option
@click.option("--all", "everything", is_flag=True, help="Also what is as it should be.")
@click.option("--admin-user", default="", help="Look as this user, too, at what drctl's own role may not see.")
@click.option("--admin-dsn", default="", metavar="DSN", help="How to reach members as that user, as libpq writes it.")
@group_argument
@pass_invocation
@click.pass_context
def doctor(
    context: click.Context,
    invocation: Invocation,
    form: str,
    admin_user: str,
    admin_dsn: str,
    everything: bool,  # noqa: FBT001 - click passes options by name
    group: str | None,
) -> None:
    """Check every prerequisite and name every risk, each with the command that puts it right.

    Exit code 0 when all is well, 4 with warnings, 1 with errors.
    """
    from drctl.cli import agreement, findings  # noqa: PLC0415 - slow

    configuration = invocation.configuration
    access = AdminAccess(user=admin_user or "postgres", dsn=admin_dsn) if admin_user or admin_dsn else None
    found = (
        *bootstrap().doctor(configuration, invocation.groups(group), access),
        *agreement.check_controllers(configuration),
    )
    shown = [one for one in found if everything or one.severity is not FindingSeverity.OK]
    if form != "pretty":
        print_value([to_json(one) for one in shown], form, findings.FINDING_COLUMNS, findings.rows(shown))
    elif shown:
        invocation.console.print(findings.table(shown))
    severities = {one.severity for one in found}
    if form == "pretty":
        well = sum(one.severity is FindingSeverity.OK for one in found)
        click.echo(f"{len(found)} checks, {well} without a finding")
    if FindingSeverity.ERROR in severities:
        context.exit(ExitCode.REFUSED)
    context.exit(ExitCode.DEGRADED if FindingSeverity.WARNING in severities else ExitCode.DONE)
