"""Is there one order of a register's calls that explains every answer? Just-in-time linearization, with memory.

The calls are played in the order of the clock. A configuration is a value of the register and the set of calls under
way that have already taken effect. When a call returns it must have taken effect: every configuration in which it has
not is extended by calls under way until it has; when none can be, there is no order. Source: G. Lowe, "Testing for
linearizability", 2017; it decides the same as the search of Wing and Gong.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import Enum, auto
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

NEVER_NS = 1 << 62
"""The return of a call that was never told how it ended."""


class Effect(Enum):
    """What a call did to the register, as far as is known."""

    READ = auto()
    WRITE = auto()
    CAS = auto()
    """The register held `expected` and was set to `value`."""
    MISMATCH = auto()
    """A compare-and-set that found something else than `expected`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call on one register."""

    name: str
    effect: Effect
    called_ns: int
    returned_ns: int
    """NEVER_NS when the call may take effect at any time from then on, or never."""
    value: int | None
    """What was read, or written; None: a read of a register that was never written."""
    expected: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Contradiction:
    """The first answer that no order explains."""

    call: Call
    values: tuple[int | None, ...]
    """What the register may have held just before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhausted:
    """The search was given up."""

    steps: int


def linearize(calls: list[Call], *, steps_max: int) -> Contradiction | Exhausted | None:
    """None when some order explains every answer, starting from a register that was never written."""
    search = _Search(_forget_unseen_values(calls), steps_max)
    events = sorted(
        # Of equal times the call comes first: the more orders are allowed, the fewer false alarms.
        [(call.called_ns, 0, index) for index, call in enumerate(calls)]
        + [(call.returned_ns, 1, index) for index, call in enumerate(calls) if call.returned_ns < NEVER_NS]
    )
    for _, is_return, index in events:
        if not is_return:
            search.begin(index)
            continue
        before = search.values()
        search.end(index)
        if search.steps > steps_max:
            return Exhausted(steps=search.steps)
        if not search.frontier:
            return Contradiction(call=calls[index], values=before)
    return None


_UNSEEN = -1 << 63
"""Stands for every value that no call saw or expected: they cannot be told apart, so the search need not try."""


def _forget_unseen_values(calls: list[Call]) -> list[Call]:
    told = {call.value for call in calls if call.effect is Effect.READ} | {call.expected for call in calls}
    return [call if call.value in told else replace(call, value=_UNSEEN) for call in calls]


class _Frontier:
    """Configurations: a value, the calls that have taken effect, and which of the calls without return were spent.

    Of two that differ only in what was spent, the one that spent less can do all that the other can: it alone is kept.
    """

    def __init__(self) -> None:
        self._spent: dict[tuple[int | None, int], list[int]] = {}

    def __bool__(self) -> bool:
        return bool(self._spent)

    def __iter__(self) -> Iterator[tuple[int | None, int, int]]:
        for (value, done), some in self._spent.items():
            for spent in some:
                yield value, done, spent

    def add(self, value: int | None, done: int, spent: int) -> bool:
        """Whether it was worth adding."""
        some = self._spent.setdefault((value, done), [])
        if any(other & spent == other for other in some):
            return False
        some[:] = [other for other in some if other & spent != spent]
        some.append(spent)
        return True


class _Search:
    def __init__(self, calls: list[Call], steps_max: int) -> None:
        self.frontier = _Frontier()
        self.frontier.add(None, 0, 0)
        self.steps = 0
        self._calls = calls
        self._steps_max = steps_max
        self._slots: dict[int, int] = {}
        self._pending: dict[int, Call] = {}
        self._free: list[int] = []
        self._endless: list[Call] = []

    def values(self) -> tuple[int | None, ...]:
        found = {value for value, _, _ in self.frontier if value != _UNSEEN}
        return tuple(sorted(found, key=lambda value: -1 if value is None else value)[:10])

    def begin(self, index: int) -> None:
        call = self._calls[index]
        if call.returned_ns == NEVER_NS:
            if _changes(call):
                self._endless.append(call)
            return
        slot = self._free.pop() if self._free else len(self._slots)
        self._slots[index] = slot
        self._pending[slot] = call
        if not _changes(call):
            # What changes nothing takes effect as early as it can: that takes no choice away from any other call.
            bit = 1 << slot
            frontier = _Frontier()
            for value, done, spent in self.frontier:
                self.steps += 1
                frontier.add(value, done | bit if _allows(value, call) else done, spent)
            self.frontier = frontier

    def end(self, index: int) -> None:
        """Keep the configurations in which the call has taken effect, and the nearest ones in which it then has."""
        slot = self._slots.pop(index)
        bit = 1 << slot
        kept = _Frontier()
        seen = _Frontier()
        stack = [configuration for configuration in self.frontier if seen.add(*configuration)]
        while stack and self.steps <= self._steps_max:
            self.steps += 1
            value, done, spent = stack.pop()
            if done & bit:
                kept.add(value, done & ~bit, spent)
                continue
            stack.extend(following for following in self._following(value, done, spent) if seen.add(*following))
        self.frontier = kept
        del self._pending[slot]
        self._free.append(slot)

    def _following(self, value: int | None, done: int, spent: int) -> Iterator[tuple[int | None, int, int]]:
        for slot, call in self._pending.items():
            if not done >> slot & 1 and _changes(call) and _allows(value, call):
                yield call.value, self._settled(call.value, done | 1 << slot), spent
        unseen_tried = False
        for place, call in enumerate(self._endless):
            if spent >> place & 1 or not _allows(value, call):
                continue
            if call.effect is Effect.WRITE and call.value == _UNSEEN:
                # All of these are alike: the first stands for them.
                if unseen_tried:
                    continue
                unseen_tried = True
            yield call.value, self._settled(call.value, done), spent | 1 << place

    def _settled(self, value: int | None, done: int) -> int:
        for slot, call in self._pending.items():
            if not _changes(call) and _allows(value, call):
                done |= 1 << slot
        return done


def _changes(call: Call) -> bool:
    return call.effect is Effect.WRITE or call.effect is Effect.CAS


def _allows(value: int | None, call: Call) -> bool:
    """Whether the call can have ended as it did on a register that held `value`."""
    match call.effect:
        case Effect.READ:
            return value == call.value
        case Effect.WRITE:
            return True
        case Effect.CAS:
            return value == call.expected
        case Effect.MISMATCH:
            return value != call.expected
