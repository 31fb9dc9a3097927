"""Spin at work: the verifier made in a temporary folder, run within hard limits, and what it printed, read."""

from __future__ import annotations

import re
import shutil
import subprocess
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from chaos.model.configuration import MODEL, Claim, World

DEPTH_MAX = 20_000
"""Steps of one run of the model; the deepest seen has about a hundred."""
BUILD_LIMIT_S = 120.0

_VECTOR = re.compile(r"depth reached (\d+), errors: (\d+)")
_STORED = re.compile(r"^\s*([\d.e+]+) states, stored", re.MULTILINE)
_ELAPSED = re.compile(r"pan: elapsed time ([\d.e+-]+) seconds")
_CUT_SHORT = {
    "max search depth too small": "the depth limit was reached",
    "reached -DMEMLIM bound": "the memory limit was reached",
    "out of memory": "there was no more memory",
    "Search not completed": "the search was not completed",
}


class ToolMissing(Exception):
    """A program that the check needs is not installed, or does not take the model."""


class Verdict(StrEnum):
    """What a search says of its claim."""

    HOLDS = "holds"
    VIOLATED = "violated"
    INCONCLUSIVE = "inconclusive"


@dataclass(frozen=True, slots=True, kw_only=True)
class Search:
    """The outcome of one run of the verifier."""

    verdict: Verdict
    states: int
    depth: int
    elapsed_s: float
    note: str = ""
    """Why it is inconclusive; else empty."""


def search(world: World, mutation: str | None, folder: Path) -> Search:
    """Look through `world`, with one rule taken out by `mutation`. A counterexample is left in `folder` for `trace`.

    The protocol itself is searched depth first, which is fast; a mutant breadth first, so that what is found is shortest.
    Raises ToolMissing.
    """
    shortest = mutation is not None and world.claim is Claim.SAFETY
    _build(world, mutation, folder, shortest=shortest)
    argv = [str(folder / "pan"), f"-m{DEPTH_MAX}", "-w22" if mutation else "-w25"]
    argv.append("-a" if world.claim is Claim.PROGRESS else "-E")
    try:
        finished = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=world.limit_s, check=False)
    except subprocess.TimeoutExpired:
        return Search(
            verdict=Verdict.INCONCLUSIVE, states=0, depth=0, elapsed_s=world.limit_s, note="the time limit was reached"
        )
    return parse_search(finished.stdout + finished.stderr)


def parse_search(printed: str) -> Search:
    """Read what pan printed. A search that was cut short proves nothing, unless it has found something."""
    vector, stored, elapsed = _VECTOR.search(printed), _STORED.search(printed), _ELAPSED.search(printed)
    if vector is None or stored is None:
        last = printed.strip().splitlines()[-1:] or ["nothing"]
        return Search(verdict=Verdict.INCONCLUSIVE, states=0, depth=0, elapsed_s=0.0, note=f"pan printed: {last[0]}")
    note = next((words for sign, words in _CUT_SHORT.items() if sign in printed), "")
    verdict = Verdict.VIOLATED if int(vector[2]) else Verdict.INCONCLUSIVE if note else Verdict.HOLDS
    return Search(
        verdict=verdict,
        states=int(float(stored[1])),
        depth=int(vector[1]),
        elapsed_s=float(elapsed[1]) if elapsed else 0.0,
        note=note if verdict is Verdict.INCONCLUSIVE else "",
    )


def trail(world: World, mutation: str | None, folder: Path) -> str:
    """The steps of the counterexample that the last search in `folder` left, as Spin replays them. Raises ToolMissing."""
    found = folder / f"{MODEL.name}.trail"
    argv = ["spin", "-k", str(found), "-T", "-B", *_defines(world, mutation), str(MODEL)]
    return _run(argv, folder)


def _build(world: World, mutation: str | None, folder: Path, *, shortest: bool) -> None:
    _run(["spin", "-a", *_defines(world, mutation), str(MODEL)], folder)
    # Where few states are visited, the compiler would take longer than the search.
    effort = 0 if mutation and world.operations < 3 else 1 if mutation or world.operations < 3 else 2
    options = [f"-O{effort}", "-w", "-DNOREDUCE", f"-DMEMLIM={world.memory_mib}"]
    if world.claim is Claim.SAFETY:
        options.append("-DSAFETY")
    if shortest:
        options.append("-DBFS")
    _run(["gcc", *options, "-o", "pan", "pan.c"], folder)


def _defines(world: World, mutation: str | None) -> list[str]:
    names = (*world.defines, mutation) if mutation else world.defines
    return [f"-D{name}" for name in names]


def _run(argv: list[str], folder: Path) -> str:
    if shutil.which(argv[0]) is None:
        raise ToolMissing(f"{argv[0]} is not installed; type: apt-get install spin gcc libc6-dev")
    finished = subprocess.run(argv, cwd=folder, capture_output=True, text=True, timeout=BUILD_LIMIT_S, check=False)
    if finished.returncode != 0:
        raise ToolMissing(f"{argv[0]} failed: {(finished.stderr or finished.stdout).strip()[-400:]}")
    return finished.stdout
