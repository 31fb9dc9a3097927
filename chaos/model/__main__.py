"""`python -m chaos.model`: check the protocol, and that none of its rules can be left out."""

from __future__ import annotations

import sys
import time

import click
from rich.console import Console

from chaos.model.check import Checked, check, table_of, verdict_of
from chaos.model.configuration import MUTANTS, WORLDS, Mutant, World
from chaos.model.pan import ToolMissing
from chaos.model.trace import render


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--deep", is_flag=True, help="the large worlds too: minutes, and some GB of memory")
@click.option("--only", "names", multiple=True, metavar="NAME", help="this world or mutant; may be repeated")
@click.option("--jobs", default=2, show_default=True, type=click.IntRange(1, 8), help="searches at a time")
@click.option("--write-traces", is_flag=True, help="keep the traces of the mutants beside the model")
def main(*, deep: bool, names: tuple[str, ...], jobs: int, write_traces: bool) -> None:
    """Check the model and its mutants. Exit code: 0 when the protocol holds and every mutant is caught, else 1."""
    subjects = _chosen(names, deep=deep)
    begun_s = time.monotonic()
    checked: list[Checked] = []
    try:
        for one in check(subjects, jobs=jobs):
            checked.append(one)
            click.echo(f"{one.name}: {verdict_of(one)} ({one.search.states:,} states)", err=True)
    except ToolMissing as error:
        click.echo(f"error: nothing was proved: {error}", err=True)
        sys.exit(1)
    checked.sort(key=lambda one: [subject.name for subject in subjects].index(one.name))
    # A table that is broken up over a pipe's 80 columns is read by nobody.
    Console(width=max(Console().width, 140)).print(table_of(checked))
    for one in checked:
        if one.trace and one.mutant and write_traces:
            one.mutant.trace.write_text(render(one.mutant, one.trace), encoding="utf-8")
        elif one.trace and not one.mutant:
            click.echo("\n".join((f"{one.name}:", *one.trace.steps, one.trace.violation)))
    failed = [one.name for one in checked if not one.passed]
    took_s = time.monotonic() - begun_s
    click.echo(f"{len(checked) - len(failed)} of {len(checked)} as they must be, in {took_s:.0f} s")
    if failed:
        click.echo(f"error: not proved: {', '.join(failed)}", err=True)
        sys.exit(1)


def _chosen(names: tuple[str, ...], *, deep: bool) -> list[World | Mutant]:
    known: list[World | Mutant] = [*WORLDS, *MUTANTS]
    unknown = set(names) - {subject.name for subject in known}
    if unknown:
        raise click.UsageError(
            f"no world or mutant {', '.join(sorted(unknown))}; there are: {', '.join(one.name for one in known)}"
        )
    if names:
        return [subject for subject in known if subject.name in names]
    # The longest first, so that the small ones fill the gaps.
    chosen = [subject for subject in known if not isinstance(subject, World) or deep or not subject.deep]
    return sorted(chosen, key=lambda subject: -_size(subject))


def _size(subject: World | Mutant) -> int:
    return subject.operations * 10 + subject.writes if isinstance(subject, World) else 0


if __name__ == "__main__":
    main()
