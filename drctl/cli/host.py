"""drctl-host on the database hosts: `host install|upgrade|check`, over the operator's own SSH."""

from __future__ import annotations

import difflib
import os
import shlex
import tempfile
from collections.abc import Sequence
from pathlib import Path

import click

from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation, common_options, complete_member, pass_invocation, yes_option
from drctl.cli.wish import confirm
from drctl.config import Configuration
from drctl.host.bundle import build
from drctl.host.install import PROGRAM
from drctl.model.errors import InvalidInput
from drctl.model.report import HostReport
from drctl.model.topology import Group, Member
from drctl.ssh.operator import HostChange, OperatorHost, known_name, pinned

FOLDER = "drctl-host"
AUTHORIZED_KEYS = ".ssh/authorized_keys"
CHECK_TIMEOUT_S = 10.0

member_argument = click.argument("name", metavar="MEMBER", shell_complete=complete_member)
ssh_option = click.option(
    "--ssh", "ssh_options", default="", metavar="OPTIONS", help='More words for your ssh, such as "-p 2222 -J gate".'
)
login_option = click.option("--login", metavar="USER", help="The user that runs the database (default: ssh.user).")
folder_option = click.option(
    "--folder", default=FOLDER, show_default=True, metavar="PATH", help="Where, below that user's home."
)
keys_option = click.option(
    "--authorized-keys", default=AUTHORIZED_KEYS, show_default=True, metavar="PATH", help="That user's, below its home."
)
start_option = click.option("--start", metavar="COMMAND", help="What starts the database, where it is not pg_ctl.")
stop_option = click.option("--stop", metavar="COMMAND", help="What stops it.")
dry_option = click.option("--dry-run", is_flag=True, help="Say what would change, and change nothing.")


@click.group()
@common_options
def host() -> None:
    """Put drctl-host on the database hosts, over your own SSH: no root, no sudo, one file."""


@host.command()
@common_options
@ssh_option
@login_option
@folder_option
@keys_option
@start_option
@stop_option
@dry_option
@yes_option
@member_argument
@pass_invocation
def install(
    invocation: Invocation,
    name: str,
    ssh_options: str,
    login: str | None,
    folder: str,
    authorized_keys: str,
    start: str | None,
    stop: str | None,
    dry_run: bool,  # noqa: FBT001 - click passes options by name
    yes: bool,  # noqa: FBT001
) -> None:
    """Install drctl-host for MEMBER on its host, or put an installation right. Each change is shown before it is made."""
    configuration = invocation.configuration
    group, member = _member(configuration, name)
    wish = _wish(configuration, group, member, folder, authorized_keys, start, stop)
    bundle = _bundle()
    with _operator(configuration, member, login, ssh_options) as operator:
        changes = operator.plan(bundle, wish)
        pins = _missing_pins(configuration, member, operator)
        if not changes and not pins:
            click.echo(f"{name}: installed as it should be on {member.host}; nothing to change")
            return
        _show(member, changes)
        for pin in pins:
            click.echo(
                f"here, {configuration.ssh.known_hosts}: the host's key, so that no other machine is taken for it"
            )
            click.secho(f"  + {pin}", fg="green")
        if not _agreed(dry_run, yes, member):
            return
        operator.apply(bundle, wish)
        _pin(configuration.ssh.known_hosts, pins)
    _say_check(invocation, configuration, member)


@host.command()
@common_options
@ssh_option
@login_option
@folder_option
@keys_option
@dry_option
@yes_option
@member_argument
@pass_invocation
def upgrade(
    invocation: Invocation,
    name: str,
    ssh_options: str,
    login: str | None,
    folder: str,
    authorized_keys: str,
    dry_run: bool,  # noqa: FBT001 - click passes options by name
    yes: bool,  # noqa: FBT001
) -> None:
    """Replace the program of an installation with this version's; controllers use it from their next connection on."""
    configuration = invocation.configuration
    group, member = _member(configuration, name)
    wish = _wish(configuration, group, member, folder, authorized_keys, None, None)
    bundle = _bundle()
    with _operator(configuration, member, login, ssh_options) as operator:
        changes = operator.plan(bundle, wish)
        absent = [change.path for change in changes if not change.before]
        if absent:
            raise InvalidInput(
                f"drctl-host is not installed for {name} on {member.host}: there is no {absent[0]}",
                remedy=f"{invocation.again} host install {name}",
            )
        other = [change for change in changes if change.what != PROGRAM]
        if other:
            _show(member, other)
            raise InvalidInput(
                f"more than the program differs on {member.host}: {', '.join(change.path for change in other)}",
                remedy=f"{invocation.again} host install {name}",
            )
        if not changes:
            click.echo(f"{name}: {member.host} has this version already")
            return
        _show(member, changes)
        if not _agreed(dry_run, yes, member):
            return
        operator.apply(bundle, wish)
    _say_check(invocation, configuration, member)


@host.command()
@common_options
@member_argument
@pass_invocation
@click.pass_context
def check(context: click.Context, invocation: Invocation, name: str) -> None:
    """Reach drctl-host of MEMBER as a controller does: with drctl's key, and with the pinned host key."""
    configuration = invocation.configuration
    _, member = _member(configuration, name)
    if not _say_check(invocation, configuration, member):
        context.exit(ExitCode.UNREACHABLE)


def _say_check(invocation: Invocation, configuration: Configuration, member: Member) -> bool:
    report = _inspect(configuration, member)
    if report.answers:
        state = report.postmaster.value if report.postmaster else "unknown"
        click.echo(f"{member.name}: drctl-host answers on {member.host}; its postmaster is {state}")
        return True
    click.secho(f"{member.name}: drctl-host does not answer on {member.host}: {report.detail}", fg="red", err=True)
    click.echo(f"  {report.remedy or f'{invocation.again} host install {member.name}'}", err=True)
    return False


def _inspect(configuration: Configuration, member: Member) -> HostReport:
    from drctl.ssh.host import SshHost  # noqa: PLC0415 - slow

    settings = configuration.ssh
    hosts = SshHost(
        user=settings.user, port=settings.port, identity=settings.identity, known_hosts=settings.known_hosts
    )
    try:
        return hosts.inspect(member, deadline_s=CHECK_TIMEOUT_S)
    finally:
        hosts.close()


def _member(configuration: Configuration, name: str) -> tuple[Group, Member]:
    for group in configuration.topology.groups:
        for member in group.members:
            if member.name == name:
                return group, member
    known = [member.name for group in configuration.topology.groups for member in group.members]
    raise InvalidInput(f"there is no member {name}", remedy=f"name one of: {', '.join(known)}")


def _wish(
    configuration: Configuration,
    group: Group,
    member: Member,
    folder: str,
    authorized_keys: str,
    start: str | None,
    stop: str | None,
) -> dict[str, object]:
    from drctl.postgres.prepare import REWIND_ROLE  # noqa: PLC0415 - slow

    public = configuration.ssh.identity.with_name(configuration.ssh.identity.name + ".pub")
    try:
        key = public.read_text(encoding="utf-8").strip()
    except OSError as error:
        raise InvalidInput(
            f"drctl's public key cannot be read: {public}: {error.strerror}",
            remedy=f"ssh-keygen -y -f {configuration.ssh.identity} > {public}",
        ) from error
    return {
        "member": member.name,
        "group": group.name,
        "port": member.port,
        "key": key,
        "replication_user": configuration.replication.user,
        "rewind_user": REWIND_ROLE,
        "peers": {
            peer.name: {"host": peer.host, "port": peer.port} for peer in group.members if peer.name != member.name
        },
        "folder": folder,
        "authorized_keys": authorized_keys,
        "start": shlex.split(start) if start else None,
        "stop": shlex.split(stop) if stop else None,
    }


def _bundle() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "drctl-host"
        build(out)
        return out.read_bytes()


def _operator(configuration: Configuration, member: Member, login: str | None, ssh_options: str) -> OperatorHost:
    return OperatorHost(
        host=member.host, login=login or configuration.ssh.user, options=tuple(shlex.split(ssh_options))
    )


def _missing_pins(configuration: Configuration, member: Member, operator: OperatorHost) -> list[str]:
    """Lines for known_hosts; none when a key of the host is there already. A key that has changed is never replaced."""
    settings = configuration.ssh
    known = pinned(settings.known_hosts, member.host, settings.port)
    if known:
        return []
    keys = [key for key in operator.host_keys() if key.startswith("ssh-ed25519 ")]
    return [f"{known_name(member.host, settings.port)} {key}" for key in keys]


def _pin(known_hosts: Path, lines: Sequence[str]) -> None:
    if lines:
        descriptor = os.open(known_hosts, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o644)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write("".join(f"{line}\n" for line in lines))


def _show(member: Member, changes: Sequence[HostChange]) -> None:
    for change in changes:
        click.echo(f"on {member.host}, {change.path}: {change.what}")
        click.echo(f"  {change.why}")
        for line in _difference(change):
            click.secho(f"  {line}", fg="green" if line.startswith("+") else "red")


def _difference(change: HostChange) -> list[str]:
    lines = difflib.unified_diff(change.before.splitlines(), change.after.splitlines(), lineterm="", n=0)
    return [line for line in lines if line[:1] in {"+", "-"} and not line.startswith(("+++", "---"))]


def _agreed(dry_run: bool, yes: bool, member: Member) -> bool:  # noqa: FBT001 - of the command line
    if dry_run:
        click.echo("dry run: nothing was changed")
        return False
    confirm(f"make these changes on {member.host}?", yes=yes)
    return True
