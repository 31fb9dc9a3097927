"""A point in time after which nobody waits any more."""

from __future__ import annotations

import time
from collections.abc import Iterator


class Deadline:
    """Handed down through every wait, so that the sum of all waits has one bound."""

    def __init__(self, seconds_s: float) -> None:
        self._at_s = time.monotonic() + seconds_s

    @property
    def remaining_s(self) -> float:
        """Seconds left; zero when it has passed."""
        return max(0.0, self._at_s - time.monotonic())

    @property
    def passed(self) -> bool:
        """Whether it is too late."""
        return self.remaining_s <= 0.0

    def within(self, seconds_s: float) -> Deadline:
        """The sooner of this deadline and `seconds_s` from now."""
        return Deadline(min(seconds_s, self.remaining_s))

    def polls(self, interval_s: float) -> Iterator[None]:
        """Yield at once, then every `interval_s` until the deadline has passed."""
        yield
        while not self.passed:
            time.sleep(min(interval_s, self.remaining_s))
            yield
