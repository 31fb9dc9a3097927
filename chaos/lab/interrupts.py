"""Interrupts that unwind the stack instead of ending the process, and their delay while something must be finished."""

from __future__ import annotations

import contextlib
import signal
import threading
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from types import FrameType

ENDINGS = (signal.SIGTERM, signal.SIGHUP)
INTERRUPTS = (signal.SIGINT, *ENDINGS)


class Terminated(KeyboardInterrupt):
    """The process was asked to end by SIGTERM or SIGHUP; what is open is closed, as after Ctrl-C."""


def unwind_on_termination() -> None:
    """Make SIGTERM and SIGHUP raise in the main thread, where nobody else has decided what they do."""
    if threading.current_thread() is threading.main_thread():
        for number in ENDINGS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _unwind)


def _unwind(number: int, _frame: FrameType | None) -> None:
    raise Terminated(signal.Signals(number).name)


@contextlib.contextmanager
def held_back() -> Iterator[None]:
    """Let the body finish whatever arrives; an interrupt that came meanwhile is raised after it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    arrived: list[int] = []
    # A handler that was set outside Python cannot be put back, so it is left alone.
    before = {number: handler for number in INTERRUPTS if (handler := signal.getsignal(number)) is not None}
    for number in before:
        signal.signal(number, lambda received, _frame: arrived.append(received))
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if arrived:
        signal.raise_signal(signal.Signals(arrived[0]))
