"""drctl: the program. Commands are imported when they are called."""

from __future__ import annotations

import sys
import tempfile
import traceback
from importlib import import_module
from typing import NoReturn

import click

from drctl.cli.exit_codes import ExitCode, of_error
from drctl.cli.invocation import Invocation, common_options
from drctl.model.errors import DrctlError

_COMMANDS = {
    "list": "observe:list_command",
    "topology": "observe:topology",
    "explain": "observe:explain",
    "watch": "watch:watch",
    "history": "history:history",
    "switchover": "operate:switchover",
    "failover": "operate:failover",
    "switchback": "operate:switchback",
    "rejoin": "operate:rejoin",
    "reinit": "operate:reinit",
    "pause": "pause:pause",
    "resume": "pause:resume",
    "run": "run:run_group",
    "playbook": "playbook:playbook",
    "drill": "drill:drill",
    "init": "init:init",
    "audit": "audit:audit",
    "doctor": "doctor:doctor",
    "config": "config:config",
    "routing": "routing:routing",
    "notify": "notify:notify",
    "host": "host:host",
    "controller": "controller:controller",
    "completion": "completion:completion",
    "version": "version:version_command",
}
_ALIASES = {"status": "list"}


class Program(click.Group):
    """The commands, and what becomes of errors."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which people meet them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command; None when there is none."""
        place = _COMMANDS.get(_ALIASES.get(cmd_name, cmd_name))
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(import_module(f"drctl.cli.{module}"), name)
        assert isinstance(command, click.Command), place
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does, with the nearest command for one that does not exist."""
        word = args[0]
        if word in _COMMANDS or word in _ALIASES or word.startswith("-") or ctx.resilient_parsing:
            return super().resolve_command(ctx, args)
        from drctl.config.problem import nearest  # noqa: PLC0415 - only for a mistyped command

        guess = nearest(word, [*_COMMANDS, *_ALIASES])
        raise click.UsageError(f"there is no command {word}." + (f" Did you mean {guess}?" if guess else ""), ctx)

    def invoke(self, ctx: click.Context) -> object:
        """Run the command. What goes wrong in the world is a message; what is wrong in drctl is kept for its makers."""
        try:
            return super().invoke(ctx)
        except DrctlError as error:
            show_error(error)
            ctx.exit(of_error(error))
        except (click.ClickException, click.exceptions.Exit, click.Abort, KeyboardInterrupt, BrokenPipeError):
            raise
        except Exception:
            if ctx.ensure_object(Invocation).debug:
                raise
            _keep_traceback()
            ctx.exit(ExitCode.UNKNOWN)


def show_error(error: DrctlError) -> None:
    """What happened, and the next thing to type."""
    click.secho(f"error: {error.message}", fg="red", err=True)
    if error.remedy:
        click.echo(f"  {error.remedy}", err=True)


def _keep_traceback() -> None:
    kind, value, _ = sys.exc_info()
    what = traceback.format_exception_only(kind, value)[-1].strip()
    with tempfile.NamedTemporaryFile("w", prefix="drctl-error-", suffix=".txt", delete=False) as file:
        file.write(f"{' '.join(sys.argv)}\n{traceback.format_exc()}")
    click.secho(
        f"error: drctl itself failed, and what was asked may or may not have been done: {what}", fg="red", err=True
    )
    click.echo(f"  look at the cluster: drctl list; the details for a report are in {file.name}", err=True)


@click.command(cls=Program, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@common_options
@click.pass_context
def program(context: click.Context) -> None:
    """Keep PostgreSQL running over several data centers: no acknowledged commit is lost, service returns in seconds.

    Exit codes: 0 done, 1 refused or failed and nothing changed, 2 usage, 3 not reachable, 4 finished but degraded,
    5 unknown: look.
    """
    context.ensure_object(Invocation)


def main() -> NoReturn:
    """The entry point of the program."""
    program(prog_name="drctl")
    raise AssertionError("click ends the program")
