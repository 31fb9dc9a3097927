"""Nothing that a committed read of the service returned vanishes later (S2)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.oracles.verdict import Finding, conclude
from chaos.workload.operation import Append, OpId, RegisterCas, RegisterWrite
from chaos.workload.record import SeenLists, SeenOperations, SeenValue

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict
    from chaos.workload.record import Attempt, History

ORACLE = "vanished-reads"


def check_vanished_reads(history: History, dumps: tuple[MemberDump, ...]) -> Verdict:
    """Look up the operation behind everything that was read on a primary; it must be on every member.

    Reads of a pinned client and reads that a standby served are counted apart: a standby may show what it will have to
    give back, and the service never routes there.
    """
    writer_of = _writers(history)
    known = {attempt.op for attempt in history.attempts}
    seen_by: dict[OpId, Attempt] = {}
    counts = {"reads": 0, "values": 0, "standby_reads": 0, "standby_vanished": 0}
    vanished_on_standby: set[OpId] = set()
    for attempt in history.attempts:
        if not attempt.acked or attempt.told is None or attempt.told.seen is None:
            continue
        seen = [op for op in _operations_seen(attempt, writer_of) if op in known]
        served = attempt.told.served
        if attempt.pinned is not None or (served is not None and served.in_recovery):
            counts["standby_reads"] += 1
            vanished_on_standby.update(op for op in seen if _absent(op, dumps))
            continue
        counts["reads"] += 1
        for op in seen:
            seen_by.setdefault(op, attempt)
    counts["values"] = len(seen_by)
    counts["standby_vanished"] = len(vanished_on_standby)
    findings = [
        _finding(op, reader, missing, everywhere=len(missing) == len(dumps))
        for op, reader in seen_by.items()
        if (missing := _absent(op, dumps))
    ]
    summary = f"{counts['reads']} reads saw the rows of {len(seen_by)} operations"
    doubt = None
    if not dumps:
        doubt = "no member was read"
    elif not seen_by:
        doubt = "no read saw the row of any operation"
    return conclude(ORACLE, summary, counts, findings, doubt=doubt)


def _writers(history: History) -> Mapping[int, OpId]:
    """Who wrote each value of a register or element of a list: no value is written twice."""
    writers: dict[int, OpId] = {}
    for attempt in history.attempts:
        match attempt.intent.call:
            case RegisterWrite(value=value) | RegisterCas(value=value):
                writers[value] = attempt.op
            case Append(steps=steps):
                writers.update((step.value, attempt.op) for step in steps if step.value is not None)
            case _:
                pass
    return writers


def _operations_seen(attempt: Attempt, writer_of: Mapping[int, OpId]) -> Iterator[OpId]:
    assert attempt.told is not None
    match attempt.told.seen:
        case SeenOperations(ops=ops):
            yield from ops
        case SeenValue(value=value):
            if value is not None and value in writer_of:
                yield writer_of[value]
        case SeenLists(lists=lists):
            yield from {writer_of[value] for seen in lists for value in seen or () if value in writer_of}
        case None:
            pass


def _absent(op: OpId, dumps: tuple[MemberDump, ...]) -> list[str]:
    return [dump.member for dump in dumps if op not in dump.operations]


def _finding(op: OpId, reader: Attempt, missing: list[str], *, everywhere: bool) -> Finding:
    where = "every member" if everywhere else ", ".join(missing)
    return Finding(
        kind="vanished",
        subject=op,
        text=f"{reader.op} ({reader.intent.kind}) read what it wrote; it is absent on {where}",
        member=missing[0] if len(missing) == 1 else None,
    )
