"""Following runs to their end, step by step, beside the promise that they are measured against."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import click

from drctl.cli import render_run
from drctl.cli.controllers import ask_run, require_run
from drctl.cli.exit_codes import ExitCode, of_run
from drctl.cli.invocation import Invocation
from drctl.model.errors import DrctlError
from drctl.model.identity import RunId
from drctl.model.run import StepStatus
from drctl.model.snapshot import ENDED, RunSnapshot

if TYPE_CHECKING:
    from rich.console import Console

POLL_S = 0.2
FOLLOW_MAX_S = 3600.0
"""A run that waits for people can take days; whoever followed it for so long is told how to come back."""
UNKNOWN_MAX_S = 15.0
"""How long a run may be unknown to every controller that answers: it was accepted, and they have not read of it yet."""

Source = Callable[[RunId], RunSnapshot | None]


def follow(invocation: Invocation, runs: Sequence[RunId], *, spare: Source | None = None) -> ExitCode:
    """Show `runs` until all have ended; the worst of their exit codes. Ctrl-C only stops the looking.

    `spare` is asked when no controller answers, or none knows the run.
    """
    watched = {run: _Watched() for run in runs}
    console = invocation.console
    try:
        with console.status("") if console.is_terminal else nullcontext() as status:
            end_s = time.monotonic() + FOLLOW_MAX_S
            while time.monotonic() < end_s:
                for run, one in watched.items():
                    if not one.ended:
                        one.look(console, _source(invocation, spare), run, prefix=run if len(watched) > 1 else "")
                if all(one.ended for one in watched.values()):
                    break
                if status is not None:
                    status.update(_line(watched))
                time.sleep(POLL_S)
    except (KeyboardInterrupt, click.Abort):
        names = " ".join(watched)
        console.print(f"\ndetached: {names} goes on without you; to attach again: {invocation.again} watch {names}")
        return ExitCode.UNKNOWN
    for run, one in watched.items():
        if not one.ended:
            console.print(f"{run} has not ended; to attach again: {invocation.again} watch {run}")
    return max((of_run(one.seen) if one.seen else ExitCode.UNKNOWN for one in watched.values()), default=ExitCode.DONE)


def _source(invocation: Invocation, spare: Source | None) -> Source:
    def ask(run: RunId) -> RunSnapshot | None:
        try:
            found = ask_run(invocation.configuration, run)
        except DrctlError:
            if spare is None:
                raise
            found = None
        return spare(run) if found is None and spare is not None else found

    return ask


@dataclass(slots=True)
class _Watched:
    """A run that is followed, and what of it was printed."""

    seen: RunSnapshot | None = None
    printed: set[str] = field(default_factory=set)
    heard_at_s: float = field(default_factory=time.monotonic)
    problem: str = ""

    @property
    def ended(self) -> bool:
        return self.seen is not None and self.seen.outcome is not None

    def look(self, console: Console, source: Source, run: RunId, *, prefix: str) -> None:
        """Ask, and print what is new. Raises when nothing was heard of the run for too long."""
        patient = time.monotonic() - self.heard_at_s < UNKNOWN_MAX_S
        try:
            found = source(run)
        except DrctlError as error:
            if not patient:
                raise
            self.problem = error.message.partition("\n")[0]
            return
        if found is None and patient:
            return
        found = require_run(found, run)
        self.heard_at_s, self.problem = time.monotonic(), ""
        if self.seen is None and found.outcome is None:
            console.print(render_run.run_heading(found))
        self.seen = found
        for step in found.steps:
            if step.status in ENDED and step.id not in self.printed:
                self.printed.add(step.id)
                console.print(*([prefix] if prefix else []), render_run.step_line(step))
        if found.outcome is not None:
            console.print(render_run.run_heading(found))


def _line(watched: Mapping[RunId, _Watched]) -> str:
    """What is going on at this moment."""
    parts = []
    for run, one in watched.items():
        if one.seen is None:
            parts.append(f"{run}: {one.problem or 'waiting for the first news'}")
        elif not one.ended:
            doing = ", ".join(
                f"{step.title} ({render_run.seconds(step.elapsed_s)} of at most {render_run.seconds(step.worst_s)})"
                for step in one.seen.steps
                if step.status is StepStatus.RUNNING
            )
            left = render_run.seconds(max(0.0, one.seen.rto_s - one.seen.elapsed_s))
            trouble = f" [{one.problem}]" if one.problem else ""
            parts.append(f"{run}: {doing or 'between two steps'}; {left} of the promise left{trouble}")
    return "\n".join(parts)
