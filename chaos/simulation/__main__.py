"""python -m chaos.simulation."""

from __future__ import annotations

from chaos.simulation.cli import main

if __name__ == "__main__":
    main(prog_name="python -m chaos.simulation")
