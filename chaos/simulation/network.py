"""The network between the centers: delay, one-way cuts, and what is on its way while a link is cut."""

from __future__ import annotations

from chaos.simulation.kernel import Action, Kernel
from drctl.model.identity import CenterName

Link = tuple[CenterName, CenterName]
NEAR_S = 0.0003
FAR_MIN_S = 0.001
FAR_SPREAD_S = 0.004
KEEP_S = 6.0
"""How long TCP goes on sending what a cut link swallows."""


class Network:
    """Directed links between centers. Inside a center nothing is ever cut."""

    def __init__(self, kernel: Kernel) -> None:
        self._kernel = kernel
        self._cut: dict[Link, int] = {}
        """How many faults cut a link; absent when none does."""
        self._cuts: dict[frozenset[CenterName], int] = {}
        self._held: dict[Link, list[tuple[float, Action, tuple[object, ...]]]] = {}

    def cut(self, source: CenterName, target: CenterName) -> None:
        """Let nothing through in one direction."""
        pair = frozenset((source, target))
        self._cuts[pair] = self._cuts.get(pair, 0) + 1
        self._cut[source, target] = self._cut.get((source, target), 0) + 1

    def heal(self, source: CenterName, target: CenterName) -> None:
        """Take one cut away; what TCP still sends arrives when it was the last."""
        link = (source, target)
        count = self._cut.get(link, 0) - 1
        if count > 0:
            self._cut[link] = count
            return
        self._cut.pop(link, None)
        for until_s, action, args in self._held.pop(link, []):
            if until_s >= self._kernel.now_s:
                self._kernel.after(self.delay_s(source, target), self._arrive, link, action, args, 0.0)

    def heal_all(self) -> None:
        """Take every cut away."""
        for link in sorted(self._cut):
            self._cut[link] = 1
            self.heal(*link)

    def cuts(self, one: CenterName, other: CenterName) -> int:
        """How often something between the two was cut so far: a connection that has seen one may not have outlived it."""
        return self._cuts.get(frozenset((one, other)), 0)

    def open(self, source: CenterName, target: CenterName) -> bool:
        """Whether something gets through in this direction."""
        return (source, target) not in self._cut

    def both(self, one: CenterName, other: CenterName) -> bool:
        """Whether a question gets there and its answer back."""
        return (one, other) not in self._cut and (other, one) not in self._cut

    def delay_s(self, source: CenterName, target: CenterName) -> float:
        """How long it takes this time."""
        if source == target:
            return NEAR_S
        return FAR_MIN_S + FAR_SPREAD_S * self._kernel.random.random()

    def carry(
        self, source: CenterName, target: CenterName, action: Action, *args: object, keep_s: float = KEEP_S
    ) -> None:
        """Let `action` happen at `target` after the delay; a cut link loses it unless it heals within `keep_s`."""
        self._kernel.after(self.delay_s(source, target), self._arrive, (source, target), action, args, keep_s)

    def _arrive(self, link: Link, action: Action, args: tuple[object, ...], keep_s: float) -> None:
        if link not in self._cut:
            action(*args)
        elif keep_s > 0:
            self._held.setdefault(link, []).append((self._kernel.now_s + keep_s, action, args))
