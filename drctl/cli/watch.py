"""Live: `watch` the cluster, or runs."""

from __future__ import annotations

import time

import click

from drctl.cli.controllers import ask_cluster
from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation, common_options, pass_invocation
from drctl.model.errors import DrctlError
from drctl.model.identity import RunId


@click.command()
@common_options
@click.option(
    "-w", "--every", "every_s", type=click.FloatRange(min=0.2), default=1.0, show_default=True, metavar="SECONDS"
)
@click.argument("runs", nargs=-1, metavar="[RUN]...")
@pass_invocation
@click.pass_context
def watch(context: click.Context, invocation: Invocation, every_s: float, runs: tuple[str, ...]) -> None:
    """Watch the cluster live; with RUN, follow an operation to its end. Ctrl-C stops the watching and nothing else."""
    if runs:
        from drctl.cli.follow import follow  # noqa: PLC0415 - slow

        context.exit(follow(invocation, [RunId(run) for run in runs]))
    try:
        _live(invocation, every_s)
    except KeyboardInterrupt:
        context.exit(ExitCode.DONE)


def _live(invocation: Invocation, every_s: float) -> None:
    from rich.console import Group, RenderableType  # noqa: PLC0415 - slow
    from rich.live import Live  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    from drctl.cli import render, render_run  # noqa: PLC0415

    console = invocation.console
    configuration = invocation.configuration
    with Live(console=console, screen=console.is_terminal, auto_refresh=False) as live:
        while True:
            parts: list[RenderableType] = []
            try:
                snapshot = ask_cluster(configuration).snapshot
                parts.append(render.cluster(snapshot, console))
                parts += [render_run.run(group.run) for group in snapshot.groups if group.run is not None]
            except DrctlError as error:
                parts.append(Text(f"error: {error.message}\n  {error.remedy}", render.BAD))
            live.update(Group(*parts), refresh=True)
            time.sleep(every_s)
