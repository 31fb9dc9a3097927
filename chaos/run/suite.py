"""Many scenarios, one after the other: one lab for as many as it stays fit for."""

from __future__ import annotations

import contextlib
import os
import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.faults import mutants
from chaos.lab import drctl_host
from chaos.lab.controller import cluster_document
from chaos.lab.errors import LabError
from chaos.lab.lab import Lab
from chaos.run.bundle import write_bundle, write_summary
from chaos.run.checks import Judged, judge_play
from chaos.run.play import Player

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from chaos.run.scenario import Scenario

POLICY: Mapping[str, str | int] = {"failovers_per_hour": 1000}
"""A series must not be ended by the bound that protects a hospital."""


@dataclass(slots=True, kw_only=True)
class Laboratory:
    """The lab that scenarios share; made anew when it is not fit, or not of the right size."""

    name: str
    tell: Callable[[str], None]
    pg_bindir: str | None = None
    mutant: mutants.Mutant | None = None
    lab: Lab | None = None
    _policy: Mapping[str, str | int] | None = None

    def fit(self, scenario: Scenario) -> Lab:
        """A lab for a scenario, with its policy in force. Raises LabError."""
        policy = {**POLICY, **scenario.topology.policy}
        if self.lab is not None and len(self.lab.groups) != scenario.topology.groups:
            self.down()
        if self.lab is None:
            began_s = time.monotonic()
            self.lab = Lab.up(
                self.name,
                groups=scenario.topology.groups,
                pg_bindir=self.pg_bindir,
                policy=policy,
                controller_program="chaos",
            )
            self._policy = policy
            self.tell(f"the lab {self.name} is up after {time.monotonic() - began_s:.1f} s")
            if self.mutant is not None:
                self._mutate(self.lab, self.mutant)
        elif policy != self._policy:
            self._set_policy(self.lab, policy)
        return self.lab

    def down(self) -> None:
        """Take it down; the next scenario gets a new one."""
        if self.lab is not None:
            self.lab.down()
        self.lab = None

    def _set_policy(self, lab: Lab, policy: Mapping[str, str | int]) -> None:
        addresses = {name: center.address for name, center in lab.centers.items()}
        lab.cluster_yaml.write_text(
            cluster_document(lab.groups, lab.members, addresses, keys=lab.keys.folder, policy=policy)
        )
        self._policy = policy
        self.tell(f"policy {dict(policy)}")
        _restart_controllers(lab)

    def _mutate(self, lab: Lab, mutant: mutants.Mutant) -> None:
        mutants.mark(lab.folder, mutant.name)
        if mutant.host:
            program = lab.folder / "drctl-host"
            drctl_host.install(program)
            mutants.mutate_host(program, mutant.host)
            _end_host_sessions(lab)
        _restart_controllers(lab)
        self.tell(f"without a rule: {mutant.removes}")


def _restart_controllers(lab: Lab) -> None:
    for center in lab.centers.values():
        center.controller.kill()
    lab.start_controllers()
    for group in lab.groups:
        lab.wait_guaranteed(group.name)


def _end_host_sessions(lab: Lab) -> None:
    """Every session of the host's program ends; the next one runs the new file."""
    for center in lab.centers.values():
        for pid in center.cgroup.pids():
            with contextlib.suppress(OSError):
                if b"drctl-host\0serve" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGTERM)


def run_suite(
    scenarios: Sequence[Scenario], laboratory: Laboratory, folder: Path, *, seed: int, tell: Callable[[str], None]
) -> list[tuple[Scenario, Judged]]:
    """Play them all; a lab that a scenario spoiled is replaced. Writes the bundles and the summary."""
    began_s = time.monotonic()
    results: list[tuple[Scenario, Judged]] = []
    mutant = laboratory.mutant.name if laboratory.mutant is not None else ""
    for number, scenario in enumerate(scenarios, start=1):
        tell(f"{number}/{len(scenarios)} {scenario.name}")
        place = folder / scenario.name
        place.mkdir(parents=True)
        lab = laboratory.fit(scenario)
        # The members' user does not read it, and the clients run as root.
        play = Player(lab, scenario, place, seed=seed + number * 10, tell=tell).run()
        judged = judge_play(play)
        write_bundle(place, lab, play, judged)
        results.append((scenario, judged))
        write_summary(folder, results, seed=seed, began_s=began_s, mutant=mutant)
        tell(_line(judged, play.elapsed_s))
        if not play.clean:
            tell("the lab is not fit for another scenario: a new one")
            laboratory.down()
    return results


def _line(judged: Judged, elapsed_s: float) -> str:
    figures = {
        "outage": judged.outage_s,
        "gap": judged.gap_s,
        "protected again": judged.protected_s,
    }
    words = ", ".join(f"{name} {value:.2f} s" for name, value in figures.items() if value is not None)
    return f"  {judged.result.upper()} in {elapsed_s:.0f} s: {words}, {judged.acked} acked, lost {judged.lost} {judged.why}"


def choose(scenarios: Mapping[str, Scenario], names: Sequence[str], tag: str | None) -> list[Scenario]:
    """Those that are named, or those with the tag, or all; ordered so that few labs are needed. Raises LabError."""
    unknown = [name for name in names if name not in scenarios]
    if unknown:
        raise LabError(f"there is no scenario {', '.join(unknown)}", remedy="python -m chaos run --list")
    if names:
        return [scenarios[name] for name in names]
    chosen = [one for one in scenarios.values() if tag is None or tag in one.tags]
    return sorted(chosen, key=lambda one: (one.topology.groups, sorted(map(str, one.topology.policy.items()))))
