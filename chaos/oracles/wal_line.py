"""Acknowledged history is one line of WAL: no acknowledgement came from a fork."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from chaos.oracles.member import primary_of
from chaos.oracles.verdict import Finding, conclude
from drctl.model.position import format_lsn

if TYPE_CHECKING:
    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict
    from chaos.workload.record import History
    from drctl.model.position import Lsn, Timeline

ORACLE = "wal-line"


def check_wal_line(history: History, dumps: tuple[MemberDump, ...]) -> Verdict:
    """Hold each acknowledgement's timeline and position against the history of the primary's timeline.

    A late acknowledgement by an old primary is legal where the new line has that WAL too; after the fork it is split
    brain. The position of a write lies before its commit record, so this accuses nobody wrongly.
    """
    primary = primary_of(dumps)
    if primary is None or primary.timeline is None or primary.ancestors is None:
        why = "there is not one primary" if primary is None else f"{primary.member} did not tell its timeline's history"
        return conclude(ORACLE, "", {}, [], doubt=f"{why}: forks cannot be told")
    until: dict[Timeline, Lsn] = {switch.timeline: switch.until for switch in primary.ancestors}
    findings = []
    by_member: Counter[str] = Counter()
    unplaced = 0
    for attempt in history.attempts:
        told = attempt.told
        if not attempt.acked_write or told is None:
            continue
        served = told.served
        if served is None or served.timeline is None or served.lsn is None:
            unplaced += 1
            continue
        by_member[f"{served.member}@{served.timeline}"] += 1
        if served.timeline == primary.timeline or served.lsn < until.get(served.timeline, 0):
            continue
        fork = f"its fork at {format_lsn(until[served.timeline])}" if served.timeline in until else "any common history"
        text = (
            f"{attempt.intent.kind} acknowledged by {served.member} at {served.timeline}:{format_lsn(served.lsn)}, "
            f"after {fork}; the line goes on with {primary.member} on timeline {primary.timeline}"
        )
        findings.append(Finding(kind="split-brain", subject=attempt.op, text=text, member=served.member))
    placed = sum(by_member.values())
    line = " -> ".join(str(switch.timeline) for switch in primary.ancestors)
    summary = f"{placed} acknowledgements on the line {line + ' -> ' if line else ''}{primary.timeline}"
    doubt = None if placed else "no acknowledgement told its position"
    return conclude(ORACLE, summary, {"placed": placed, "unplaced": unplaced, **by_member}, findings, doubt=doubt)
