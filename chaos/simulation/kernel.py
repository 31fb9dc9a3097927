"""The virtual clock, and what runs on it: actions, processes that can freeze and die, and tasks that wait."""

from __future__ import annotations

import heapq
from collections.abc import Callable, Generator
from dataclasses import dataclass, field
from random import Random
from typing import Any, Generic, TypeVar

from drctl.model.errors import DrctlError

Action = Callable[..., None]
T = TypeVar("T")


class Kernel:
    """The virtual clock and everything that is going to happen, in one order that the seed fixes."""

    def __init__(self, seed: int) -> None:
        self.now_s = 0.0
        self.random = Random(seed)
        self._heap: list[tuple[float, int, Action, tuple[Any, ...]]] = []
        self._serial = 0

    def after(self, delay_s: float, action: Action, *args: object) -> None:
        """Let `action` happen in `delay_s`."""
        self._serial += 1
        heapq.heappush(self._heap, (self.now_s + delay_s, self._serial, action, args))

    def run(self, until_s: float, *, stop: Callable[[], bool] = lambda: False) -> None:
        """Let everything happen that is due before `until_s`, or until `stop` says so."""
        heap = self._heap
        while heap and heap[0][0] <= until_s and not stop():
            at_s, _, action, args = heapq.heappop(heap)
            self.now_s = at_s
            action(*args)
        if not stop():
            self.now_s = max(self.now_s, until_s)

    def chance(self, probability: float) -> bool:
        """Whether the dice say so."""
        return self.random.random() < probability


class Process:
    """Something that can be frozen and killed. What is due while it is frozen happens at the thaw; death drops it."""

    def __init__(self, kernel: Kernel, name: str) -> None:
        self.kernel = kernel
        self.name = name
        self.alive = True
        self.frozen = False
        self.life = 0
        self._backlog: list[tuple[int, Action, tuple[Any, ...]]] = []

    @property
    def runs(self) -> bool:
        """Whether it does anything now."""
        return self.alive and not self.frozen

    def call(self, life: int, action: Action, *args: object) -> None:
        """Do `action` as the process of that life: now, at the thaw, or never."""
        if not self.alive or life != self.life:
            return
        if self.frozen:
            self._backlog.append((life, action, args))
        else:
            action(*args)

    def after(self, delay_s: float, action: Action, *args: object) -> None:
        """Let this life of the process do `action` in `delay_s`."""
        self.kernel.after(delay_s, self.call, self.life, action, *args)

    def arrive(self, action: Action, *args: object) -> None:
        """Something reaches the process from outside."""
        self.call(self.life, action, *args)

    def freeze(self) -> None:
        """Do nothing until `thaw`."""
        self.frozen = True

    def thaw(self) -> None:
        """Go on: what came meanwhile is done first, in its order."""
        if not self.frozen:
            return
        self.frozen = False
        backlog, self._backlog = self._backlog, []
        for life, action, args in backlog:
            self.call(life, action, *args)

    def kill(self) -> None:
        """End. Nothing of this life happens any more."""
        self.alive, self.frozen = False, False
        self.life += 1
        self._backlog = []

    def start(self) -> None:
        """Begin a new life."""
        assert not self.alive, f"{self.name} lives"
        self.alive = True

    def task(self, steps: Steps[T], done: Callable[[T | None, DrctlError | None], None]) -> None:
        """Run `steps` in this life; `done` is told of the result or the error, unless the process dies before."""
        _Task(self, steps, done).go_on(None, None)


class Future(Generic[T]):
    """A value that is to come."""

    __slots__ = ("_waiting", "done", "value")

    def __init__(self) -> None:
        self.done = False
        self.value: T | None = None
        self._waiting: list[Callable[[], None]] = []

    def set(self, value: T) -> None:
        """Let it come, once; a second value is dropped."""
        if self.done:
            return
        self.done, self.value = True, value
        waiting, self._waiting = self._waiting, []
        for wake in waiting:
            wake()

    def then(self, wake: Callable[[], None]) -> None:
        """Call `wake` when it has come."""
        if self.done:
            wake()
        else:
            self._waiting.append(wake)


@dataclass(frozen=True, slots=True)
class Wait:
    """What a task yields to wait for a future, but no longer than `timeout_s`. It is told whether the future came."""

    future: Future[Any]
    timeout_s: float


Steps = Generator["float | Wait", Any, T]
"""What a task runs: it yields seconds to sleep, or a Wait."""


@dataclass(slots=True)
class _Task(Generic[T]):
    process: Process
    steps: Steps[T]
    done: Callable[[T | None, DrctlError | None], None]
    waits: int = field(default=0)
    """Which wait this is: what wakes it twice, or late, is ignored."""

    def go_on(self, value: object, error: DrctlError | None) -> None:
        self.waits += 1
        try:
            wanted = self.steps.throw(error) if error is not None else self.steps.send(value)
        except StopIteration as end:
            self.done(end.value, None)
            return
        except DrctlError as failure:
            self.done(None, failure)
            return
        if isinstance(wanted, Wait):
            this = self.waits
            life = self.process.life
            wanted.future.then(lambda: self.process.call(life, self._wake, this, True))  # noqa: FBT003 - what came true
            if self.waits == this:
                self.process.after(wanted.timeout_s, self._wake, this, False)  # noqa: FBT003
        else:
            self.process.after(wanted, self.go_on, None, None)

    def _wake(self, this: int, came: bool) -> None:  # noqa: FBT001 - the value that the task is told
        if self.waits == this:
            self.go_on(came, None)


class Lock:
    """One task at a time, in the order of asking."""

    def __init__(self) -> None:
        self._held = False
        self._queue: list[Future[None]] = []

    def take(self, timeout_s: float) -> Steps[bool]:
        """Wait for the lock; whether it was had in time."""
        if not self._held:
            self._held = True
            return True
        turn: Future[None] = Future()
        self._queue.append(turn)
        came = yield Wait(turn, timeout_s)
        if not came and turn in self._queue:
            self._queue.remove(turn)
        elif not came:
            return True
        return bool(came)

    def release(self) -> None:
        """Let the next one in."""
        if self._queue:
            self._queue.pop(0).set(None)
        else:
            self._held = False
