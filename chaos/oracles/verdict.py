"""What an oracle says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping

FINDINGS_MAX = 50
"""How many findings a verdict carries; it counts all of them."""


class Result(StrEnum):
    """Pass, fail, or neither."""

    PASS = "pass"  # noqa: S105 - no password
    FAIL = "fail"
    INCONCLUSIVE = "inconclusive"
    """Too little was seen, or the search was too long: it proves nothing, in either direction."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that must not be."""

    kind: str
    """One word for the anomaly, as the literature has it."""
    subject: str
    """The operation, key or table that it was found in."""
    text: str
    member: str | None = None
    """Where it was found; None when it is no matter of one member."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """The answer of one oracle, with its evidence."""

    oracle: str
    result: Result
    summary: str
    counts: Mapping[str, float]
    findings: tuple[Finding, ...]
    findings_total: int
    """More than `len(findings)` when the list was cut."""


def conclude(
    oracle: str, summary: str, counts: Mapping[str, float], findings: list[Finding], *, doubt: str | None = None
) -> Verdict:
    """Fail when anything was found; else inconclusive when there is a doubt; else pass."""
    if findings:
        result = Result.FAIL
    elif doubt is not None:
        result, summary = Result.INCONCLUSIVE, doubt
    else:
        result = Result.PASS
    return Verdict(
        oracle=oracle,
        result=result,
        summary=summary,
        counts=counts,
        findings=tuple(findings[:FINDINGS_MAX]),
        findings_total=len(findings),
    )
