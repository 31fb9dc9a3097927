"""The commands of `python -m chaos`."""

from __future__ import annotations

import click

from chaos.bench.cli import bench
from chaos.demo.cli import demo
from chaos.lab.cli import lab
from chaos.run.cli import controls, matrix, run


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def main() -> None:
    """Prove drctl on real parts: a laboratory of three centers, and what can go wrong in it."""


main.add_command(lab)
main.add_command(demo)
main.add_command(bench)
main.add_command(run)
main.add_command(matrix)
main.add_command(controls)
