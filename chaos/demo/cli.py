"""`python -m chaos demo`."""

from __future__ import annotations

import sys

import click

from chaos.demo.stage import Stage
from chaos.demo.story import DemoFailed, tell, up
from chaos.lab.errors import LabError

INTERRUPTED = 130


@click.command()
@click.option("--name", default="demo", show_default=True, help="of the lab, so that several can run side by side")
@click.option("--pg-bindir", help="programs of another PostgreSQL, e.g. /usr/lib/postgresql/15/bin")
def demo(*, name: str, pg_bindir: str | None) -> None:
    """A center loses its power and the laboratory goes on. The last line is for machines; exit 0 only when all held."""
    stage = Stage()
    try:
        with up(stage, name=name, pg_bindir=pg_bindir) as lab:
            try:
                tally = tell(lab, stage)
            finally:
                stage.close()
                stage.say("cleaning up")
    except (DemoFailed, LabError) as error:
        print(f"DEMO FAILED {' '.join(str(error).split())}", flush=True)
        sys.exit(1)
    except KeyboardInterrupt:
        print("DEMO FAILED interrupted; everything was cleaned up", flush=True)
        sys.exit(INTERRUPTED)
    except BaseException as error:
        # What nobody foresaw is told to machines as well; the traceback says the rest.
        print(f"DEMO FAILED {type(error).__name__}: {' '.join(str(error).split())}", flush=True)
        raise
    print(tally.line(), flush=True)
