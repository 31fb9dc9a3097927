"""Events as lines on a stream: JSON for machines, or one sentence for people. Writing never holds up the caller."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Callable, Sequence
from dataclasses import fields
from enum import StrEnum
from typing import TextIO

from drctl.model.event import Alarm, Event, RunAdopted, RunEnded, RunStarted, Severity
from drctl.model.identity import CenterName, GroupName, RunId
from drctl.model.run import Outcome, StepStatus
from drctl.ports import Clock, EventSink

QUEUE_MAX = 10_000
"""Events that wait for a slow stream; then they are dropped, counted, and the count is told."""


class LogFormat(StrEnum):
    """Who reads the log."""

    JSON = "json"
    HUMAN = "human"


class Log:
    """EventSink that writes lines. A thread of its own does: a pipe that nobody reads must not stop the controller."""

    def __init__(self, stream: TextIO, *, center: CenterName, clock: Clock, form: LogFormat = LogFormat.JSON) -> None:
        self._stream = stream
        self._center = center
        self._clock = clock
        self._line: Callable[[str, Event, RunId | None], str] = self._json if form is LogFormat.JSON else _human
        self._runs: dict[GroupName, RunId] = {}
        self._queue: queue.Queue[str | None] = queue.Queue(maxsize=QUEUE_MAX)
        self._dropped = 0
        self._thread = threading.Thread(target=self._write, name="drctl-log", daemon=True)
        self._thread.start()

    def emit(self, event: Event) -> None:
        """Take an event; never blocks and never raises."""
        line = self._line(self._clock.utc(), event, self._run_of(event))
        if isinstance(event, RunEnded) and self._runs.get(event.group) == event.run:
            del self._runs[event.group]
        try:
            self._queue.put_nowait(line)
        except queue.Full:
            self._dropped += 1

    def close(self, *, deadline_s: float) -> None:
        """Write what waits, for at most `deadline_s`."""
        try:
            self._queue.put(None, timeout=deadline_s)
        except queue.Full:
            return
        self._thread.join(deadline_s)

    def _run_of(self, event: Event) -> RunId | None:
        """The run that an event belongs to: its own, else the one that is under way in its group."""
        group: GroupName | None = getattr(event, "group", None)
        if isinstance(event, RunStarted | RunAdopted):
            self._runs[event.group] = event.run
        own: RunId | None = getattr(event, "run", None)
        return own or (self._runs.get(group) if group else None)

    def _json(self, at_utc: str, event: Event, run: RunId | None) -> str:
        values = {field.name: getattr(event, field.name) for field in fields(event)}
        return json.dumps(
            {
                "at": at_utc,
                "severity": severity(event),
                "event": event.name,
                "observer": self._center,
                **values,
                "run": run,
            },
            ensure_ascii=False,
        )

    def _write(self) -> None:
        told = 0
        while (line := self._queue.get()) is not None:
            try:
                dropped = self._dropped
                if dropped > told:
                    self._stream.write(f'{{"event": "log_dropped", "severity": "warning", "lines": {dropped}}}\n')
                    told = dropped
                self._stream.write(line + "\n")
                self._stream.flush()
            except (OSError, ValueError):
                # Nobody reads any more. The controller is worth more than its log.
                self._dropped += 1


def severity(event: Event) -> Severity:
    """How soon a person should look at an event."""
    match event:
        case Alarm():
            return event.severity
        case RunEnded(outcome=Outcome.FAILED | Outcome.REFUSED):
            return Severity.ALARM
        case RunStarted():
            return Severity.WARNING
        case _:
            pass
    status: StepStatus | None = getattr(event, "status", None)
    error: str = getattr(event, "error", "")
    return Severity.WARNING if status is StepStatus.FAILED or error else Severity.INFO


def _human(at_utc: str, event: Event, run: RunId | None) -> str:
    where = run or getattr(event, "group", None) or ""
    parts = [
        f"{field.name}={_shown(getattr(event, field.name))}"
        for field in fields(event)
        if field.name not in {"group", "run"} and getattr(event, field.name) not in {None, ""}
    ]
    return " ".join(part for part in (at_utc, severity(event).upper().ljust(7), where, event.name, *parts) if part)


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.3f}"
    text = str(value)
    return json.dumps(text, ensure_ascii=False) if " " in text else text


class Fanout:
    """EventSink that hands each event to several others."""

    def __init__(self, sinks: Sequence[EventSink]) -> None:
        self._sinks = tuple(sinks)

    def emit(self, event: Event) -> None:
        """Take an event; never blocks and never raises."""
        for sink in self._sinks:
            sink.emit(event)
