"""python -m chaos lab fault: break something in a lab on purpose, and heal it."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

import click

from chaos.faults.catalogue import MACHINE
from chaos.lab.attachment import attached, name_option, told
from chaos.lab.topology import CENTERS, CLIENT

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.faults.link import Direction
    from chaos.lab.lab import Lab

CENTER_NAMES = tuple(center.name for center in CENTERS)
HOST_NAMES = (*CENTER_NAMES, CLIENT)
TARGET_HELP = "TARGET is a center, a member such as lis-zhaohui, or a process such as zhaohui/zookeeper."


def with_lab(command: Callable[..., None]) -> Callable[..., None]:
    """Call a command with the lab that is meant; looked for only then, so that help needs no lab."""

    @click.pass_context
    @functools.wraps(command)
    def on_the_lab(context: click.Context, /, **arguments: object) -> None:
        with told():
            command(attached(context.obj), **arguments)

    return on_the_lab


@click.group()
@name_option
@click.pass_context
def fault(context: click.Context, name: str | None) -> None:
    """Break something on purpose, and heal it."""
    context.obj = name


def _done(what: str) -> None:
    click.echo(f"{what}: seen to take effect")


@fault.command(help=f"SIGKILL a member's postmaster or a process of a center. {TARGET_HELP}")
@click.argument("target")
@with_lab
def kill(one: Lab, target: str) -> None:
    """SIGKILL a process."""
    one.faults.kill(target)
    _done(f"kill {target}")


@fault.command("kill-backend")
@click.argument("member")
@with_lab
def kill_backend(one: Lab, member: str) -> None:
    """SIGKILL one client's backend of a member: PostgreSQL restarts all of them."""
    one.faults.kill_backend(member)
    _done(f"kill a backend of {member}")


@fault.command("kill-walsender")
@click.argument("member")
@click.option("--standby", help="The walsender that serves this member.")
@with_lab
def kill_walsender(one: Lab, member: str, standby: str | None) -> None:
    """End one walsender of a member."""
    one.faults.kill_walsender(member, standby=standby)
    _done(f"kill a walsender of {member}")


@fault.command(help=f"Start what is down, as an init system would. {TARGET_HELP}")
@click.argument("target")
@with_lab
def start(one: Lab, target: str) -> None:
    """Start a process."""
    one.faults.start(target)
    click.echo(f"start {target}: asked to")


@fault.command(help=f"Stop processes where they stand. {TARGET_HELP}")
@click.argument("target")
@with_lab
def freeze(one: Lab, target: str) -> None:
    """Freeze."""
    one.faults.freeze(target)
    _done(f"freeze {target}")


@fault.command(help=f"Let frozen processes run again. {TARGET_HELP}")
@click.argument("target")
@with_lab
def thaw(one: Lab, target: str) -> None:
    """Thaw."""
    one.faults.thaw(target)
    click.echo(f"thaw {target}: done")


@fault.command()
@click.argument("host", type=click.Choice(HOST_NAMES))
@with_lab
def isolate(one: Lab, host: str) -> None:
    """Drop every packet of a host; open connections fall silent."""
    one.faults.isolate(host)
    _done(f"isolate {host}")


@fault.command()
@click.argument("a", type=click.Choice(HOST_NAMES))
@click.argument("b", type=click.Choice([*HOST_NAMES, MACHINE]))
@click.option(
    "--port", type=click.IntRange(1, 65535), help="This port alone: 5432 PostgreSQL, 2181 ZooKeeper, 22 sshd."
)
@click.option(
    "--direction",
    type=click.Choice(["both", "in", "out"]),
    default="both",
    show_default=True,
    help="out: what A sends to B is lost; in: what B sends to A.",
)
@with_lab
def cut(one: Lab, a: str, b: str, port: int | None, direction: Direction) -> None:
    """Drop the packets between two hosts. `machine` is this machine's own address on the bridge."""
    _done(f"cut {one.faults.cut(a, b, port=port, direction=direction).target}")


@fault.command()
@click.argument("host", type=click.Choice(HOST_NAMES))
@click.argument("percent", type=click.IntRange(1, 99))
@with_lab
def loss(one: Lab, host: str, percent: int) -> None:
    """Lose a share of a host's packets, each way."""
    one.faults.packet_loss(host, percent)
    _done(f"loss {host} {percent} %")


@fault.command()
@click.argument("host", type=click.Choice(HOST_NAMES))
@click.argument("rate")
@with_lab
def bandwidth(one: Lab, host: str, rate: str) -> None:
    """Narrow a host's line to RATE, such as 1mbit, each way."""
    one.faults.bandwidth(host, rate)
    _done(f"bandwidth {host} {rate}")


@fault.command()
@click.argument("host", type=click.Choice(HOST_NAMES))
@click.option("--port", type=click.IntRange(1, 65535), help="Connections of this port alone.")
@with_lab
def reset(one: Lab, host: str, port: int | None) -> None:
    """Reset the TCP connections of a host."""
    one.faults.reset(host, port=port)
    _done(f"reset {host}")


@fault.command("power-off")
@click.argument("center", type=click.Choice(CENTER_NAMES))
@with_lab
def power_off(one: Lab, center: str) -> None:
    """Take a center's power away: its link and every process at once."""
    one.faults.power_off(center)
    _done(f"power-off {center}")


@fault.command("power-on")
@click.argument("center", type=click.Choice(CENTER_NAMES))
@with_lab
def power_on(one: Lab, center: str) -> None:
    """Give a center its power back: link, ZooKeeper, sshd, the members that may start, the controller."""
    fenced = one.faults.power_on(center)
    click.echo(f"power-on {center}: done" + (f"; kept down by drctl-host: {', '.join(fenced)}" if fenced else ""))


@fault.command()
@click.argument("host", type=click.Choice([*HOST_NAMES, "all"]))
@with_lab
def heal(one: Lab, host: str) -> None:
    """Remove the network faults of a host; `all`: every fault everywhere, and start what is down."""
    if host == "all":
        one.faults.heal_all()
    else:
        one.faults.heal(host)
    click.echo(f"heal {host}: done")
