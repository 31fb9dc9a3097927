"""`python -m chaos.workload`: the load of one client; `--install` makes the schema instead."""

from __future__ import annotations

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
import psycopg

from chaos.workload.generator import MIX, READ_MIX
from chaos.workload.load import PEAK_RATE_PER_S, Plan, run_load
from chaos.workload.operation import Kind
from chaos.workload.schema import install_schema
from chaos.workload.session import Endurance

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaos.workload.progress import Snapshot


@click.command()
@click.option("--dsn", required=True, help="libpq connection string, as clients of the service use it")
@click.option("--install", is_flag=True, help="create the schema and its stock (what is there is dropped), then end")
@click.option("--samples", default=3000, show_default=True, help="stock: samples of the last three months")
@click.option("--ledger", type=click.Path(path_type=Path), help="file for intents and outcomes; must not exist")
@click.option("--client-id", default="client", show_default=True, help="a name that no other client of the run has")
@click.option("--pinned", metavar="MEMBER", help="only read, and say in the ledger that this member was asked")
@click.option("--rate", "rate_per_s", default=PEAK_RATE_PER_S, show_default=True, help="operations a second")
@click.option("--seconds", type=float, help="how long; default: until SIGTERM")
@click.option("--seed", default=1, show_default=True)
@click.option("--connections", default=16, show_default=True)
@click.option(
    "--mix", "mix_text", metavar="KIND=N,...", help="weights of kinds of operation in place of the usual ones"
)
@click.option("--operation-timeout-s", default=2.0, show_default=True)
@click.option("--queue-timeout-s", default=1.0, show_default=True)
@click.option("--progress-s", default=1.0, show_default=True, help="time between lines of progress")
@click.option(
    "--no-prepare", is_flag=True, help="prepare no statement: for a pool that changes servers between transactions"
)
@click.option("--connect-timeout-s", default=2, show_default=True)
@click.option("--tcp-user-timeout-ms", default=1000, show_default=True)
@click.option("--keepalives-idle-s", default=1, show_default=True)
@click.option("--keepalives-interval-s", default=1, show_default=True)
@click.option("--keepalives-count", default=2, show_default=True)
def main(
    *,
    dsn: str,
    install: bool,
    samples: int,
    ledger: Path | None,
    client_id: str,
    pinned: str | None,
    rate_per_s: float,
    seconds: float | None,
    seed: int,
    connections: int,
    mix_text: str | None,
    operation_timeout_s: float,
    queue_timeout_s: float,
    progress_s: float,
    no_prepare: bool,
    connect_timeout_s: int,
    tcp_user_timeout_ms: int,
    keepalives_idle_s: int,
    keepalives_interval_s: int,
    keepalives_count: int,
) -> None:
    """Run the load of one client of the laboratory until SIGTERM, with a line of JSON progress each second."""
    if install:
        _install(dsn, samples)
        return
    if ledger is None:
        raise click.UsageError("--ledger is needed: a load without a ledger proves nothing")
    if ledger.exists():
        raise click.UsageError(f"the ledger {ledger} exists: every client and every run has a file of its own")
    plan = Plan(
        dsn=dsn,
        ledger=ledger,
        client=client_id,
        seed=seed,
        rate_per_s=rate_per_s,
        seconds=seconds,
        connections=connections,
        pinned=pinned,
        mix=_mix(mix_text, pinned=pinned),
        endurance=Endurance(
            connect_timeout_s=connect_timeout_s,
            tcp_user_timeout_ms=tcp_user_timeout_ms,
            keepalives_idle_s=keepalives_idle_s,
            keepalives_interval_s=keepalives_interval_s,
            keepalives_count=keepalives_count,
        ),
        operation_timeout_s=operation_timeout_s,
        queue_timeout_s=queue_timeout_s,
        progress_s=progress_s,
        prepares=not no_prepare,
    )
    try:
        asyncio.run(_run(plan))
    except (OSError, psycopg.ProgrammingError, ValueError) as error:
        click.echo(f"error: {error}", err=True)
        sys.exit(1)


def _install(dsn: str, samples: int) -> None:
    try:
        install_schema(dsn, samples=samples)
    except (psycopg.Error, ValueError) as error:
        click.echo(f"error: the schema could not be created: {error}", err=True)
        sys.exit(1)


def _mix(text: str | None, *, pinned: str | None) -> Mapping[Kind, int]:
    if text is None:
        return MIX if pinned is None else READ_MIX
    try:
        return {Kind(kind): int(weight) for kind, weight in (part.split("=") for part in text.split(","))}
    except ValueError as error:
        known = ", ".join(Kind)
        raise click.UsageError(f"--mix: {error}; expected KIND=WEIGHT,... with kinds {known}") from error


async def _run(plan: Plan) -> None:
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, stop.set)
    last = await run_load(plan, stop, _print)
    print(json.dumps({"t": "end", "client": last.client, "acked": last.acked, "failed": last.failed,
                      "unknown": last.unknown, "acked_unsafe": last.acked_unsafe}), flush=True)  # fmt: skip


def _print(snapshot: Snapshot) -> None:
    print(snapshot.line(), flush=True)


if __name__ == "__main__":
    main()
