"""`python -m chaos bench`: prints the tables, and writes build/bench.json and the page beside it."""

from __future__ import annotations

import json
import platform
import random
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from chaos.bench.faults import FAULTS
from chaos.bench.outage import measure
from chaos.bench.records import Records, cells
from chaos.bench.systems import SYSTEMS
from chaos.bench.table import outage_table

if TYPE_CHECKING:
    from chaos.bench.measure import RunFigures


@click.command()
@click.option("--runs", default=9, show_default=True, help="of each fault in each system")
@click.option("--fault", "faults", multiple=True, type=click.Choice(sorted(FAULTS)), help="only these; default: all")
@click.option("--system", "systems", multiple=True, type=click.Choice(list(SYSTEMS)), help="only these; default: all")
@click.option("--seed", default=1, show_default=True, help="of the phases")
@click.option("--add", is_flag=True, help="to what an earlier bench measured, instead of beginning anew")
@click.option("--name", default="bench", show_default=True, help="of the lab")
@click.option("--pg-bindir", help="programs of another PostgreSQL")
@click.option("--out", type=click.Path(path_type=Path), default=Path("build/bench.json"), show_default=True)
def bench(
    *,
    runs: int,
    faults: tuple[str, ...],
    systems: tuple[str, ...],
    seed: int,
    add: bool,
    name: str,
    pg_bindir: str | None,
    out: Path,
) -> None:
    """Measure how long outages are, as clients see them."""
    console = Console(highlight=False, width=None if sys.stdout.isatty() else 180)
    records = Records(path=out.with_suffix("") / "runs.jsonl")
    if not add:
        records.begin()

    def record(run: RunFigures) -> None:
        records.add(run)
        console.print(_words(run), soft_wrap=True)

    for system in systems or tuple(SYSTEMS):
        measure(
            lambda system=system: SYSTEMS[system](name, pg_bindir),  # type: ignore[misc]
            system,
            faults or tuple(FAULTS),
            runs,
            random.Random(seed),
            record,
        )
    console.print(outage_table(records.runs()))
    document = {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": f"{platform.machine()}, {platform.system()} {platform.release()}",
        "seed": seed,
        "outage": {
            fault: {system: cell.document() for system, cell in by_system.items()}
            for fault, by_system in cells(records.runs()).items()
        },
    }
    out.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    console.print(f"written: {out}")


def _words(run: RunFigures) -> str:
    parts = {
        "client": run.writer_s, "fresh": run.fresh_s, "gap": run.gap_s, "detect": run.detect_s, "seal": run.seal_s,
        "promote": run.promote_s, "marker": run.marker_s,
    }  # fmt: skip
    told = " ".join(f"{name} {value:.2f} s" for name, value in parts.items() if value is not None) or "never"
    trouble = f" -- {run.trouble}" if run.trouble else ""
    return f"{run.fault} {run.system}: {told}, lost {run.lost} of {run.acked}, load {run.load_average:.1f}{trouble}"
