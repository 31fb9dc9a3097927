"""Negative controls: each scenario passes with drctl as it is, and fails when the rule that it stands for is taken out."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from chaos.oracles.verdict import Result
from chaos.run.suite import run_suite

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from chaos.faults.mutants import Mutant
    from chaos.run.checks import Judged
    from chaos.run.scenario import Scenario
    from chaos.run.suite import Laboratory


@dataclass(frozen=True, slots=True, kw_only=True)
class Control:
    """One rule: with it and without it."""

    mutant: Mutant
    whole: Judged
    without: Judged

    @property
    def killed(self) -> bool:
        """Whether the suite told one from the other."""
        return self.whole.result is Result.PASS and self.without.result is Result.FAIL


def run_controls(
    mutants: Sequence[Mutant],
    scenarios: Mapping[str, Scenario],
    laboratory: Laboratory,
    folder: Path,
    *,
    seed: int,
    tell: Callable[[str], None],
) -> list[Control]:
    """Every rule with its scenario; the labs of the mutants are their own."""
    told = [scenarios[mutant.scenario] for mutant in mutants]
    try:
        whole = run_suite(told, laboratory, folder / "whole", seed=seed, tell=tell)
    finally:
        laboratory.down()
    controls = []
    for mutant, (scenario, judged) in zip(mutants, whole, strict=True):
        tell(f"without {mutant.name}")
        one = replace(laboratory, mutant=mutant, lab=None)
        try:
            ((_, without),) = run_suite([scenario], one, folder / mutant.name, seed=seed, tell=tell)
        finally:
            one.down()
        controls.append(Control(mutant=mutant, whole=judged, without=without))
        _write(folder / "controls.json", controls)
    return controls


def _write(path: Path, controls: Sequence[Control]) -> None:
    document = [
        {
            "mutant": one.mutant.name,
            "removes": one.mutant.removes,
            "scenario": one.mutant.scenario,
            "whole": one.whole.result,
            "without": one.without.result,
            "why": one.without.why,
            "lost": one.without.lost,
            "killed": one.killed,
        }
        for one in controls
    ]
    path.write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
