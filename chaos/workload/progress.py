"""How a client gets on: one line a moment for whoever watches."""

from __future__ import annotations

import json
import time
from collections import Counter, deque
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from chaos.workload.operation import READ_ONLY_KINDS
from chaos.workload.record import OutcomeClass

if TYPE_CHECKING:
    from chaos.workload.pool import Pool
    from chaos.workload.record import Intent, Outcome

_WINDOW_S = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """Totals since the start, and the last second."""

    client: str
    mono_ns: int
    elapsed_s: float
    acked: int
    acked_writes: int
    acked_unsafe: int
    failed: int
    unknown: int
    in_flight: int
    queued: int
    connections: int
    rate_per_s: float
    """Acknowledged in the last second, reads too."""
    writes_per_s: float
    p50_ms: float | None
    """From arrival to acknowledgement, over the last second; None when nothing was acknowledged."""
    p99_ms: float | None
    member: str | None
    """Who served the last acknowledged write, or read where there are no writes."""
    timeline: int | None
    last_write_ns: int
    """When a write was acknowledged last, on the machine's monotonic clock; 0 before the first."""
    syncs: int
    """How often the ledger was synced."""
    error: str
    """Why the last attempt to connect failed; empty when it did not."""

    def line(self) -> str:
        """One JSON object on one line."""
        return json.dumps({"t": "progress", **asdict(self)}, ensure_ascii=False, separators=(",", ":"))


class Meter:
    """Counts outcomes, and keeps the last second of them."""

    def __init__(self, client: str) -> None:
        self._client = client
        self._start_ns = time.monotonic_ns()
        self._classes: Counter[OutcomeClass] = Counter()
        self._acked_writes = 0
        self._last_write_ns = 0
        self._recent: deque[tuple[int, float, bool]] = deque()
        self._member: str | None = None
        self._timeline: int | None = None
        self._wrote_once = False

    def count(self, intent: Intent, outcome: Outcome) -> None:
        """Take one outcome into account."""
        self._classes[outcome.outcome] += 1
        if outcome.outcome is not OutcomeClass.ACKED:
            return
        self._acked_writes += outcome.wrote
        if outcome.wrote:
            self._last_write_ns = outcome.done_ns
        self._recent.append((outcome.done_ns, (outcome.done_ns - intent.at_ns) / 1e6, outcome.wrote))
        reads = intent.kind in READ_ONLY_KINDS
        if outcome.served is not None and not (reads and self._wrote_once):
            self._wrote_once = not reads
            self._member = outcome.served.member
            self._timeline = outcome.served.timeline

    def snapshot(self, pool: Pool, *, syncs: int) -> Snapshot:
        """How things stand now."""
        now_ns = time.monotonic_ns()
        while self._recent and self._recent[0][0] < now_ns - _WINDOW_S * 1e9:
            self._recent.popleft()
        latencies_ms = sorted(latency_ms for _, latency_ms, _ in self._recent)
        return Snapshot(
            client=self._client,
            mono_ns=now_ns,
            elapsed_s=round((now_ns - self._start_ns) / 1e9, 3),
            acked=self._classes[OutcomeClass.ACKED],
            acked_writes=self._acked_writes,
            acked_unsafe=self._classes[OutcomeClass.ACKED_UNSAFE],
            failed=self._classes[OutcomeClass.FAILED],
            unknown=self._classes[OutcomeClass.UNKNOWN],
            in_flight=pool.in_flight,
            queued=pool.queued,
            connections=pool.open_count,
            rate_per_s=len(latencies_ms) / _WINDOW_S,
            writes_per_s=sum(wrote for _, _, wrote in self._recent) / _WINDOW_S,
            p50_ms=_percentile(latencies_ms, 0.50),
            p99_ms=_percentile(latencies_ms, 0.99),
            member=self._member,
            timeline=self._timeline,
            last_write_ns=self._last_write_ns,
            syncs=syncs,
            error=pool.last_error,
        )


def _percentile(ordered: list[float], part: float) -> float | None:
    """The value that `part` of them do not exceed."""
    if not ordered:
        return None
    return round(ordered[min(len(ordered) - 1, int(part * len(ordered)))], 3)
