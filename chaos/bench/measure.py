"""Figures of one run, and of many."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median


@dataclass(frozen=True, slots=True, kw_only=True)
class Ack:
    """An acknowledged commit, on the machine's monotonic clock."""

    who: str
    number: int
    began_ns: int
    acked_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """One fault, once, in one system.

    Seconds after its injection; None where it never came, or where nothing of the kind happened.
    """

    system: str
    fault: str

    writer_s: float | None
    """Until this client's next acknowledgement: its own share is in it."""
    fresh_s: float | None
    """Until a fresh connection could have got one."""
    gap_s: float | None
    """The longest time between two acknowledgements of the writer from the injection on."""
    detect_s: float | None = None
    seal_s: float | None = None
    promote_s: float | None = None
    marker_s: float | None = None
    phase_s: float = 0.0
    """How long after the steady state the fault came: random, so that no beat of ours is always hit alike."""
    lost: int | None = None
    """Acknowledged rows that a member lacks after healing; None when they could not be read."""
    acked: int = 0
    load_average: float = 0.0
    """Of the machine in the minute before: what else it did then."""
    trouble: str | None = None
    """What went wrong with the run itself; None when nothing did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """A distribution. `never` counts the runs without a figure."""

    median_s: float | None
    max_s: float | None
    min_s: float | None
    n: int
    never: int


def return_after(acks: Sequence[Ack], injected_ns: int, who: Sequence[str]) -> float | None:
    """From the injection to the end of the longest gap after it: a fault may take a moment to bite. None: never."""
    times = sorted(ack.acked_ns for ack in acks if ack.who in who)
    around = [time for time in times if time <= injected_ns][-1:] + [time for time in times if time > injected_ns]
    if len(around) < 2:
        return None
    opened, closed = max(pairwise(around), key=lambda pair: pair[1] - pair[0])
    return (closed - max(opened, injected_ns)) / 1e9 if closed > injected_ns else None


def longest_gap(acks: Sequence[Ack], injected_ns: int, who: str) -> float | None:
    """The longest time between two acknowledgements, from the last one before the injection on."""
    times = sorted(ack.acked_ns for ack in acks if ack.who == who)
    around = [time for time in times if time <= injected_ns][-1:] + [time for time in times if time > injected_ns]
    gaps = [(after - before) / 1e9 for before, after in pairwise(around)]
    return max(gaps) if gaps else None


def spread(values: Sequence[float | None]) -> Spread:
    """The distribution of `values`; None among them counts as never."""
    known = [value for value in values if value is not None]
    return Spread(
        median_s=median(known) if known else None,
        max_s=max(known) if known else None,
        min_s=min(known) if known else None,
        n=len(values),
        never=len(values) - len(known),
    )
