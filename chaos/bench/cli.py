"""`python -m chaos bench`: prints the table, and writes build/bench.json."""

from __future__ import annotations

import json
import platform
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import click
from rich.console import Console
from rich.table import Table

from chaos.bench.faults import FAULTS
from chaos.bench.measure import RunFigures, Spread, spread
from chaos.bench.outage import measure
from chaos.lab.errors import LabError
from chaos.lab.lab import Lab

SYSTEM = "drctl"


@click.command()
@click.option("--runs", default=9, show_default=True, help="of each fault")
@click.option("--fault", "faults", multiple=True, type=click.Choice(sorted(FAULTS)), help="only these; default: all")
@click.option("--seed", default=1, show_default=True, help="of the phases")
@click.option("--name", default="bench", show_default=True, help="of the lab")
@click.option("--pg-bindir", help="programs of another PostgreSQL")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/bench.json"), show_default=True)
def bench(*, runs: int, faults: tuple[str, ...], seed: int, name: str, pg_bindir: str | None, out: Path) -> None:
    """Measure how long outages are, as clients see them."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 140)
    names = list(faults) or list(FAULTS)
    policy = {"failovers_per_hour": 1000}
    try:
        with Lab.up(name, pg_bindir=pg_bindir, policy=policy) as lab:
            figures = measure(lab, names, runs, seed, lambda text: console.print(text, soft_wrap=True))
    except LabError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)
    console.print(_table(figures))
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(_document(figures, seed), indent=2) + "\n", encoding="utf-8")
    console.print(f"written: {out}")


def _table(figures: dict[str, list[RunFigures]]) -> Table:
    table = Table(title="Seconds without an acknowledged write, from the injection of the fault")
    for heading in (
        "Fault",
        "n",
        "client median",
        "max",
        "required",
        "fresh median",
        "max",
        "detect",
        "seal",
        "promote",
    ):
        table.add_column(heading, justify="left" if heading == "Fault" else "right")
    for name, runs in figures.items():
        client, fresh = spread([one.writer_s for one in runs]), spread([one.fresh_s for one in runs])
        fault = FAULTS[name]
        required = f"{fault.median_max_s:g}" + (f" / {fault.max_max_s:g}" if fault.max_max_s else "")
        table.add_row(
            name, str(len(runs)), _seconds(client.median_s), _most(client), required, _seconds(fresh.median_s), _most(fresh),
            *(_seconds(spread(values).median_s) for values in (
                [one.detect_s for one in runs], [one.seal_s for one in runs], [one.promote_s for one in runs]
            )),
        )  # fmt: skip
    return table


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:.2f}"


def _most(one: Spread) -> str:
    return (
        "never"
        if one.never and one.n == one.never
        else _seconds(one.max_s) + (f" ({one.never} never)" if one.never else "")
    )


def _document(figures: dict[str, list[RunFigures]], seed: int) -> dict[str, object]:
    outage = {}
    for name, runs in figures.items():
        client, fresh = spread([one.writer_s for one in runs]), spread([one.fresh_s for one in runs])
        outage[name] = {SYSTEM: asdict(client) | {"fresh": asdict(fresh), "runs": [asdict(one) for one in runs]}}
    return {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "seed": seed,
        "outage": outage,
    }
