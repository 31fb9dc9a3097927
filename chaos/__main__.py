"""python -m chaos."""

from __future__ import annotations

from chaos.cli import main

if __name__ == "__main__":
    main(prog_name="python -m chaos")
