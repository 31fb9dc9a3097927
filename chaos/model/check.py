"""Every world and every mutant, searched; and what is to be said of the whole."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path

from rich.table import Table

from chaos.model.configuration import Claim, Mutant, World
from chaos.model.pan import Search, Verdict, search, trail
from chaos.model.trace import Trace, read_trace


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """A world, or a mutant in its world, and what the search of it found."""

    world: World
    mutant: Mutant | None
    """None where the protocol itself was searched."""
    search: Search
    trace: Trace | None
    """The counterexample; None where there is none."""

    @property
    def passed(self) -> bool:
        """The protocol holds; a mutant is caught."""
        return self.search.verdict is (Verdict.HOLDS if self.mutant is None else Verdict.VIOLATED)

    @property
    def name(self) -> str:
        """What the table calls it."""
        return self.world.name if self.mutant is None else self.mutant.name


def check(subjects: Sequence[World | Mutant], *, jobs: int) -> Iterator[Checked]:
    """Search them all, `jobs` at a time, and yield each as it ends. Raises ToolMissing."""
    with ThreadPoolExecutor(max_workers=jobs) as pool:
        futures = [pool.submit(check_one, subject) for subject in subjects]
        try:
            for future in as_completed(futures):
                yield future.result()
        finally:
            for future in futures:
                future.cancel()


def check_one(subject: World | Mutant) -> Checked:
    """Search one, in a temporary folder of its own. Raises ToolMissing."""
    world, mutant = (subject.world, subject) if isinstance(subject, Mutant) else (subject, None)
    mutation = mutant.define if mutant else None
    with tempfile.TemporaryDirectory(prefix="drctl-model-") as name:
        folder = Path(name)
        found = search(world, mutation, folder)
        trace = None
        if found.verdict is Verdict.VIOLATED:
            trace = read_trace(trail(world, mutation, folder), world.claim)
    return Checked(world=world, mutant=mutant, search=found, trace=trace)


def table_of(checked: Sequence[Checked]) -> Table:
    """What was searched and found, the protocol first."""
    table = Table(title="The protocol as a model")
    for column in ("World or mutant", "Claim", "Verdict"):
        table.add_column(column, no_wrap=True)
    for column in ("Writes", "Ops", "k", "States", "Depth", "Seconds"):
        table.add_column(column, no_wrap=True, justify="right")
    for one in sorted(checked, key=lambda one: one.mutant is not None):
        world, found = one.world, one.search
        table.add_row(
            one.name,
            world.claim,
            verdict_of(one),
            str(world.writes),
            str(world.operations),
            str(world.first_count),
            f"{found.states:,}",
            str(found.depth),
            f"{found.elapsed_s:.1f}",
            style="" if one.passed else "bold red",
        )
    return table


def verdict_of(one: Checked) -> str:
    """The verdict in words: a mutant's is whether it was caught."""
    match one.search.verdict:
        case Verdict.INCONCLUSIVE:
            return f"inconclusive: {one.search.note}"
        case Verdict.HOLDS:
            return "holds" if one.mutant is None else "SURVIVES"
        case Verdict.VIOLATED:
            steps = len(one.trace.steps) if one.trace else 0
            what = "caught" if one.mutant else "VIOLATED"
            shortest = " at most" if one.world.claim is Claim.PROGRESS else ""
            return f"{what} in{shortest} {steps} steps"
