"""A failing schedule made short: faults are left out one by one as long as it fails in the same way."""

from __future__ import annotations

from collections.abc import Callable

from chaos.simulation.faults import Fault
from chaos.simulation.run import Result


def shortened(result: Result, again: Callable[[tuple[Fault, ...]], Result]) -> tuple[Result, tuple[int, ...]]:
    """The shortest failing run that leaving out single faults leads to, and which of the faults it keeps, by their places."""
    kept = tuple(range(len(result.faults)))
    shortest = result
    left_out = True
    while left_out:
        left_out = False
        for place in reversed(kept):
            fewer = tuple(each for each in kept if each != place)
            tried = again(tuple(result.faults[each] for each in fewer))
            if tried.code == result.code:
                kept, shortest, left_out = fewer, tried, True
    return shortest, kept
