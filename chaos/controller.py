"""`python -m chaos.controller --config CLUSTER.yaml --center CENTER`: drctl's controller as the chaos suite runs it.

The same program, with two things that the product does not have: crash points (`chaos.faults.crashpoint`), and, for the
negative controls, rules of the protocol that were taken out (`chaos.faults.mutants`).
"""

from __future__ import annotations

import os
from pathlib import Path

import click

from chaos.faults import mutants
from chaos.faults.crashpoint import Trap
from drctl.cli.main import program
from drctl.controller import loop

CRASH = "CHAOS_CRASH"
"""A crash point for this process alone."""


@click.command()
@click.option("--config", required=True)
@click.option("--center", required=True)
def main(*, config: str, center: str) -> None:
    """Watch the deployment and act for it, until SIGTERM or a crash point."""
    folder = Path(config).parent
    mutants.apply_to_controller(folder)
    loop.perform = Trap(loop.perform, folder, center, first=os.environ.get(CRASH, ""))  # type: ignore[attr-defined]
    program(["controller", "--config", config, "--center", center], prog_name="drctl")


if __name__ == "__main__":
    main()
