"""Rehearsals: `drill run | list | show | abort | confirm | check | calendar`."""

from __future__ import annotations

from importlib import import_module

import click

_COMMANDS = {
    "check": "drill_check:check",
}


class _Drills(click.Group):
    """The commands, each imported when it is called."""

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        """In the order in which people meet them."""
        return list(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:  # noqa: ARG002 - click's signature
        """The command; None when there is none."""
        place = _COMMANDS.get(cmd_name)
        if place is None:
            return None
        module, _, name = place.partition(":")
        command = getattr(import_module(f"drctl.cli.{module}"), name)
        assert isinstance(command, click.Command), place
        return command


@click.group(cls=_Drills)
def drill() -> None:
    """Rehearse: move a group and bring it home, recover a copy, go through the plan, or run the business checks."""
