"""How clients find the primary: `routing haproxy|pgbouncer|dsn`. Nothing is asked of the cluster: cluster.yaml says it all."""

from __future__ import annotations

import click

from drctl.cli.invocation import Invocation, common_options, complete_center, group_argument, pass_invocation
from drctl.model.errors import InvalidInput
from drctl.model.identity import CenterName
from drctl.routing import haproxy as haproxy_text
from drctl.routing import pgbouncer as pgbouncer_text
from drctl.routing.doors import FIRST_PORT, Door, doors
from drctl.routing.dsn import Driver
from drctl.routing.dsn import dsn as dsn_text

center_option = click.option(
    "--center", metavar="CENTER", shell_complete=complete_center, help="Where it will run; its own center comes first."
)
port_option = click.option(
    "--port",
    "first_port",
    type=click.IntRange(1, 65000),
    default=FIRST_PORT,
    show_default=True,
    help="HAProxy's port for writes of the first group; reads are on the next, the other groups follow.",
)


@click.group()
@common_options
def routing() -> None:
    """Write the configuration with which clients find the primary."""


@routing.command()
@common_options
@group_argument
@center_option
@port_option
@click.option("--bind", default="*", show_default=True, help="The address that clients connect to.")
@click.option(
    "--check-port",
    type=click.IntRange(1, 65535),
    default=haproxy_text.CHECK_PORT,
    show_default=True,
    help="A port on the loopback, for HAProxy's own checks.",
)
@pass_invocation
def haproxy(
    invocation: Invocation, group: str | None, center: str | None, first_port: int, bind: str, check_port: int
) -> None:
    """Print haproxy.cfg for one center: writes go to the primary, reads to its standbys."""
    click.echo(
        haproxy_text.haproxy(
            invocation.configuration.topology,
            _doors(invocation, group, first_port),
            center=_center(invocation, center),
            bind=bind,
            check_port=check_port,
        ),
        nl=False,
    )


@routing.command()
@common_options
@group_argument
@port_option
@click.option("--haproxy-host", "host", default="127.0.0.1", show_default=True, help="Where HAProxy is.")
@click.option("--listen", default="*", show_default=True, help="The address that clients connect to.")
@click.option("--listen-port", default=pgbouncer_text.LISTEN_PORT, show_default=True, help="The port for clients.")
@click.option("--database", "databases", multiple=True, metavar="NAME", help="Which; without it, every one.")
@pass_invocation
def pgbouncer(
    invocation: Invocation,
    group: str | None,
    first_port: int,
    host: str,
    listen: str,
    listen_port: int,
    databases: tuple[str, ...],
) -> None:
    """Print pgbouncer.ini for a pool beside HAProxy: a switchover pauses it, and no statement fails."""
    chosen = _doors(invocation, group, first_port)
    if len(chosen) > 1 and not databases:
        raise InvalidInput(
            "which databases are whose? There are several groups, and clients name only a database",
            remedy="name a group, or the databases: --database lis_db",
        )
    text = pgbouncer_text.pgbouncer(
        chosen,
        databases,
        host=host,
        listen=listen,
        listen_port=listen_port,
        admin=invocation.configuration.database.user,
    )
    click.echo(text, nl=False)


@routing.command()
@common_options
@group_argument
@center_option
@click.option("--dbname", default="postgres", show_default=True, help="The database.")
@click.option("--user", default="", help="The role; without it, the driver's own choice.")
@click.option(
    "--driver", type=click.Choice([each.value for each in Driver]), default=Driver.LIBPQ.value, show_default=True
)
@pass_invocation
def dsn(invocation: Invocation, group: str | None, center: str | None, dbname: str, user: str, driver: str) -> None:
    """Print a connection string that finds the primary without any proxy."""
    found = invocation.configuration.topology.group(invocation.group(group))
    click.echo(dsn_text(found, Driver(driver), center=_center(invocation, center), dbname=dbname, user=user))


def _doors(invocation: Invocation, group: str | None, first_port: int) -> list[Door]:
    chosen = invocation.groups(group)
    return [
        door for door in doors(invocation.configuration.topology, first_port=first_port) if door.group.name in chosen
    ]


def _center(invocation: Invocation, center: str | None) -> CenterName | None:
    if center is None:
        return None
    names = [each.name for each in invocation.configuration.topology.centers]
    if center not in names:
        raise InvalidInput(f"there is no center {center}", remedy=f"name one of: {', '.join(names)}")
    return CenterName(center)
