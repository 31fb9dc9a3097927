"""The outage as the clients saw it: how long after the fault no write was acknowledged."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

from chaos.oracles.verdict import Finding, conclude

if TYPE_CHECKING:
    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict
    from chaos.workload.record import Attempt, History

ORACLE = "outage"
BUCKET_S = 0.1
_NOTICED_S = 0.2
"""A shorter gap is no outage: at the usual rate a hundred milliseconds without one happen by chance."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """All times in seconds after the injection of the fault."""

    last_before_s: float | None
    """The last durable acknowledgement before the gap; above 0 where the fault took time to bite. None: none."""
    first_any_s: float | None
    """The first acknowledgement of any write after the gap, also of one that began before the fault. None: never."""
    first_s: float | None
    """The first durable acknowledgement of a write that began after the gap opened: the outage. None: never."""
    gap_s: float | None
    """From the last acknowledgement before to the first after. None: it never ended."""
    refused: int
    unknown: int
    """Operations of all kinds that began between injection and return."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rate:
    """Acknowledged operations by the time of their acknowledgement, in buckets of equal length."""

    start_ns: int
    bucket_s: float
    counts: tuple[int, ...]


def measure_outage(
    history: History,
    injected_ns: int,
    dumps: tuple[MemberDump, ...] = (),
    *,
    until_ns: int | None = None,
    client: str | None = None,
) -> Outage | None:
    """The longest gap between durable acknowledgements of writes after `injected_ns` (the machine's monotonic clock).

    None when the fault was not noticed. Durable: on every member of `dumps`, where there are any. `until_ns`: do not
    look at what began later, such as the outage of the next fault. `client`: as this one alone saw it.
    """
    attempts = [
        attempt
        for attempt in history.attempts
        if client in (None, attempt.client)
        and attempt.pinned is None
        and (until_ns is None or attempt.intent.at_ns <= until_ns)
    ]
    acked = sorted((attempt for attempt in attempts if attempt.acked_write and _durable(attempt, dumps)), key=_done_ns)
    times = [_done_ns(attempt) for attempt in acked]
    before = [time for time in times if time <= injected_ns]
    after = [time for time in times if time > injected_ns]
    # The gap opens with the last acknowledgement before the fault, or with one that slipped through after it.
    opens = [before[-1] if before else injected_ns, *after]
    end_ns = max((_seen_ns(attempt) for attempt in attempts), default=injected_ns)
    gaps = [(closes - opened, opened, closes) for opened, closes in zip(opens, [*opens[1:], end_ns], strict=True)]
    longest_ns, opened_ns, closed_ns = max(gaps, key=lambda gap: gap[0])
    if longest_ns < _NOTICED_S * 1e9:
        return None
    returned = opened_ns != opens[-1]
    began = [attempt for attempt in acked if attempt.intent.at_ns > max(opened_ns, injected_ns)]
    first_ns = _done_ns(began[0]) if began and returned else None
    until_ns = first_ns if first_ns is not None else end_ns
    hit = [attempt for attempt in attempts if injected_ns < attempt.intent.at_ns < until_ns and not attempt.acked]
    return Outage(
        last_before_s=_after_s(opened_ns, injected_ns) if before or opened_ns != injected_ns else None,
        first_any_s=_after_s(closed_ns, injected_ns) if returned else None,
        first_s=None if first_ns is None else _after_s(first_ns, injected_ns),
        gap_s=longest_ns / 1e9 if returned else None,
        refused=sum(attempt.outcome == "failed" for attempt in hit),
        unknown=sum(attempt.outcome == "unknown" for attempt in hit),
    )


def longest_gap_s(history: History, from_ns: int, until_ns: int) -> float | None:
    """The longest time between acknowledgements of writes that overlaps `from_ns` to `until_ns`, however short it is.

    None when fewer than two writes were acknowledged around that time: then no gap can be told.
    """
    times = sorted(_done_ns(attempt) for attempt in history.attempts if attempt.acked_write and attempt.pinned is None)
    gaps = [closes - opens for opens, closes in pairwise(times) if closes > from_ns and opens < until_ns]
    return max(gaps) / 1e9 if gaps else None


def check_outage(history: History, injected_ns: int, dumps: tuple[MemberDump, ...] = (), *, limit_s: float) -> Verdict:
    """Fail when writes were not acknowledged again within `limit_s` of the injection (L1)."""
    outage = measure_outage(history, injected_ns, dumps)
    if outage is None:
        return conclude(ORACLE, "", {}, [], doubt="the clients noticed no outage: did the fault take effect?")
    if outage.first_s is None:
        text = "no write was acknowledged again"
        return conclude(ORACLE, text, {}, [Finding(kind="never", subject="writes", text=text)])
    findings = []
    if outage.first_s > limit_s:
        text = f"writes were acknowledged again after {outage.first_s:.2f} s, allowed are {limit_s:g} s"
        findings.append(Finding(kind="too-long", subject="writes", text=text))
    counts = {"first_s": outage.first_s, "unknown": outage.unknown, "refused": outage.refused}
    if outage.gap_s is not None:
        counts["gap_s"] = outage.gap_s
    summary = f"writes were acknowledged again {outage.first_s:.2f} s after the fault"
    return conclude(ORACLE, summary, counts, findings)


def acknowledged_rate(
    history: History, *, start_ns: int | None = None, end_ns: int | None = None, bucket_s: float = BUCKET_S
) -> Rate:
    """Acknowledged operations of the service's clients, reads too, in buckets of `bucket_s`."""
    times = [_done_ns(attempt) for attempt in history.attempts if attempt.acked and attempt.pinned is None]
    start_ns = min(times, default=0) if start_ns is None else start_ns
    end_ns = max(times, default=0) if end_ns is None else end_ns
    bucket_ns = int(bucket_s * 1e9)
    counts = [0] * (max(0, end_ns - start_ns) // bucket_ns + 1)
    for time in times:
        if start_ns <= time <= end_ns:
            counts[(time - start_ns) // bucket_ns] += 1
    return Rate(start_ns=start_ns, bucket_s=bucket_s, counts=tuple(counts))


def _durable(attempt: Attempt, dumps: tuple[MemberDump, ...]) -> bool:
    return all(attempt.op in dump.operations for dump in dumps)


def _done_ns(attempt: Attempt) -> int:
    assert attempt.told is not None
    return attempt.told.done_ns


def _seen_ns(attempt: Attempt) -> int:
    return attempt.intent.at_ns if attempt.told is None else attempt.told.done_ns


def _after_s(time_ns: int, injected_ns: int) -> float:
    return (time_ns - injected_ns) / 1e9
