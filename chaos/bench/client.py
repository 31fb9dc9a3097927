"""`python -m chaos.bench.client`: one writer over a libpq string with several hosts, and one fresh connector a host.

The writer is what an application has: its outage includes its own share, noticing the loss and trying the hosts in turn.
The fresh connectors tell when service was there for anyone who asked then. Every acknowledged commit is a line on stdout:
`{"who": "writer" | HOST, "number": ..., "began_ns": ..., "acked_ns": ...}` on the machine's monotonic clock. Each commit
adds a row of its own, so that what was acknowledged can be looked for on every member afterwards.
"""

from __future__ import annotations

import itertools
import json
import signal
import sys
import threading
import time

import click
import psycopg

PAUSE_S = 0.01
"""Between two commits: far shorter than any gap that is told."""
FRESH_TIMEOUT_S = 0.25
WRITER_TIMEOUT_MS = 1000

_stop = threading.Event()
_print = threading.Lock()

TABLE = "CREATE TABLE IF NOT EXISTS bench (who text, number bigint, PRIMARY KEY (who, number))"
EMPTY = "TRUNCATE bench"
WRITE = "INSERT INTO bench VALUES (%s, %s)"

_numbers = itertools.count(1)


def _tell(who: str, number: int, began_ns: int) -> None:
    line = json.dumps({"who": who, "number": number, "began_ns": began_ns, "acked_ns": time.monotonic_ns()})
    with _print:
        sys.stdout.write(line + "\n")
        sys.stdout.flush()


def _commit(connection: psycopg.Connection[tuple[object, ...]], who: str) -> None:
    # Never used again, whatever becomes of it: a repeated one would hide that the first was lost.
    number, began_ns = next(_numbers), time.monotonic_ns()
    cancelled: list[str] = []
    connection.add_notice_handler(lambda notice: cancelled.append(notice.message_primary or ""))
    connection.execute(WRITE, [who, number])
    if not cancelled:
        _tell(who, number, began_ns)


def _write(dsn: str) -> None:
    while not _stop.is_set():
        try:
            with psycopg.connect(
                dsn, autocommit=True, connect_timeout=1, tcp_user_timeout=WRITER_TIMEOUT_MS
            ) as connection:
                while not _stop.wait(PAUSE_S):
                    _commit(connection, "writer")
        except psycopg.Error:
            _stop.wait(PAUSE_S)


def _connect_anew(host: str, dsn: str) -> None:
    while not _stop.is_set():
        began_s = time.monotonic()
        try:
            with psycopg.connect(
                f"{dsn} host={host} target_session_attrs=read-write",
                autocommit=True,
                connect_timeout=1,
                tcp_user_timeout=int(FRESH_TIMEOUT_S * 1000),
            ) as connection:
                _commit(connection, host)
        except psycopg.Error:
            pass
        _stop.wait(max(0.02, FRESH_TIMEOUT_S / 5 - (time.monotonic() - began_s)))


@click.command()
@click.option("--dsn", required=True, help="several hosts, target_session_attrs=read-write")
@click.option("--fresh", required=True, help="what the connectors need beside the host: port, user, dbname")
@click.option("--host", "hosts", multiple=True, required=True)
@click.option("--install", is_flag=True, help="make an empty table, then end")
def main(*, dsn: str, fresh: str, hosts: tuple[str, ...], install: bool) -> None:
    """Write until SIGTERM."""
    if install:
        with psycopg.connect(dsn, autocommit=True, connect_timeout=3) as connection:
            connection.execute(TABLE)
            connection.execute(EMPTY)
        return
    signal.signal(signal.SIGTERM, lambda *_: _stop.set())
    for host in hosts:
        threading.Thread(target=_connect_anew, args=(host, fresh), daemon=True).start()
    _write(dsn)


if __name__ == "__main__":
    main()
