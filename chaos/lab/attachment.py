"""What the command line of the lab shares: finding the lab that is meant, and telling what went wrong."""

from __future__ import annotations

import os
import sys
from contextlib import contextmanager
from typing import TYPE_CHECKING

import click

from chaos.lab import cgroups, network, remains, requirements
from chaos.lab.errors import LabError
from chaos.lab.host import INIT_KIND
from chaos.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Iterator

name_option = click.option("--name", default=None, help="Which lab; not needed when there is one alone.")


@contextmanager
def told() -> Iterator[None]:
    """Turn what the lab complains of into a message and exit code 1."""
    try:
        yield
    except LabError as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def need_root() -> None:
    """Raise LabError unless this is root; and work in the network of the machine, not in that of a lab's shell."""
    requirements.with_administrators_path()
    if os.geteuid() != 0:
        raise LabError(
            "not root: a lab is made of network namespaces", remedy=f"sudo {sys.executable} -m chaos lab ..."
        )
    network.return_to_the_machine(pid for one in cgroups.labs_group().children() for pid in one.child(INIT_KIND).pids())


def attached(name: str | None) -> Lab:
    """The lab of that name, or the only one."""
    need_root()
    if name is not None:
        return Lab.attach(name)
    here = [found.name for found in remains.find().values() if found.record is not None]
    if len(here) != 1:
        what = f"there are several labs: {', '.join(here)}" if here else "no lab is up"
        raise LabError(what, remedy="python -m chaos lab list" if here else "python -m chaos lab up")
    return Lab.attach(here[0])
