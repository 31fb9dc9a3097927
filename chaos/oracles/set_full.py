"""Every acknowledged write is on every member, once; nothing that was refused is on any."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chaos.oracles.verdict import Finding, conclude
from chaos.workload.record import OutcomeClass

if TYPE_CHECKING:
    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict
    from chaos.workload.operation import OpId
    from chaos.workload.record import Attempt, History
    from drctl.model.identity import MemberName

ORACLE = "set-full"
"""The name, as Jepsen has it."""


def check_set_full(history: History, dumps: tuple[MemberDump, ...]) -> Verdict:
    """Compare what the clients were told with what each member holds.

    A row that is missing on any one member is lost: that it is somewhere is not good enough.
    """
    attempts = {attempt.op: attempt for attempt in history.attempts if attempt.may_write}
    acked = [attempt for attempt in attempts.values() if attempt.acked_write]
    lost = [
        (attempt, missing)
        for attempt in acked
        if (missing := [dump.member for dump in dumps if attempt.op not in dump.operations])
    ]
    findings = [_lost(attempt, missing) for attempt, missing in lost]
    for dump in dumps:
        findings += _not_expected(history, attempts, dump)
    counts = {"acked": len(acked), "lost": len(lost), **_presence(attempts, dumps)}
    summary = f"{len(acked)} acknowledged writes on {len(dumps)} members, {len(lost)} lost"
    return conclude(ORACLE, summary, counts, findings, doubt=_doubt(acked, dumps))


def _doubt(acked: list[Attempt], dumps: tuple[MemberDump, ...]) -> str | None:
    if not dumps:
        return "no member was read"
    return None if acked else "no write was acknowledged"


def _lost(attempt: Attempt, missing: list[MemberName]) -> Finding:
    told = attempt.told
    assert told is not None
    served = f" by {told.served.member} on timeline {told.served.timeline}" if told.served is not None else ""
    when = datetime.fromtimestamp(told.wall_s, tz=UTC).isoformat(timespec="milliseconds")
    return Finding(
        kind="lost",
        subject=attempt.op,
        text=f"{attempt.intent.kind} acknowledged{served} at {when}, absent on {', '.join(missing)}",
        member=missing[0] if len(missing) == 1 else None,
    )


def _not_expected(history: History, attempts: dict[OpId, Attempt], dump: MemberDump) -> list[Finding]:
    findings = []
    runs = {header.run for header in history.headers}
    for op, count in dump.operations.items():
        attempt = attempts.get(op)
        if attempt is None:
            # Ids of clients whose ledger is not here say nothing.
            if op.rpartition(".")[0] in runs:
                text = "it is there, and by the ledger of its client it cannot be"
                findings.append(Finding(kind="phantom", subject=op, text=text, member=dump.member))
            continue
        if attempt.outcome is OutcomeClass.FAILED:
            assert attempt.told is not None
            text = f"{attempt.intent.kind} was refused ({attempt.told.sqlstate or attempt.told.text}), yet it is there"
            findings.append(Finding(kind="resurrected", subject=op, text=text, member=dump.member))
        if count > 1:
            text = f"{attempt.intent.kind} was applied {count} times"
            findings.append(Finding(kind="duplicate", subject=op, text=text, member=dump.member))
    return findings


def _presence(attempts: dict[OpId, Attempt], dumps: tuple[MemberDump, ...]) -> dict[str, int]:
    """How many of those that prove nothing turned out to be there: on any member."""
    counts = {"failed": 0}
    for name in ("unknown", "unsafe"):
        counts |= {f"{name}_present": 0, f"{name}_absent": 0}
    for attempt in attempts.values():
        present = any(attempt.op in dump.operations for dump in dumps)
        match attempt.outcome:
            case OutcomeClass.UNKNOWN:
                counts["unknown_present" if present else "unknown_absent"] += 1
            case OutcomeClass.ACKED_UNSAFE:
                counts["unsafe_present" if present else "unsafe_absent"] += 1
            case OutcomeClass.FAILED:
                counts["failed"] += 1
            case OutcomeClass.ACKED:
                pass
    return counts
