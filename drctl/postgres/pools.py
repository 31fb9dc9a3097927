"""The Pools port: PgBouncers, told through their admin consoles, all at the same time and none longer than allowed."""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from threading import Event

from drctl.model.command import PoolWord, TellPools
from drctl.model.evidence import PoolsTold
from drctl.model.topology import Address, Pool
from drctl.postgres.connection import CannotConnect, Connection, NoAnswer, ServerError
from drctl.postgres.line import CAREFUL_PARAMETERS, Account
from drctl.postgres.names import Names

CONNECT_SHARE = 0.3
"""Of the deadline, for reaching the consoles: nobody is paused before, so that a dead pool keeps no client waiting."""
CONNECT_MAX_S = 0.4
ROUTE_POLL_S = 0.03
RESUME_RESERVE_S = 0.5
"""Kept for the word itself, when a route leads nowhere."""
CONSOLE = "pgbouncer"
_ALREADY = {PoolWord.PAUSE: "already", PoolWord.RESUME: "not paused"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Outcome:
    pool: Pool
    why: str = ""
    """Why it is not certain that the word was heeded; empty when it was."""
    sent: bool = True
    """Whether the word may have reached the pool."""


class PgBouncers:
    """Consoles are opened anew for each word: a switchover is rare, and a stale session would cost its time."""

    def __init__(self, *, account: Account, console: Account) -> None:
        """`account` looks through the pools' routes, `console` is who may say the words."""
        self._account = account
        self._console = console
        self._names = Names()

    def tell(self, command: TellPools, *, deadline_s: float) -> PoolsTold:
        """Tell all of them at the same time."""
        end_s = time.monotonic() + deadline_s
        workers = ThreadPoolExecutor(2 * max(1, len(command.pools)), thread_name_prefix="pools")
        stop = Event()
        try:
            if command.word is PoolWord.PAUSE:
                outcomes = self._pause(command.pools, workers, end_s, deadline_s)
            else:
                told = {pool: workers.submit(self._resume, pool, end_s, stop) for pool in command.pools}
                outcomes = [_taken(pool, future, end_s) for pool, future in told.items()]
        finally:
            stop.set()
            workers.shutdown(wait=False, cancel_futures=True)
        return PoolsTold(
            word=command.word,
            done=tuple(each.pool.name for each in outcomes if not each.why),
            unsure=tuple(f"{each.pool.name} ({each.why})" for each in outcomes if each.why and each.sent),
            away=tuple(f"{each.pool.name} ({each.why})" for each in outcomes if each.why and not each.sent),
        )

    def _pause(
        self, pools: tuple[Pool, ...], workers: ThreadPoolExecutor, end_s: float, deadline_s: float
    ) -> list[_Outcome]:
        reach_s = end_s - deadline_s + min(CONNECT_MAX_S, deadline_s * CONNECT_SHARE)
        opening = {pool: workers.submit(self._open, pool, reach_s) for pool in pools}
        wait(opening.values(), timeout=max(0.0, reach_s - time.monotonic()))
        told: dict[Pool, Future[_Outcome]] = {}
        outcomes: list[_Outcome] = []
        for pool, future in opening.items():
            found = future.result() if future.done() else "does not answer"
            if isinstance(found, str):
                outcomes.append(_Outcome(pool=pool, why=found, sent=False))
            else:
                told[pool] = workers.submit(_say, found, pool, PoolWord.PAUSE, end_s)
        return outcomes + [_taken(pool, future, end_s) for pool, future in told.items()]

    def _resume(self, pool: Pool, end_s: float, stop: Event) -> _Outcome:
        if pool.route is not None:
            # A connection that the pool opens too early would fail, and its clients with it.
            self._await_primary(pool.route, end_s - RESUME_RESERVE_S, stop)
        found = self._open(pool, end_s)
        if isinstance(found, str):
            return _Outcome(pool=pool, why=found, sent=False)
        return _say(found, pool, PoolWord.RESUME, end_s)

    def _await_primary(self, route: Address, end_s: float, stop: Event) -> None:
        while time.monotonic() < end_s:
            try:
                connection = Connection.open(self._parameters(route, self._account, end_s), end_s=end_s)
            except (CannotConnect, NoAnswer, OSError):
                stop.wait(ROUTE_POLL_S)
                continue
            try:
                if connection.query("SELECT pg_is_in_recovery()", end_s=end_s) == [("f",)]:
                    return
            except (NoAnswer, ServerError):
                pass
            finally:
                connection.close()
            stop.wait(ROUTE_POLL_S)

    def _open(self, pool: Pool, end_s: float) -> Connection | str:
        """A console; or why there is none."""
        try:
            return Connection.open(self._parameters(pool.address, self._console, end_s), end_s=end_s)
        except (CannotConnect, NoAnswer) as error:
            return error.message
        except OSError as error:
            return str(error)

    def _parameters(self, address: Address, account: Account, end_s: float) -> Mapping[str, str]:
        return {
            **CAREFUL_PARAMETERS,
            "host": address.host,
            "hostaddr": self._names.address(address.host, end_s=end_s),
            "port": str(address.port),
            "user": account.user,
            "password": account.password or "",
            "dbname": account.dbname,
            "sslmode": account.sslmode,
            "application_name": "drctl",
        }


def _say(connection: Connection, pool: Pool, word: PoolWord, end_s: float) -> _Outcome:
    try:
        for statement in _statements(pool, word):
            try:
                connection.command(statement, end_s=end_s)
            except ServerError as error:
                if _ALREADY[word] not in error.message:
                    return _Outcome(pool=pool, why=error.message)
    except NoAnswer as error:
        return _Outcome(pool=pool, why=error.message)
    finally:
        connection.close()
    return _Outcome(pool=pool)


def _statements(pool: Pool, word: PoolWord) -> Iterable[str]:
    return [f"{word.upper()} {name}" for name in pool.databases] or [word.upper()]


def _taken(pool: Pool, future: Future[_Outcome], end_s: float) -> _Outcome:
    wait([future], timeout=max(0.05, end_s - time.monotonic() + 0.05))
    return future.result() if future.done() else _Outcome(pool=pool, why="does not answer")
