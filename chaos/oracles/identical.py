"""After healing all members hold the same (S4)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.oracles.verdict import Finding, conclude

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict

ORACLE = "identical"


def check_identical(dumps: tuple[MemberDump, ...], rows: Mapping[str, tuple[str, ...]] | None = None) -> Verdict:
    """Compare the tables of all members by count and digest.

    `rows`: for a table, rows that one member has and another has not, in words, where someone has looked.
    """
    findings = []
    tables = sorted({table for dump in dumps for table in dump.tables})
    for table in tables:
        digests = {dump.member: dump.tables.get(table) for dump in dumps}
        if len(set(digests.values())) == 1:
            continue
        told = ", ".join(
            f"{member} {'has no such table' if digest is None else f'{digest.rows} rows ({digest.digest})'}"
            for member, digest in digests.items()
        )
        findings.append(Finding(kind="different", subject=table, text=told))
        findings += [Finding(kind="different-row", subject=table, text=row) for row in (rows or {}).get(table, ())]
    counts = {"members": len(dumps), "tables": len(tables)}
    summary = f"{len(tables)} tables on {len(dumps)} members"
    doubt = None
    if len(dumps) < 2:
        doubt = f"{len(dumps)} members were read: nothing to compare"
    elif not tables:
        doubt = "no table was read"
    return conclude(ORACLE, summary, counts, findings, doubt=doubt)
