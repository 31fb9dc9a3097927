"""Verdicts as a table for people, and as JSON for machines."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from chaos.oracles.verdict import Result

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaos.oracles.verdict import Verdict

_STYLE = {Result.PASS: "bold green", Result.FAIL: "bold red", Result.INCONCLUSIVE: "bold yellow"}
_FINDINGS_SHOWN = 5


def verdict_table(verdicts: Iterable[Verdict], *, title: str | None = None) -> Table:
    """One row a verdict, and under a failure its first findings."""
    table = Table(title=title, title_justify="left")
    table.add_column("Oracle", no_wrap=True)
    table.add_column("Verdict", no_wrap=True)
    table.add_column("What it saw", overflow="fold")
    for verdict in verdicts:
        lines = [verdict.summary]
        lines += [
            f"{finding.kind}: {finding.subject}: {finding.text}" for finding in verdict.findings[:_FINDINGS_SHOWN]
        ]
        if verdict.findings_total > _FINDINGS_SHOWN:
            lines.append(f"... and {verdict.findings_total - _FINDINGS_SHOWN} more")
        result = Text(verdict.result.value, style=_STYLE[verdict.result])
        table.add_row(verdict.oracle, result, Text("\n".join(line for line in lines if line)))
    return table


def verdicts_json(verdicts: Iterable[Verdict]) -> list[dict[str, object]]:
    """The same for a bundle, with everything that the verdicts carry."""
    return [asdict(verdict) | {"counts": dict(verdict.counts)} for verdict in verdicts]
