"""Cycles in a graph of dependencies between transactions."""

from __future__ import annotations

from collections import defaultdict, deque
from enum import StrEnum
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

_STARTS_MAX = 500
"""Transactions of one knot that are tried as the start of a G-single: a knot of more is no near miss anyway."""


class Dependency(StrEnum):
    """Why one transaction comes before another (Adya)."""

    WW = "ww"
    """The later one wrote the next version."""
    WR = "wr"
    """The later one read what the earlier one wrote."""
    RW = "rw"
    """The later one wrote what the earlier one did not yet see."""


class Phenomenon(StrEnum):
    """A cycle that its isolation level forbids, by the weakest level that does."""

    G0 = "G0"
    """Writes alone."""
    G1C = "G1c"
    """Writes and reads of them."""
    G_SINGLE = "G-single"
    """One anti-dependency: read skew."""
    G2 = "G2-item"
    """Several anti-dependencies: write skew."""


class Graph:
    """Transactions by name, and the dependencies between them."""

    def __init__(self) -> None:
        self._edges: dict[str, dict[str, set[Dependency]]] = defaultdict(lambda: defaultdict(set))

    def add(self, earlier: str, later: str, why: Dependency) -> None:
        """`earlier` comes before `later`; a transaction never depends on itself."""
        if earlier != later:
            self._edges[earlier][later].add(why)

    def cycles(self) -> list[tuple[Phenomenon, tuple[str, ...]]]:
        """For each knot of transactions the gravest phenomenon, with a short cycle that shows it, in words."""
        nodes = set(self._edges) | {later for some in self._edges.values() for later in some}
        return [self._gravest(knot) for knot in self._knots(nodes, set(Dependency))]

    def _gravest(self, knot: set[str]) -> tuple[Phenomenon, tuple[str, ...]]:
        writes = {Dependency.WW}
        reads = {Dependency.WW, Dependency.WR}
        everything = set(Dependency)
        for phenomenon, kinds in ((Phenomenon.G0, writes), (Phenomenon.G1C, reads)):
            if tighter := self._knots(knot, kinds):
                return phenomenon, self._spell(self._round(tighter[0], kinds), kinds)
        # One anti-dependency to begin with, and none on the way back.
        for here in sorted(knot)[:_STARTS_MAX]:
            for there in self._next(here, knot, {Dependency.RW}):
                if path := self._path(there, here, knot, reads):
                    return Phenomenon.G_SINGLE, self._spell([here, *path[:-1]], reads)
        return Phenomenon.G2, self._spell(self._round(knot, everything), everything)

    def _round(self, knot: set[str], kinds: set[Dependency]) -> list[str]:
        """A shortest cycle through the first transaction of the knot."""
        start = min(knot)
        paths = [self._path(second, start, knot, kinds) for second in self._next(start, knot, kinds)]
        shortest = min((path for path in paths if path), key=len)
        return [start, *shortest[:-1]]

    def _path(self, start: str, goal: str, knot: set[str], kinds: set[Dependency]) -> list[str]:
        before: dict[str, str | None] = {start: None}
        queue = deque([start])
        while queue:
            here = queue.popleft()
            if here == goal:
                path: list[str] = []
                step: str | None = here
                while step is not None:
                    path.append(step)
                    step = before[step]
                return path[::-1]
            for there in self._next(here, knot, kinds):
                if there not in before:
                    before[there] = here
                    queue.append(there)
        return []

    def _next(self, here: str, knot: set[str], kinds: set[Dependency]) -> list[str]:
        some = self._edges.get(here, {})
        return [there for there, why in some.items() if there in knot and why & kinds]

    def _spell(self, cycle: list[str], preferred: set[Dependency]) -> tuple[str, ...]:
        words = []
        for here, there in zip(cycle, [*cycle[1:], cycle[0]], strict=True):
            why = self._edges[here][there]
            words.append(f"{here} -{min(why & preferred or why)}-> {there}")
        return tuple(words)

    def _knots(self, among: set[str], kinds: set[Dependency]) -> list[set[str]]:
        """Sets of transactions each of which comes before each other."""
        components = strongly_connected(sorted(among), lambda node: self._next(node, among, kinds))
        return [component for component in components if len(component) > 1]


def strongly_connected(nodes: Iterable[str], successors: Callable[[str], Iterable[str]]) -> list[set[str]]:
    """The strongly connected components of a graph, each as a set. Source: R. Tarjan, 1972."""
    number: dict[str, int] = {}
    lowest: dict[str, int] = {}
    stack: list[str] = []
    on_stack: set[str] = set()
    components = []
    for root in nodes:
        if root in number:
            continue
        number[root] = lowest[root] = len(number)
        stack.append(root)
        on_stack.add(root)
        work = [(root, iter(tuple(successors(root))))]
        while work:
            node, rest = work[-1]
            for following in rest:
                if following not in number:
                    number[following] = lowest[following] = len(number)
                    stack.append(following)
                    on_stack.add(following)
                    work.append((following, iter(tuple(successors(following)))))
                    break
                if following in on_stack:
                    lowest[node] = min(lowest[node], number[following])
            else:
                work.pop()
                if work:
                    lowest[work[-1][0]] = min(lowest[work[-1][0]], lowest[node])
                if lowest[node] == number[node]:
                    component = set()
                    while node not in component:
                        component.add(stack.pop())
                    on_stack -= component
                    components.append(component)
    return components
