"""Findings as a table: what was looked at, what it means, what to type."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from drctl.cli import render
from drctl.model.takeover import Finding, FindingSeverity

FINDING_COLUMNS = ("severity", "subject", "what", "why", "remedy")

_STYLES = {FindingSeverity.OK: render.GOOD, FindingSeverity.WARNING: render.WARN, FindingSeverity.ERROR: render.BAD}


def table(findings: Sequence[Finding]) -> RenderableType:
    """The findings, in the order in which they were made."""
    found = Table(box=None, header_style="bold", padding=(0, 1))
    found.add_column("", no_wrap=True)
    found.add_column("Of", no_wrap=True)
    found.add_column("Finding")
    for finding in findings:
        text = Text(finding.what)
        if finding.why:
            text.append(f"\n{finding.why}", render.FAINT)
        if finding.remedy and finding.severity is not FindingSeverity.OK:
            text.append(f"\n> {finding.remedy}")
        found.add_row(Text(finding.severity.value, _STYLES[finding.severity]), finding.subject, text)
    return found


def rows(findings: Sequence[Finding]) -> list[Sequence[object]]:
    """The findings for `-f tsv`."""
    return [(found.severity, found.subject, found.what, found.why, found.remedy) for found in findings]
