"""The table of outages, for a terminal."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table

from chaos.bench.faults import FAULTS
from chaos.bench.records import Cell, cells

if TYPE_CHECKING:
    from collections.abc import Sequence

    from chaos.bench.measure import RunFigures, Spread

HEADINGS = (
    "Fault", "System", "n", "median", "max", "ratio", "required", "fresh median", "max", "detect", "seal", "promote",
    "first write", "lost", "load",
)  # fmt: skip
REFERENCE = "drctl"


def outage_table(runs: Sequence[RunFigures]) -> Table:
    """One line a fault and system; ratios are medians over drctl's."""
    table = Table(
        title="Seconds without an acknowledged write, from the injection of the fault; ratio: median over drctl's"
    )
    for heading in HEADINGS:
        table.add_column(heading, justify="left" if heading in {"Fault", "System"} else "right")
    for fault, by_system in cells(runs).items():
        for system in by_system:
            first = system == next(iter(by_system))
            table.add_row(fault if first else "", system, *figures(fault, system, by_system))
        table.add_section()
    return table


def figures(fault: str, system: str, by_system: dict[str, Cell]) -> list[str]:
    """The cells of one line, without fault and system."""
    cell, reference = by_system[system], by_system.get(REFERENCE)
    row = FAULTS[fault]
    required = f"{row.median_max_s:g}" + (f" / {row.max_max_s:g}" if row.max_max_s else "")
    return [
        str(cell.client.n),
        seconds(cell.client.median_s) if cell.client.never * 2 <= cell.client.n else "never",
        most(cell.client),
        ratio(cell, reference) if system != REFERENCE else "",
        required if system == REFERENCE else "",
        seconds(cell.fresh.median_s),
        seconds(cell.fresh.max_s),
        *(seconds(cell.part(name).median_s) for name in ("detect_s", "seal_s", "promote_s", "marker_s")),
        str(cell.lost),
        f"{cell.load_average:.1f}",
    ]


def ratio(cell: Cell, reference: Cell | None) -> str:
    """How many times drctl's median; empty when either has none."""
    ours = reference.client.median_s if reference else None
    if ours is None or cell.client.median_s is None or cell.client.never * 2 > cell.client.n:
        return ""
    return f"{cell.client.median_s / ours:.1f}x"


def seconds(value: float | None) -> str:
    """Two decimals."""
    return "-" if value is None else f"{value:.2f}"


def most(one: Spread) -> str:
    """The greatest, and how many never came back."""
    if one.never == one.n:
        return "never"
    return seconds(one.max_s) + (f" ({one.never} never)" if one.never else "")
