"""python -m chaos.simulation: schedules from seeds, one story, and the shortest one when something breaks."""

from __future__ import annotations

import subprocess
import sys
import time
from collections import Counter
from pathlib import Path

import click

from chaos.simulation.run import Result, simulate
from chaos.simulation.sabotage import Sabotage
from chaos.simulation.schedule import Profile, faults_of
from chaos.simulation.shrink import shortened

EXIT_BROKEN = 1
TALE_LINES = 60
ROUTINE = (" publish", " watch_marker", " inspect", " campaign", "journal.save ok")


@click.command(context_settings={"help_option_names": ["-h", "--help"]})
@click.option("--seed", type=int, help="One schedule, with its story.")
@click.option("--keep", default="", help="With --seed: only these of its faults, by their places from 0, e.g. 0,3.")
@click.option("--schedules", type=int, default=None, help="How many; 1000 unless --minutes says otherwise.")
@click.option("--minutes", type=float, default=None, help="Go on for so many minutes of CPU time.")
@click.option("--first", type=int, default=0, show_default=True, help="The first seed.")
@click.option(
    "--profile", type=click.Choice([each.value for each in Profile]), default=Profile.ALL.value, show_default=True
)
@click.option(
    "--sabotage",
    type=click.Choice([each.value for each in Sabotage]),
    multiple=True,
    help="Take a rule out of the protocol.",
)
@click.option("--goes-on", is_flag=True, help="Do not stop at the first schedule that breaks a promise.")
def main(
    seed: int | None,
    keep: str,
    schedules: int | None,
    minutes: float | None,
    first: int,
    profile: str,
    sabotage: tuple[str, ...],
    goes_on: bool,  # noqa: FBT001 - a switch of the command line
) -> None:
    """Run the real controllers in a simulated hospital, on one virtual clock and one seed."""
    taken_out = frozenset(Sabotage(one) for one in sabotage)
    if seed is not None:
        kept = None if not keep else tuple(int(place) for place in keep.split(","))
        sys.exit(_tell(seed, kept, Profile(profile), taken_out))
    count = schedules if schedules is not None else 1000 if minutes is None else None
    sys.exit(_run_many(first, count, minutes, Profile(profile), taken_out, goes_on=goes_on))


def _tell(seed: int, kept: tuple[int, ...] | None, profile: Profile, sabotage: frozenset[Sabotage]) -> int:
    faults = faults_of(seed, profile)
    if kept is not None:
        faults = tuple(faults[place] for place in kept)
    result = simulate(seed, faults=faults, sabotage=sabotage, tracing=True)
    for line in result.trace:
        if not any(words in line for words in ROUTINE):
            click.echo(line)
    click.echo(f"{result.acknowledged} commits acknowledged; {_verdict(result)}")
    return 0 if result.well else EXIT_BROKEN


def _run_many(
    first: int,
    count: int | None,
    minutes: float | None,
    profile: Profile,
    sabotage: frozenset[Sabotage],
    *,
    goes_on: bool,
) -> int:
    began_s = time.process_time()
    outcomes: Counter[str] = Counter()
    ran = broken = acknowledged = 0
    healed_s: list[float] = []
    virtual_s = 0.0
    seed = first
    while (count is None or ran < count) and (minutes is None or time.process_time() - began_s < minutes * 60):
        result = simulate(seed, faults=faults_of(seed, profile), sabotage=sabotage)
        ran += 1
        outcomes.update(result.outcomes)
        acknowledged += result.acknowledged
        virtual_s += result.virtual_s
        if result.well:
            healed_s.append(result.healed_s)
        else:
            broken += 1
            _report(result, profile, sabotage)
            if not goes_on:
                break
        seed += 1
    took_s = time.process_time() - began_s
    healed_s.sort()
    click.echo(
        f"{ran} schedules from seed {first}, {broken} broken; {ran / took_s * 60:.0f} a CPU minute; "
        f"{virtual_s / 3600:.1f} h of virtual time, {acknowledged} commits acknowledged"
    )
    if healed_s:
        click.echo(
            f"whole again after healing: median {healed_s[len(healed_s) // 2]:.1f} s, longest {healed_s[-1]:.1f} s"
        )
    click.echo(", ".join(f"{name} {number}" for name, number in sorted(outcomes.items())))
    return EXIT_BROKEN if broken else 0


def _report(result: Result, profile: Profile, sabotage: frozenset[Sabotage]) -> None:
    """What a person needs to see it again: seed, commit, and the shortest schedule that still breaks."""
    shortest, kept = shortened(result, lambda faults: simulate(result.seed, faults=faults, sabotage=sabotage))
    click.echo(f"seed {result.seed} at commit {_commit()}: {_verdict(result)}")
    click.echo(f"shortened to {len(kept)} of {len(result.faults)} faults: {_verdict(shortest)}")
    for fault in shortest.faults:
        click.echo(f"  {fault}")
    words = [f"--seed {result.seed}", f"--keep {','.join(map(str, kept))}"] if kept else [f"--seed {result.seed}"]
    words += [f"--profile {profile}"] if profile is not Profile.ALL else []
    words += [f"--sabotage {one}" for one in sorted(sabotage)]
    click.echo(f"its story: python -m chaos.simulation {' '.join(words)}")


def _verdict(result: Result) -> str:
    if result.well:
        return f"whole again {result.healed_s:.1f} s after the healing"
    return f"{result.code} broken: {result.what}"


def _commit() -> str:
    """The commit that is checked out, and whether anything differs from it."""
    folder = Path(__file__).parent
    try:
        found = subprocess.run(
            ["git", "describe", "--always", "--dirty", "--abbrev=12"],
            cwd=folder, capture_output=True, text=True, timeout=10, check=False,
        )  # fmt: skip
    except (OSError, subprocess.TimeoutExpired):
        return "unknown"
    return found.stdout.strip() or "unknown"
