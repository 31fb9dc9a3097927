"""What the onlooker sees: lines as things happen, and a last line of now where the terminal can redraw it."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from rich.console import Console

from chaos.workload.plot import sparkline

if TYPE_CHECKING:
    from collections.abc import Mapping
    from typing import Any

    from rich.status import Status

    from chaos.demo.clients import Pulse

BUDGET_S = 600.0
"""The recovery time that was promised to the hospital."""


class Stage:
    """Prints the story."""

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        self._began_s = time.monotonic()
        self._fault_s: float | None = None
        self._told: set[tuple[str, str]] = set()
        self._rates: list[float] = []
        self._status: Status | None = None

    def chapter(self, title: str) -> None:
        """A new part of the story."""
        self._still()
        self.console.print(f"\n[bold]{title}[/bold]")

    def say(self, text: str) -> None:
        """One thing that happened, with its time."""
        self.console.print(f"  [dim]{self._clock()}[/dim] {text}", soft_wrap=True)

    def fault(self) -> None:
        """From here on, times count from the fault."""
        self._fault_s = time.monotonic()

    def now(self, pulse: Pulse, waiting_for: str) -> None:
        """The last line, redrawn: how the clients get on."""
        self._rates.append(pulse.rate_per_s)
        line = (
            f"{sparkline(self._rates, width=30)} {pulse.rate_per_s:4.0f}/s acknowledged, {pulse.acked} in all,"
            f" by {pulse.member or '-'} · {waiting_for}"
        )
        if not self.console.is_terminal:
            return
        if self._status is None:
            self._status = self.console.status(line)
            self._status.start()
        else:
            self._status.update(line)

    def run(self, run: Mapping[str, Any]) -> None:
        """The steps of a run that were not told yet."""
        if (run["id"], "") not in self._told:
            self._told.add((run["id"], ""))
            self.say(f"[cyan]{run['id']}[/cyan] begins: {run['kind']} because {run['reason']}")
        for step in run["steps"]:
            key = (run["id"], step["id"])
            if step["status"] not in {"done", "failed", "skipped"} or key in self._told:
                continue
            self._told.add(key)
            color = {"done": "green", "failed": "red", "skipped": "dim"}[step["status"]]
            took = "" if step.get("elapsed_s") is None else f" {step['elapsed_s'] * 1000:.0f} ms"
            facts = "".join(f"\n             [dim]{fact}[/dim]" for fact in step.get("facts", ())[:3])
            self.say(f"[{color}]{step['status']:7}[/{color}] {step['title']}{took}{facts}")
        if run.get("outcome") and (run["id"], "outcome") not in self._told:
            self._told.add((run["id"], "outcome"))
            share = run["elapsed_s"] / BUDGET_S
            self.say(
                f"[cyan]{run['id']}[/cyan] {run['outcome']} after {run['elapsed_s']:.2f} s,"
                f" {share:.1%} of the {BUDGET_S / 60:.0f}-minute budget"
            )

    def close(self) -> None:
        """Leave the terminal as it was."""
        self._still()

    def _still(self) -> None:
        if self._status is not None:
            self._status.stop()
            self._status = None

    def _clock(self) -> str:
        if self._fault_s is not None:
            return f"+{time.monotonic() - self._fault_s:6.2f} s"
        return f"{time.monotonic() - self._began_s:7.1f} s"
