"""Waiting with a deadline for something that can be looked at."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from chaos.lab.errors import DeadlineMissed, LabError

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

POLL_S = 0.02
LOG_LINES_SHOWN = 12
LOG_BYTES_READ = 8192


def wait_until(
    condition: Callable[[], bool],
    *,
    deadline_s: float,
    what: str,
    hopeless: Callable[[], bool] | None = None,
    log: Path | None = None,
    poll_s: float = POLL_S,
) -> None:
    """Return as soon as `condition` holds.

    `hopeless` says that it never will, because the process that was to bring it about is gone: then nobody waits.
    Raises DeadlineMissed with the end of `log`, LabError when hopeless.
    """
    end_s = time.monotonic() + deadline_s
    while not condition():
        if hopeless is not None and hopeless():
            # It may have come true and ended between the two questions.
            if condition():
                return
            raise LabError(f"waited in vain: {what}; the process has ended{_tail(log)}")
        if time.monotonic() >= end_s:
            raise DeadlineMissed(f"not within {deadline_s:g} s: {what}{_tail(log)}")
        time.sleep(poll_s)


def _tail(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    with log.open("rb") as stream:
        stream.seek(max(0, log.stat().st_size - LOG_BYTES_READ))
        lines = stream.read().decode(errors="replace").splitlines()[-LOG_LINES_SHOWN:]
    return "".join(f"\n  {log.name}: {line}" for line in lines)
