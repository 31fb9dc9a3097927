"""Every effect of a run, and the controller that dies before it, dies after it, or sleeps through its own replacement.

The effects are not written down here: a run is watched first, and the matrix is made from what it did.
"""

from __future__ import annotations

import json
import time
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.faults.crashpoint import Deed
from chaos.lab.errors import LabError
from chaos.oracles.verdict import Result
from chaos.run.scenario import Scenario
from chaos.run.suite import run_suite

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence
    from pathlib import Path

    from chaos.run.checks import Judged
    from chaos.run.suite import Laboratory

KINDS = ("failover", "switchover")
DEEDS = (Deed.BEFORE, Deed.AFTER, Deed.ZOMBIE)
HARMLESS_LATE = frozenset({"marker"})
"""A marker is a commit like any other: written late it is one more row under an epoch that is over."""
LOAD = {"rate": 45.0, "warm_up": "1s", "seconds": "1s"}
TRIGGERS: dict[str, list[dict[str, object]]] = {
    "failover": [{"do": "kill-postmaster", "target": "primary"}],
    "switchover": [
        {"do": "drctl", "command": ["switchover", "lis", "--yes", "--reason", "matrix"], "background": True}
    ],
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    """One crash point of the matrix."""

    kind: str
    deed: Deed
    effect: str
    """As crash points name it: `record.change@commit`, `journal.save#2`."""

    @property
    def name(self) -> str:
        """Of its scenario."""
        effect = self.effect.replace(".", "-").replace("@", "-").replace("#", "-").replace("_", "-")
        return f"{self.kind}-{self.deed}-{effect}"


def run_matrix(
    laboratory: Laboratory,
    folder: Path,
    *,
    kinds: Sequence[str],
    deeds: Sequence[Deed],
    only: str,
    seed: int,
    tell: Callable[[str], None],
) -> dict[Cell, Judged]:
    """Play every cell; the coverage is full when each has a verdict that is a pass."""
    cells = []
    for kind in kinds:
        effects = _effects_of(kind, laboratory, folder, seed=seed, tell=tell)
        tell(f"a {kind} is made of {len(effects)} effects: {', '.join(effects)}")
        cells += [Cell(kind=kind, deed=deed, effect=effect) for effect in effects for deed in deeds if only in effect]
    results = run_suite([_scenario(cell) for cell in cells], laboratory, folder, seed=seed, tell=tell)
    judged = {cell: verdict for cell, (_, verdict) in zip(cells, results, strict=True)}
    _write(folder / "matrix.json", judged)
    return judged


def _effects_of(
    kind: str, laboratory: Laboratory, folder: Path, *, seed: int, tell: Callable[[str], None]
) -> list[str]:
    """What one undisturbed run does, each effect once; those that repeat are numbered."""
    watched = Scenario.model_validate(
        {
            "name": f"{kind}-undisturbed",
            "why": "One run that nobody disturbs: its effects are the rows of the matrix.",
            "load": LOAD,
            "faults": [*TRIGGERS[kind], {"do": "wait", "when": {"run": kind}}],
        }
    )
    lab = laboratory.fit(watched)
    switch, record = lab.folder / "effects.on", lab.folder / "effects.jsonl"
    record.unlink(missing_ok=True)
    switch.touch()
    try:
        run_suite([watched], laboratory, folder, seed=seed, tell=tell)
        lines = [json.loads(line) for line in record.read_text().splitlines()] if record.exists() else []
    finally:
        switch.unlink(missing_ok=True)
    names = [f"{one['effect']}@{one['step']}" if _by_step(one["effect"]) else one["effect"]
             for one in lines if one["kind"] == kind]  # fmt: skip
    if not names:
        raise LabError(f"no {kind} was seen: there is nothing to make a matrix of")
    return _numbered(names)


def _by_step(effect: str) -> bool:
    return effect == "record.change"


def _numbered(names: Sequence[str]) -> list[str]:
    """In their order. Calls of one step to several members count once, saves of the journal each."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        if seen[name] == 1:
            found.append(name)
        elif name == "journal.save":
            found.append(f"{name}#{seen[name]}")
    return found


def _scenario(cell: Cell) -> Scenario:
    zombie = cell.deed is Deed.ZOMBIE
    steps: list[dict[str, object]] = [
        {"do": "crash", "point": f"{cell.kind}/{cell.deed}:{cell.effect}", "prepare": True},
        *TRIGGERS[cell.kind],
        {"do": "struck"},
        {"do": "wait", "when": {"run": cell.kind, "within": "40s"}},
    ]
    if zombie:
        steps.append({"do": "wake"})
    expect: dict[str, object] = {"outage_max": "20s", "protected_within": "40s"}
    if zombie and cell.effect not in HARMLESS_LATE:
        expect["zombie_refused"] = True
    if cell.kind == "failover":
        expect |= {"failover": True, "failovers_max": 1}
    words = {
        Deed.BEFORE: "dies before",
        Deed.AFTER: "dies after",
        Deed.ZOMBIE: "stands still before, and wakes when its successor is done with,",
    }
    return Scenario.model_validate(
        {
            "name": cell.name,
            "why": f"In a {cell.kind} the leader {words[cell.deed]} {cell.effect}.",
            "tags": ["matrix"],
            "load": LOAD,
            "faults": steps,
            "expect": expect,
        }
    )


def _write(path: Path, judged: dict[Cell, Judged]) -> None:
    document = [
        {"kind": cell.kind, "deed": cell.deed, "effect": cell.effect, "result": one.result, "why": one.why}
        for cell, one in judged.items()
    ]
    full = bool(judged) and all(one.result is Result.PASS for one in judged.values())
    path.write_text(json.dumps({"full": full, "at_s": time.time(), "cells": document}, indent=1) + "\n")
