"""What was measured, one JSON document a line, written as it comes: an interrupted bench loses the run that it was in."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.bench.measure import RunFigures, Spread, spread

if TYPE_CHECKING:
    from collections.abc import Sequence


@dataclass(frozen=True, slots=True, kw_only=True)
class Records:
    """The runs of one bench on disk."""

    path: Path

    def begin(self) -> None:
        """Forget what is there."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self.path.write_text("", encoding="utf-8")

    def add(self, run: RunFigures) -> None:
        """Keep one more."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        with self.path.open("a", encoding="utf-8") as stream:
            stream.write(json.dumps(asdict(run)) + "\n")

    def runs(self) -> list[RunFigures]:
        """All of them, in the order in which they were made."""
        if not self.path.exists():
            return []
        known = {field.name for field in fields(RunFigures)}
        lines = [json.loads(line) for line in self.path.read_text(encoding="utf-8").splitlines()]
        return [RunFigures(**{key: value for key, value in line.items() if key in known}) for line in lines]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """All runs of one fault in one system."""

    runs: Sequence[RunFigures]

    @property
    def client(self) -> Spread:
        """The outage as the one client with several hosts in its string had it."""
        return spread([run.writer_s for run in self.runs])

    @property
    def fresh(self) -> Spread:
        """Until a fresh connection could have written."""
        return spread([run.fresh_s for run in self.runs])

    @property
    def lost(self) -> int:
        """Acknowledged rows that are missing."""
        return sum(run.lost or 0 for run in self.runs)

    def part(self, name: str) -> Spread:
        """One phase: detect_s, seal_s, promote_s, marker_s."""
        return spread([getattr(run, name) for run in self.runs if run.trouble is None])

    @property
    def load_average(self) -> float:
        """Of the machine, the mean over the runs."""
        return sum(run.load_average for run in self.runs) / len(self.runs)

    def document(self) -> dict[str, object]:
        """As in bench.json."""
        client = self.client
        return {
            "median_s": client.median_s,
            "max_s": client.max_s,
            "n": client.n,
            "lost": self.lost,
            "never": client.never,
            "min_s": client.min_s,
            "fresh_median_s": self.fresh.median_s,
            "fresh_max_s": self.fresh.max_s,
            **{name: self.part(name).median_s for name in ("detect_s", "seal_s", "promote_s", "marker_s")},
            "acked": sum(run.acked for run in self.runs),
            "rows_not_read": sum(run.lost is None for run in self.runs),
            "load_average": round(self.load_average, 2),
        }


def cells(runs: Sequence[RunFigures]) -> dict[str, dict[str, Cell]]:
    """By fault, then by system."""
    found: dict[str, dict[str, list[RunFigures]]] = {}
    for run in runs:
        found.setdefault(run.fault, {}).setdefault(run.system, []).append(run)
    return {
        fault: {system: Cell(runs=those) for system, those in by_system.items()} for fault, by_system in found.items()
    }
