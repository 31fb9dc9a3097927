"""Taking over what runs already: `init`."""

from __future__ import annotations

import click

from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation, common_options, group_argument, pass_invocation, yes_option
from drctl.cli.seam import bootstrap
from drctl.cli.wish import confirm
from drctl.model.identity import GroupName
from drctl.model.takeover import AdminAccess


@click.command()
@common_options
@click.option("--admin-user", default="postgres", show_default=True, help="Who may create a role and a schema.")
@click.option(
    "--admin-dsn", default="", metavar="DSN", help="How to reach the primary as that user, as libpq writes it."
)
@click.option("--dry-run", is_flag=True, help="Check everything, say what would be done, and do nothing.")
@yes_option
@group_argument
@pass_invocation
@click.pass_context
def init(
    context: click.Context,
    invocation: Invocation,
    admin_user: str,
    admin_dsn: str,
    dry_run: bool,  # noqa: FBT001 - click passes options by name
    yes: bool,  # noqa: FBT001 - click passes options by name
    group: str | None,
) -> None:
    """Put streaming replication that runs already under drctl's protection; no database is rebuilt.

    Of GROUP, or of all groups. On a group that is not healthy nothing is changed.
    """
    access = AdminAccess(user=admin_user, dsn=admin_dsn)
    worst = ExitCode.DONE
    for name in invocation.groups(group):
        worst = max(worst, _take_over(invocation, name, access, dry_run=dry_run, yes=yes))
    context.exit(worst)


def _take_over(invocation: Invocation, group: GroupName, access: AdminAccess, *, dry_run: bool, yes: bool) -> ExitCode:
    from drctl.cli import findings  # noqa: PLC0415 - slow

    takeover = bootstrap().examine(invocation.configuration, group, access)
    invocation.console.print(f"{group}: primary {takeover.primary or 'unknown'}")
    invocation.console.print(findings.table(takeover.findings))
    if not takeover.ready:
        click.secho(
            f"{group}: not taken over, and nothing was changed: put the errors above right, then again",
            fg="red",
            err=True,
        )
        return ExitCode.REFUSED
    if not takeover.changes:
        click.echo(f"{group}: is under drctl's protection already")
        return ExitCode.DONE
    for change in takeover.changes:
        click.echo(f"  will {change}")
    if dry_run:
        click.echo(f"{group}: nothing was done (--dry-run)")
        return ExitCode.DONE
    confirm(f"take {group} over?", yes=yes)
    bootstrap().initialise(invocation.configuration, takeover, access, lambda done: click.echo(f"  {done}"))
    click.echo(f"{group}: under drctl's protection; see: {invocation.again} list")
    return ExitCode.DONE
