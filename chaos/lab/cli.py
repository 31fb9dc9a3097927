"""python -m chaos lab: bring a lab up, look at it, play with it, take it down."""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live
from rich.table import Table

from chaos.faults.cli import fault
from chaos.lab import interrupts, remains
from chaos.lab.attachment import attached, name_option, need_root, told
from chaos.lab.drctl_host import CHECKOUT
from chaos.lab.errors import LabError
from chaos.lab.folder import registry_lock
from chaos.lab.lab import DATABASE, Lab, Routing
from chaos.lab.status import picture
from chaos.lab.topology import CENTERS, CLIENT

if TYPE_CHECKING:
    pass


HOST_NAMES = (*(center.name for center in CENTERS), CLIENT)


@click.group()
def lab() -> None:
    """Three centers on this machine, with real PostgreSQL, ZooKeeper, sshd and drctl."""


@lab.command()
@click.option("--name", default="lab", show_default=True, help="What to call it.")
@click.option(
    "--groups", default=1, show_default=True, help="How many replicated databases; several have different homes."
)
@click.option(
    "--pg-bindir",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="PostgreSQL's programs, such as /usr/lib/postgresql/15/bin. Default: version 18 from the Python environment.",
)
@click.option("--no-controllers", is_flag=True, help="Replication alone, without drctl.")
@click.option(
    "--no-init", is_flag=True, help="With controllers that drctl has not yet been told to take anything over."
)
@click.option(
    "--routing",
    type=click.Choice([each.value for each in Routing]),
    default=Routing.NONE.value,
    show_default=True,
    help="What stands between clients and databases in each center; pgbouncer has HAProxy behind it.",
)
@click.option("--database", default=DATABASE, show_default=True, help="The database to make in every group.")
@click.option(
    "--root",
    type=click.Path(exists=True, file_okay=False, writable=True, path_type=Path),
    help="Where to put the lab's files; user postgres must be able to reach it.",
)
def up(
    *,
    name: str,
    groups: int,
    pg_bindir: Path | None,
    no_controllers: bool,
    no_init: bool,
    routing: str,
    database: str,
    root: Path | None,
) -> None:
    """Bring a lab up; it stays until `lab down`."""
    begin_s = time.monotonic()
    with told():
        need_root()
        one = Lab.up(
            name,
            groups=groups,
            pg_bindir=pg_bindir,
            controllers=not no_controllers,
            initialise=not (no_controllers or no_init),
            database=database,
            routing=Routing(routing),
            root=root,
            progress=lambda line: click.echo(f"{time.monotonic() - begin_s:5.1f} s  {line}"),
        )
        one.keep()
    click.echo(f"{time.monotonic() - begin_s:5.1f} s  the lab {name} is up")
    option = f" --name {name}"
    click.echo(f"  watch it:      python -m chaos lab status{option} --watch 1")
    click.echo(f"  break it:      python -m chaos lab fault{option} power-off zhaohui")
    click.echo(f"  go inside:     python -m chaos lab shell{option} zhaohui")
    click.echo(f"  take it down:  python -m chaos lab down{option}")


@lab.command()
@click.option("--name", default=None, help="Which lab; not needed when there is one alone.")
@click.option("--all", "everything", is_flag=True, help="Every lab, those that a running process owns too.")
@click.option("--stale", is_flag=True, help="What killed runs left, and nothing else.")
def down(*, name: str | None, everything: bool, stale: bool) -> None:
    """Take a lab down, whatever state it is in."""
    with told():
        need_root()
        if sum([name is not None, everything, stale]) > 1:
            raise click.UsageError("--name, --all and --stale exclude each other")
        with interrupts.held_back(), registry_lock():
            found = remains.find()
            if stale:
                chosen = [one for one in found.values() if one.state is remains.State.STALE]
            elif everything:
                chosen = list(found.values())
            else:
                chosen = [_chosen(found, name)]
            for one in chosen:
                begin_s = time.monotonic()
                remains.remove(one)
                click.echo(f"removed the lab {one.name} in {time.monotonic() - begin_s:.1f} s")
        if not chosen:
            click.echo("nothing to remove")


def _chosen(found: dict[str, remains.Remains], name: str | None) -> remains.Remains:
    if name is None and len(found) == 1:
        return next(iter(found.values()))
    if name is None:
        raise LabError(
            f"there are {len(found)} labs: {', '.join(found) or 'none'}", remedy="python -m chaos lab down --name NAME"
        )
    if name not in found:
        raise LabError(f"there is no lab {name} here", remedy="python -m chaos lab list")
    return found[name]


@lab.command("list")
def list_labs() -> None:
    """Every lab of this machine, those included that killed runs left."""
    with told():
        need_root()
        found = remains.find()
    table = Table(box=None)
    for heading in ("Lab", "State", "Owner", "Subnet", "Groups", "PostgreSQL", "Folder"):
        table.add_column(heading)
    for one in found.values():
        record = one.record
        if record is None:
            table.add_row(one.name, one.state.value, "?", "", "", "", str(one.folder or ""))
        else:
            table.add_row(
                one.name,
                one.state.value,
                "" if record.kept else str(record.owner.pid),
                f"10.77.{record.subnet_number}.0/24",
                str(record.groups),
                record.postgres_version,
                str(record.folder),
            )
    Console().print(table if found else "no lab is up")


@lab.command()
@name_option
@click.option(
    "-w", "--watch", "interval_s", type=click.FloatRange(min=0.2), help="Again every so many seconds, until Ctrl-C."
)
def status(name: str | None, interval_s: float | None) -> None:
    """What runs in each center, what is broken on purpose, and which member is the primary."""
    with told():
        one = attached(name)
        if interval_s is None:
            Console().print(picture(one))
            return
        with Live(picture(one), auto_refresh=False) as live:
            while True:
                time.sleep(interval_s)
                live.update(picture(one), refresh=True)


@lab.command()
@name_option
@click.argument("host", type=click.Choice(HOST_NAMES))
def shell(name: str | None, host: str) -> None:
    """A shell on a host; `drctl` and PostgreSQL's programs are on its PATH. It survives the host's power."""
    with told():
        one = attached(name)
        where = one.client if host == CLIENT else one.centers[host].host
        # In a group of the lab, not of the center: a frozen center would freeze the hand that wants to thaw it.
        group = one.cgroup.child("shells").create()
        group.add(os.getpid())
        programs = next(iter(one.members.values())).programs.bindir
        environment = where.environment(
            as_user=None,
            extra={
                "DRCTL_CONFIG": str(one.cluster_yaml),
                "PATH": f"{Path(sys.executable).parent}:{programs}:{os.environ['PATH']}",
                "PYTHONPATH": str(CHECKOUT),
                "PGUSER": "postgres",
                "PGHOST": where.address,
                "PS1": f"{one.name}/{host} \\w \\$ ",
            },
        )
        click.echo(f"{host} of the lab {one.name}; its files are in {where.folder}; exit or Ctrl-D leaves it")
        os.chdir(where.folder)
        os.execvpe("nsenter", ["nsenter", f"--net=/run/netns/{where.netns}", "bash", "--norc", "-i"], environment)  # noqa: S606 -- the shell takes this process's place


lab.add_command(fault)
