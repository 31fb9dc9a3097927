"""Is there one order of a register's calls that explains every answer? Just-in-time linearization, with memory.

The calls are played in the order of the clock. A configuration is a value of the register and the set of calls under
way that have already taken effect. When a call returns it must have taken effect: every configuration in which it has
not is extended by calls under way until it has; when none can be, there is no order. Source: G. Lowe, "Testing for
linearizability", 2017; it decides the same as the search of Wing and Gong.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum, auto

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


Configuration = tuple[int | None, int]
"""The register's value, and a bit for each slot whose call has taken effect."""


def linearize(calls: list[Call], *, steps_max: int) -> Contradiction | Exhausted | None:
    """None when some order explains every answer, starting from a register that was never written."""
    search = _Search(steps_max)
    events = sorted(
        # Of equal times the call comes first: the more orders are allowed, the fewer false alarms.
        [(call.called_ns, 0, index) for index, call in enumerate(calls)]
        + [(call.returned_ns, 1, index) for index, call in enumerate(calls) if call.returned_ns < NEVER_NS]
    )
    for _, is_return, index in events:
        if not is_return:
            search.begin(index, calls[index])
            continue
        before = search.values()
        search.end(index)
        if search.steps > steps_max:
            return Exhausted(steps=search.steps)
        if not search.configurations:
            return Contradiction(call=calls[index], values=before)
    return None


class _Search:
    def __init__(self, steps_max: int) -> None:
        self.configurations: set[Configuration] = {(None, 0)}
        self.steps = 0
        self._steps_max = steps_max
        self._slots: dict[int, int] = {}
        self._calls: dict[int, Call] = {}
        self._free: list[int] = []

    def values(self) -> tuple[int | None, ...]:
        found = {value for value, _ in self.configurations}
        return tuple(sorted(found, key=lambda value: -1 if value is None else value)[:10])

    def begin(self, index: int, call: Call) -> None:
        slot = self._free.pop() if self._free else len(self._slots)
        self._slots[index] = slot
        self._calls[slot] = call
        if not _changes(call):
            # What changes nothing takes effect as early as it can: that takes no choice away from any other call.
            bit = 1 << slot
            self.configurations = {
                (value, done | bit) if _allows(value, call) else (value, done) for value, done in self.configurations
            }
            self.steps += len(self.configurations)

    def end(self, index: int) -> None:
        """Keep the configurations in which the call has taken effect, and the nearest ones in which it then has."""
        slot = self._slots.pop(index)
        bit = 1 << slot
        kept: set[Configuration] = set()
        seen = set(self.configurations)
        stack = list(self.configurations)
        while stack:
            self.steps += 1
            value, done = stack.pop()
            if done & bit:
                kept.add((value, done & ~bit))
                continue
            if self.steps > self._steps_max:
                break
            for other_slot, other in self._calls.items():
                if done >> other_slot & 1 or not _changes(other) or not _allows(value, other):
                    continue
                following = self._settled(other.value, done | 1 << other_slot)
                if following not in seen:
                    seen.add(following)
                    stack.append(following)
        self.configurations = kept
        del self._calls[slot]
        self._free.append(slot)

    def _settled(self, value: int | None, done: int) -> Configuration:
        for slot, call in self._calls.items():
            if not _changes(call) and _allows(value, call):
                done |= 1 << slot
        return value, done


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
