"""`python -m chaos run`: scenarios on real parts."""

from __future__ import annotations

import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from chaos.faults.crashpoint import Deed
from chaos.faults.mutants import MUTANTS
from chaos.lab.attachment import need_root
from chaos.lab.errors import LabError
from chaos.oracles.verdict import Result
from chaos.run.checks import Judged
from chaos.run.controls import run_controls
from chaos.run.matrix import DEEDS, KINDS, Cell, run_matrix
from chaos.run.scenario import FOLDER, Scenario, load_scenarios
from chaos.run.suite import Laboratory, choose, run_suite

STYLE = {Result.PASS: "green", Result.FAIL: "bold red", Result.INCONCLUSIVE: "yellow"}
WIDTH = 170
EXIT = {Result.PASS: 0, Result.FAIL: 1, Result.INCONCLUSIVE: 5}


@click.command()
@click.argument("names", nargs=-1, metavar="[SCENARIO]...")
@click.option("--tag", help="Every scenario with this tag, such as p0 or smoke.")
@click.option("--name", default="chaos", show_default=True, help="Of the lab, so that several can run side by side.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder for what is left. Default: build/chaos/TIME.")
@click.option("--scenarios", type=click.Path(path_type=Path, exists=True), default=FOLDER, help="Where the files are.")
@click.option("--seed", default=1, show_default=True, help="Of the load.")
@click.option("--pg-bindir", help="Programs of another PostgreSQL, such as /usr/lib/postgresql/15/bin.")
@click.option(
    "--without", "mutant", type=click.Choice(sorted(MUTANTS)), help="Take a rule out of drctl: it must fail then."
)
@click.option("--list", "only_list", is_flag=True, help="Only say which scenarios there are.")
def run(
    *,
    names: tuple[str, ...],
    tag: str | None,
    name: str,
    bundle: Path | None,
    scenarios: Path,
    seed: int,
    pg_bindir: str | None,
    mutant: str | None,
    only_list: bool,
) -> None:
    """Play scenarios and judge them. Exit code: 0 all passed, 1 one failed, 5 one proved nothing."""
    console = _console()
    try:
        chosen = choose(load_scenarios(scenarios), names, tag)
        if only_list:
            console.print(_listing(chosen))
            return
        need_root()
        folder = bundle or Path("build/chaos") / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
        folder = folder.absolute()
        folder.mkdir(parents=True, exist_ok=True)
        laboratory = Laboratory(
            name=name,
            tell=lambda text: console.print(text, markup=False, soft_wrap=True),
            pg_bindir=pg_bindir,
            mutant=MUTANTS[mutant] if mutant else None,
        )
        began_s = time.monotonic()
        try:
            results = run_suite(chosen, laboratory, folder, seed=seed, tell=laboratory.tell)
        finally:
            laboratory.down()
    except LabError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    console.print(_table(results))
    console.print(f"{len(results)} scenarios in {time.monotonic() - began_s:.0f} s; bundles and report: {folder}")
    sys.exit(max((EXIT[judged.result] for _, judged in results), key=[0, 5, 1].index, default=0))


@click.command()
@click.option("--without", "names", multiple=True, type=click.Choice(sorted(MUTANTS)), help="Only these. Default: all.")
@click.option("--name", default="chaos", show_default=True, help="Of the lab.")
@click.option(
    "--bundle", type=click.Path(path_type=Path), help="Folder for what is left. Default: build/controls/TIME."
)
@click.option("--seed", default=1, show_default=True, help="Of the load.")
@click.option("--pg-bindir", help="Programs of another PostgreSQL.")
def controls(*, names: tuple[str, ...], name: str, bundle: Path | None, seed: int, pg_bindir: str | None) -> None:
    """Take one rule after the other out of drctl: a scenario that passes with it must fail without it."""
    console = _console()
    folder = (bundle or Path("build/controls") / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")).absolute()
    laboratory = Laboratory(
        name=name, tell=lambda text: console.print(text, markup=False, soft_wrap=True), pg_bindir=pg_bindir
    )
    try:
        need_root()
        folder.mkdir(parents=True, exist_ok=True)
        mutants = [MUTANTS[one] for one in names] or list(MUTANTS.values())
        found = run_controls(mutants, load_scenarios(), laboratory, folder, seed=seed, tell=laboratory.tell)
    except LabError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    table = Table(title="What is noticed when a rule is missing", title_justify="left")
    for heading in ("Rule that is taken out", "Scenario", "With it", "Without it", "What was seen without it"):
        table.add_column(heading)
    for one in found:
        table.add_row(
            one.mutant.removes,
            one.mutant.scenario,
            f"[{STYLE[one.whole.result]}]{one.whole.result}[/]",
            f"[{'green' if one.killed else 'bold red'}]{one.without.result}[/]",
            one.without.why[:240].replace("[", "\\["),
        )
    console.print(table)
    killed = sum(one.killed for one in found)
    console.print(f"{killed} of {len(found)} missing rules were noticed; bundles: {folder}")
    sys.exit(0 if killed == len(found) else 1)


@click.command()
@click.option("--kind", "kinds", multiple=True, type=click.Choice(KINDS), help="Of which run. Default: all.")
@click.option("--deed", "deeds", multiple=True, type=click.Choice([str(one) for one in DEEDS]), help="Default: all.")
@click.option("--effect", "only", default="", help="Only effects whose name contains this.")
@click.option("--name", default="chaos", show_default=True, help="Of the lab.")
@click.option("--bundle", type=click.Path(path_type=Path), help="Folder for what is left. Default: build/matrix/TIME.")
@click.option("--seed", default=1, show_default=True, help="Of the load.")
@click.option("--pg-bindir", help="Programs of another PostgreSQL.")
@click.option("--without", "mutant", type=click.Choice(sorted(MUTANTS)), help="Take a rule out of drctl.")
def matrix(
    *,
    kinds: tuple[str, ...],
    deeds: tuple[str, ...],
    only: str,
    name: str,
    bundle: Path | None,
    seed: int,
    pg_bindir: str | None,
    mutant: str | None,
) -> None:
    """Kill the leader before and after every effect of a run, and let it sleep through its replacement at each."""
    console = _console()
    folder = (bundle or Path("build/matrix") / datetime.now(UTC).strftime("%Y%m%dT%H%M%S")).absolute()
    try:
        need_root()
        folder.mkdir(parents=True, exist_ok=True)
        laboratory = Laboratory(
            name=name,
            tell=lambda text: console.print(text, markup=False, soft_wrap=True),
            pg_bindir=pg_bindir,
            mutant=MUTANTS[mutant] if mutant else None,
        )
        try:
            judged = run_matrix(
                laboratory,
                folder,
                kinds=kinds or KINDS,
                deeds=[Deed(one) for one in deeds] or DEEDS,
                only=only,
                seed=seed,
                tell=laboratory.tell,
            )
        finally:
            laboratory.down()
    except LabError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    console.print(_coverage(judged))
    passed = sum(one.result is Result.PASS for one in judged.values())
    console.print(f"{passed} of {len(judged)} cells passed; bundles: {folder}")
    sys.exit(max((EXIT[one.result] for one in judged.values()), key=[0, 5, 1].index, default=5))


def _coverage(judged: dict[Cell, Judged]) -> Table:
    table = Table(title="The leader dies before, dies after, or sleeps before every effect", title_justify="left")
    deeds = list(dict.fromkeys(cell.deed for cell in judged))
    for heading in ("Run", "Effect", *deeds):
        table.add_column(str(heading), no_wrap=True)
    for kind, effect in dict.fromkeys((cell.kind, cell.effect) for cell in judged):
        found = [judged.get(Cell(kind=kind, deed=deed, effect=effect)) for deed in deeds]
        table.add_row(
            kind,
            effect,
            *(
                "-" if one is None else f"[{STYLE[one.result]}]{one.result}[/] {_seconds(one.outage_s)}"
                for one in found
            ),
        )
    return table


def _console() -> Console:
    """Wide enough for a line of the table where nobody looks at a terminal."""
    return Console(highlight=False, width=None if sys.stdout.isatty() else WIDTH)


def _listing(scenarios: list[Scenario]) -> Table:
    table = Table(box=None)
    for heading in ("Scenario", "Tags", "Why"):
        table.add_column(heading, no_wrap=heading == "Scenario")
    for one in scenarios:
        table.add_row(one.name, " ".join(one.tags), " ".join(one.why.split()))
    return table


def _table(results: list[tuple[Scenario, Judged]]) -> Table:
    table = Table(title="Chaos on real parts", title_justify="left")
    for heading in ("Scenario", "Verdict", "Outage s", "Gap s", "Protected s", "Acked", "Lost", "Why"):
        table.add_column(
            heading,
            justify="right" if heading.endswith(" s") or heading in {"Acked", "Lost"} else "left",
            no_wrap=heading == "Scenario",
        )
    for scenario, judged in results:
        table.add_row(
            scenario.name,
            f"[{STYLE[judged.result]}]{judged.result}[/]",
            _seconds(judged.outage_s),
            _seconds(judged.gap_s),
            _seconds(judged.protected_s),
            str(judged.acked),
            "-" if judged.lost is None else str(judged.lost),
            judged.why[:300].replace("[", "\\["),
        )
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"
