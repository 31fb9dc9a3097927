"""What all commands share: which configuration, whether to show tracebacks, where to print."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from drctl.model.errors import InvalidInput
from drctl.model.identity import GroupName, MemberName

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem
    from rich.console import Console

    from drctl.config import Configuration

DEFAULT_CONFIG = "/etc/drctl/cluster.yaml"
CONFIG_VARIABLE = "DRCTL_CONFIG"
FORMATS = ("pretty", "json", "yaml", "tsv")
WIDTH_OF_A_PIPE = 250
"""Nothing is cut that a program, or a pager, is going to read."""

_F = TypeVar("_F", bound=Callable[..., Any])


class Invocation:
    """One run of the program."""

    def __init__(self) -> None:
        self.config_path = Path(os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
        self.debug = False
        self._configuration: Configuration | None = None
        self._console: Console | None = None

    @property
    def configuration(self) -> Configuration:
        """The deployment's. Raises InvalidInput."""
        if self._configuration is None:
            from drctl.config import load  # noqa: PLC0415 - not needed by `--help`, and slow

            self._configuration = load(self.config_path)
        return self._configuration

    @property
    def console(self) -> Console:
        """Standard output: coloured on a terminal, unless NO_COLOR says otherwise."""
        if self._console is None:
            from rich.console import Console  # noqa: PLC0415 - not needed by `--help`, and slow

            width = None if sys.stdout.isatty() else WIDTH_OF_A_PIPE
            self._console = Console(highlight=False, emoji=False, markup=False, width=width)
        return self._console

    def group(self, name: str | None) -> GroupName:
        """The group called `name`; the only one when there is only one. Raises InvalidInput."""
        names = [group.name for group in self.configuration.topology.groups]
        if name is None and len(names) == 1:
            return names[0]
        if name not in names:
            what = "which group?" if name is None else f"there is no group {name} in {self.config_path}"
            raise InvalidInput(what, remedy=f"name one of: {', '.join(names)}")
        return GroupName(name)

    def groups(self, name: str | None) -> tuple[GroupName, ...]:
        """The group called `name`; all of them without a name. Raises InvalidInput."""
        if name is not None:
            return (self.group(name),)
        return tuple(group.name for group in self.configuration.topology.groups)

    def member(self, group: GroupName, name: str) -> MemberName:
        """The member called `name`. Raises InvalidInput."""
        members = [member.name for member in self.configuration.topology.group(group).members]
        if name not in members:
            raise InvalidInput(f"there is no member {name} in {group}", remedy=f"name one of: {', '.join(members)}")
        return MemberName(name)

    @property
    def again(self) -> str:
        """How a command that is suggested begins: with the configuration that this one was given."""
        given = str(self.config_path) != (os.environ.get(CONFIG_VARIABLE) or DEFAULT_CONFIG)
        return f"drctl --config {self.config_path}" if given else "drctl"


pass_invocation = click.make_pass_decorator(Invocation, ensure=True)


def _take_config(context: click.Context, _: click.Parameter, value: str | None) -> None:
    if value is not None:
        context.ensure_object(Invocation).config_path = Path(value)


def _take_debug(context: click.Context, _: click.Parameter, value: bool) -> None:  # noqa: FBT001 - click's signature
    if value:
        context.ensure_object(Invocation).debug = True


def common_options(command: _F) -> _F:
    """`--config` and `--debug`, before the command's name or after it."""
    command = click.option(
        "--config",
        metavar="FILE",
        type=click.Path(dir_okay=False),
        expose_value=False,
        is_eager=True,
        callback=_take_config,
        help=f"The cluster's configuration (default: ${CONFIG_VARIABLE}, else {DEFAULT_CONFIG}).",
    )(command)
    return click.option(
        "--debug",
        is_flag=True,
        expose_value=False,
        is_eager=True,
        callback=_take_debug,
        help="Show tracebacks of unexpected errors.",
    )(command)


format_option = click.option(
    "-f", "--format", "form", type=click.Choice(FORMATS), default="pretty", show_default=True, help="How to print."
)
yes_option = click.option("--yes", is_flag=True, help="Do not ask.")
reason_option = click.option("--reason", default="", metavar="TEXT", help="Why; kept in the history.")


def _named(kind: str) -> Callable[[click.Context, click.Parameter, str], list[CompletionItem]]:
    def complete(context: click.Context, _: click.Parameter, incomplete: str) -> list[CompletionItem]:
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only while completing

        try:
            topology = context.ensure_object(Invocation).configuration.topology
        except InvalidInput:
            return []
        names = [found.name for found in getattr(topology, kind)]
        return [CompletionItem(name) for name in names if name.startswith(incomplete)]

    return complete


group_argument = click.argument("group", required=False, shell_complete=_named("groups"))
complete_member = _named("members")
complete_center = _named("centers")
