"""Counterexamples as a person reads them."""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import takewhile

from chaos.model.configuration import Claim, Mutant

VIOLATION = "VIOLATION"
_NOISE = ("Never claim moves", "ltl ", "spin:")
_CYCLE = "<<<<<START OF CYCLE>>>>>"
_SET = re.compile(r"\{([ABC-]{3})\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The steps that lead to a violation."""

    steps: tuple[str, ...]
    violation: str


def read_trace(printed: str, claim: Claim) -> Trace:
    """Read what Spin printed while it replayed a trail."""
    lines = [_with_sets(line.strip()) for line in printed.splitlines()]
    told = [line for line in takewhile(lambda line: line != _CYCLE, lines) if line and not line.startswith(_NOISE)]
    steps = tuple(line for line in told if not line.startswith(VIOLATION))
    broken = [line for line in told if line.startswith(VIOLATION)]
    if claim is Claim.PROGRESS and not broken:
        broken = [f"{VIOLATION} progress: nothing more happens, and no write sent since then is acknowledged"]
    return Trace(steps=steps, violation=broken[0] if broken else f"{VIOLATION} not told")


def render(mutant: Mutant, trace: Trace) -> str:
    """The text that is kept beside the model."""
    world = mutant.world
    head = (
        f"Taken out: {mutant.without}.",
        f"World: {world.writes} writes, {world.operations} operations.",
        f"Before: A is the primary, B and C follow it, the rule is (A, {{B, C}}, {world.first_count}).",
        "",
    )
    numbered = (f"{number:3}  {step}" for number, step in enumerate(trace.steps, start=1))
    return "\n".join((*head, *numbered, f"     {trace.violation}", ""))


def _with_sets(line: str) -> str:
    return _SET.sub(lambda found: "{" + ", ".join(name for name in found[1] if name != "-") + "}", line)
