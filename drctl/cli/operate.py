"""Moving and rebuilding: `switchover`, `failover`, `switchback`, `rejoin`, `reinit`."""

from __future__ import annotations

from datetime import UTC, datetime

import click

from drctl.cli.controllers import ask_cluster
from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import (
    Invocation,
    common_options,
    complete_center,
    complete_member,
    group_argument,
    pass_invocation,
    reason_option,
    yes_option,
)
from drctl.cli.wish import carry_out, wish
from drctl.model.errors import InvalidInput
from drctl.model.identity import GroupName
from drctl.model.request import RequestKind

dry_run_option = click.option("--dry-run", is_flag=True, help="Say what would be asked for, and do nothing.")
candidate_option = click.option("--candidate", shell_complete=complete_member, help="The standby that is to take over.")
scheduled_option = click.option(
    "--scheduled", metavar="ISO8601", help="Not before this time, e.g. 2026-03-01T02:00+08:00."
)


@click.command()
@common_options
@candidate_option
@click.option("--from", "from_center", shell_complete=complete_center, help="Empty a center: every group led there.")
@scheduled_option
@reason_option
@yes_option
@dry_run_option
@group_argument
@pass_invocation
@click.pass_context
def switchover(
    context: click.Context,
    invocation: Invocation,
    candidate: str | None,
    from_center: str | None,
    scheduled: str | None,
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    dry_run: bool,  # noqa: FBT001 - click passes options by name
    group: str | None,
) -> None:
    """Let a standby take over from a healthy primary, which follows it afterwards; nothing is lost or rebuilt."""
    if from_center is not None and (group is not None or candidate is not None):
        raise click.UsageError("--from empties a center; it goes without GROUP and --candidate")
    names = _led_in(invocation, from_center) if from_center is not None else (invocation.group(group),)
    not_before_utc = _utc(scheduled)
    wishes = [
        wish(
            RequestKind.SWITCHOVER if from_center is None else RequestKind.EVACUATE,
            name,
            reason=reason,
            candidate=invocation.member(name, candidate) if candidate else None,
            not_before_utc=not_before_utc,
        )
        for name in names
    ]
    question = f"switch {', '.join(names)} over to {candidate or 'the best standby'}?"
    context.exit(carry_out(invocation, wishes, question=question, yes=yes, dry_run=dry_run))


@click.command()
@common_options
@candidate_option
@click.option(
    "--accept-data-loss", is_flag=True, help="Go on although acknowledged commits may be lost; needs --reason."
)
@reason_option
@yes_option
@dry_run_option
@group_argument
@pass_invocation
@click.pass_context
def failover(
    context: click.Context,
    invocation: Invocation,
    candidate: str | None,
    accept_data_loss: bool,  # noqa: FBT001 - click passes options by name
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    dry_run: bool,  # noqa: FBT001 - click passes options by name
    group: str | None,
) -> None:
    """Replace a primary that is lost, with the same proof as an automatic failover: nothing acknowledged is lost."""
    name = invocation.group(group)
    if accept_data_loss:
        _confirm_loss(name, reason, dry_run=dry_run)
    one = wish(
        RequestKind.FAILOVER,
        name,
        reason=reason,
        candidate=invocation.member(name, candidate) if candidate else None,
        accept_data_loss=accept_data_loss,
    )
    question = f"fence the primary of {name} and let {candidate or 'the most advanced standby'} take over?"
    context.exit(carry_out(invocation, [one], question=question, yes=yes or accept_data_loss, dry_run=dry_run))


@click.command()
@common_options
@reason_option
@yes_option
@dry_run_option
@scheduled_option
@group_argument
@pass_invocation
@click.pass_context
def switchback(
    context: click.Context,
    invocation: Invocation,
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    dry_run: bool,  # noqa: FBT001 - click passes options by name
    scheduled: str | None,
    group: str | None,
) -> None:
    """Bring a group home: a switchover to its home center."""
    name = invocation.group(group)
    home = invocation.configuration.topology.group(name).home
    one = wish(RequestKind.SWITCHBACK, name, reason=reason, not_before_utc=_utc(scheduled))
    context.exit(carry_out(invocation, [one], question=f"bring {name} home to {home}?", yes=yes, dry_run=dry_run))


@click.command()
@common_options
@reason_option
@yes_option
@click.argument("member", shell_complete=complete_member)
@pass_invocation
@click.pass_context
def rejoin(
    context: click.Context,
    invocation: Invocation,
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    member: str,
) -> None:
    """Bring MEMBER back onto the primary's history: keep what it would discard, rewind, follow."""
    question = f"let {member} rejoin? It is stopped; what no other member has is kept aside and listed"
    context.exit(_return(invocation, RequestKind.REJOIN, member, reason, question=question, yes=yes))


@click.command()
@common_options
@reason_option
@yes_option
@click.argument("member", shell_complete=complete_member)
@pass_invocation
@click.pass_context
def reinit(
    context: click.Context,
    invocation: Invocation,
    reason: str,
    yes: bool,  # noqa: FBT001 - click passes options by name
    member: str,
) -> None:
    """Build MEMBER anew from a base backup of the primary."""
    question = f"build {member} anew? Its data is replaced by a copy of the primary's"
    context.exit(_return(invocation, RequestKind.REINIT, member, reason, question=question, yes=yes))


def _return(
    invocation: Invocation, kind: RequestKind, member: str, reason: str, *, question: str, yes: bool
) -> ExitCode:
    found = [known for known in invocation.configuration.topology.members if known.name == member]
    if not found:
        names = ", ".join(known.name for known in invocation.configuration.topology.members)
        raise InvalidInput(f"there is no member {member} in {invocation.config_path}", remedy=f"name one of: {names}")
    one = wish(kind, found[0].group, reason=reason, candidate=found[0].name)
    return carry_out(invocation, [one], question=question, yes=yes)


def _led_in(invocation: Invocation, center: str) -> tuple[GroupName, ...]:
    snapshot = ask_cluster(invocation.configuration).snapshot
    names = tuple(
        group.name
        for group in snapshot.groups
        if any(member.writable and member.center == center for member in group.members)
    )
    if center not in {known.name for known in invocation.configuration.topology.centers}:
        known = ", ".join(found.name for found in invocation.configuration.topology.centers)
        raise InvalidInput(f"there is no center {center}", remedy=f"name one of: {known}")
    if not names:
        raise InvalidInput(f"no group has its primary in {center}: there is nothing to move", remedy="see: drctl list")
    return names


def _utc(scheduled: str | None) -> str:
    """The time in UTC; local time is meant where no offset is given. Empty for None."""
    if scheduled is None:
        return ""
    try:
        at = datetime.fromisoformat(scheduled).astimezone(UTC)
    except ValueError as error:
        raise InvalidInput(
            f"--scheduled {scheduled} is no time", remedy="write for example 2026-03-01T02:00+08:00"
        ) from error
    if at <= datetime.now(UTC):
        raise InvalidInput(f"--scheduled {scheduled} has passed", remedy="leave it out to begin at once")
    return at.isoformat(timespec="milliseconds")


def _confirm_loss(group: GroupName, reason: str, *, dry_run: bool) -> None:
    if not reason:
        raise InvalidInput(
            "--accept-data-loss needs a reason: it is kept in the history for ever", remedy='add --reason "..."'
        )
    if dry_run:
        return
    click.secho(
        f"Commits of {group} that clients were told of may be lost for good. First try to bring back a member that is "
        "missing: drctl explain names it.",
        fg="red",
        err=True,
    )
    if click.prompt("to go on, type the name of the group", default="", show_default=False, err=True) != group:
        raise InvalidInput("the name was not typed; nothing was done", remedy=f"see: drctl explain {group}")
