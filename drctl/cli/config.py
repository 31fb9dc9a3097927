"""The configuration: `config show|validate|diff|schema`."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import click

from drctl.cli.controllers import ask_everyone
from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation, common_options, format_option, pass_invocation
from drctl.cli.output import print_json, print_value
from drctl.config import load


@click.group()
@common_options
def config() -> None:
    """Show, check and compare configurations."""


@config.command()
@common_options
@format_option
@pass_invocation
def show(invocation: Invocation, form: str) -> None:
    """Print every value that is in force, defaults included; secrets only as their references."""
    effective = invocation.configuration.effective
    if form == "pretty":
        width = max(map(len, effective))
        for key, value in effective.items():
            click.echo(f"{key.ljust(width)}  {value}".rstrip())
        return
    print_value(dict(effective), form, ("key", "value"), list(effective.items()))


@config.command()
@common_options
@pass_invocation
@click.pass_context
def validate(context: click.Context, invocation: Invocation) -> None:
    """Check the configuration: all errors, each with its place and what to write instead."""
    configuration = invocation.configuration
    for warning in configuration.warnings:
        click.secho(f"warning: {warning}", fg="yellow", err=True)
    topology = configuration.topology
    counts = ", ".join(
        f"{len(found)} {what}{'' if len(found) == 1 else 's'}"
        for found, what in ((topology.centers, "center"), (topology.groups, "group"), (topology.members, "member"))
    )
    click.echo(f"{invocation.config_path} is valid: {counts}; digest {configuration.digest[:12]}")
    context.exit(ExitCode.DONE)


@config.command()
@common_options
@click.argument("other", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@pass_invocation
@click.pass_context
def diff(context: click.Context, invocation: Invocation, other: Path | None) -> None:
    """Compare with OTHER, or without it with what the controllers run. Exit code 1 when they differ."""
    here = invocation.configuration.effective
    if other is not None:
        context.exit(_show_difference(here, load(other).effective, str(other)))
    answers, silent = ask_everyone(invocation.configuration, "/config")
    worst, differs = ExitCode.DONE, False
    for center in invocation.configuration.topology.centers:
        answer = answers.get(center.name)
        if isinstance(answer, dict):
            theirs = {key: str(value) for key, value in answer.items()}
            code = _show_difference(here, theirs, f"controller {center.name}")
            worst, differs = max(worst, code), differs or code is ExitCode.REFUSED
        else:
            click.secho(f"controller {center.name}: {silent.get(center.name, 'unknown')}", fg="yellow", err=True)
            worst = max(worst, ExitCode.UNREACHABLE)
    if differs:
        click.echo("install one file in every center, then start the controllers again, one after the other", err=True)
    context.exit(worst)


def _show_difference(here: Mapping[str, str], there: Mapping[str, str], name: str) -> ExitCode:
    differing = sorted(key for key in here.keys() | there.keys() if here.get(key) != there.get(key))
    for key in differing:
        click.echo(f"{key}: {_said(here, key)} here, {_said(there, key)} in {name}")
    if not differing:
        click.echo(f"{name}: the same")
    return ExitCode.REFUSED if differing else ExitCode.DONE


def _said(values: Mapping[str, str], key: str) -> str:
    return repr(values[key]) if key in values else "nothing"


@config.command()
def schema() -> None:
    """Print the JSON schema of the configuration, for editors."""
    from drctl.config.schema import json_schema  # noqa: PLC0415 - reads source files

    print_json(json_schema())
