"""The load of one client: open loop, at a fixed rate, whatever the database does."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

import psycopg

from chaos.workload.generator import MIX, Birth, Generator, about
from chaos.workload.judge import READ_ONLY_SQLSTATE, cut, judge_error, judge_success
from chaos.workload.ledger import LedgerWriter
from chaos.workload.operation import (
    READ_ONLY_KINDS,
    Append,
    Kind,
    Operation,
    OpId,
    RegisterCas,
    RegisterRead,
    RegisterWrite,
    kind_of,
)
from chaos.workload.pool import Pool
from chaos.workload.progress import Meter
from chaos.workload.record import Header, Intent, Outcome, OutcomeClass
from chaos.workload.session import Endurance, Session, with_endurance

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    from chaos.workload.progress import Snapshot

PEAK_RATE_PER_S = 111.0
"""The hospital's peak: 400,000 accesses an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What one client does."""

    dsn: str
    """A libpq connection string; several hosts and `target_session_attrs=read-write` for a client of the service."""
    ledger: Path
    client: str
    seed: int = 1
    rate_per_s: float = PEAK_RATE_PER_S
    seconds: float | None = None
    """None: until it is told to stop."""
    connections: int = 16
    pinned: str | None = None
    """The member that a pinned reader asks; its mix must hold no writes."""
    mix: Mapping[Kind, int] = field(default_factory=lambda: MIX)
    endurance: Endurance = field(default_factory=Endurance)
    operation_timeout_s: float = 2.0
    """After this the client closes the connection and does not know."""
    queue_timeout_s: float = 1.0
    """After this an operation that found no connection is refused: it was never sent."""
    drain_s: float = 2.0
    progress_s: float = 1.0
    prepares: bool = True
    """Whether statements are prepared; a pool between transactions does not bear it."""


async def run_load(plan: Plan, stop: asyncio.Event, report: Callable[[Snapshot], None]) -> Snapshot:
    """Run until the time is over or `stop` is set; every operation that was begun is concluded in the ledger.

    Raises OSError when the ledger cannot be written: without it nothing may be sent.
    """
    if plan.pinned is not None and any(kind not in READ_ONLY_KINDS for kind, weight in plan.mix.items() if weight):
        raise ValueError("a pinned reader must not write: its member may be a standby")
    return await _Client(plan, stop, report).run()


class _Client:
    def __init__(self, plan: Plan, stop: asyncio.Event, report: Callable[[Snapshot], None]) -> None:
        self._plan = plan
        self._stop = stop
        self._report = report
        self._birth = Birth(client=plan.client, seed=plan.seed, at=datetime.now().astimezone())
        self._generator = Generator(self._birth, plan.mix)
        self._meter = Meter(plan.client)
        self._attempts: set[asyncio.Task[None]] = set()
        self._begun = 0
        self._broken: BaseException | None = None

    async def run(self) -> Snapshot:
        plan = self._plan
        dsn = with_endurance(plan.dsn, plan.endurance, application_name=f"lis-client-{plan.client}")
        header = Header(
            client=plan.client,
            run=self._birth.run,
            pinned=plan.pinned,
            seed=plan.seed,
            rate_per_s=plan.rate_per_s,
            wall_s=time.time(),
            mono_ns=time.monotonic_ns(),
        )
        with LedgerWriter(plan.ledger, header) as ledger:
            pool = Pool(lambda: Session.open(dsn, prepares=plan.prepares), size=plan.connections)
            progress = asyncio.create_task(self._report_often(ledger, pool))
            try:
                await self._arrive(ledger, pool)
                await self._drain(pool)
            finally:
                progress.cancel()
                await pool.close()
        if self._broken is not None:
            raise self._broken
        return self._meter.snapshot(pool, syncs=ledger.syncs)

    async def _arrive(self, ledger: LedgerWriter, pool: Pool) -> None:
        """Begin operations on a fixed schedule: a late one does not put off those after it."""
        loop = asyncio.get_running_loop()
        start_s = loop.time()
        while not self._stop.is_set():
            due_s = start_s + self._begun / self._plan.rate_per_s
            if self._plan.seconds is not None and due_s - start_s >= self._plan.seconds:
                return
            wait_s = due_s - loop.time()
            if wait_s > 0 and await _is_set_within(self._stop, wait_s):
                return
            self._begun += 1
            op = OpId(f"{self._birth.run}.{self._begun}")
            task = asyncio.create_task(self._attempt(ledger, pool, op, self._generator.next()))
            self._attempts.add(task)
            task.add_done_callback(self._conclude)

    def _conclude(self, task: asyncio.Task[None]) -> None:
        """Whatever an attempt does not expect ends the load: without a ledger, or with a fault of ours, it proves nothing."""
        self._attempts.discard(task)
        error = None if task.cancelled() else task.exception()
        if error is not None:
            self._broken = self._broken or error
            self._stop.set()

    async def _drain(self, pool: Pool) -> None:
        """Let what is under way end; break what does not, so that it is concluded as unknown."""
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=self._plan.drain_s)
        pool.refuse_all()
        pool.abandon_all()
        if self._attempts:
            await asyncio.wait(self._attempts, timeout=self._plan.drain_s)

    async def _attempt(self, ledger: LedgerWriter, pool: Pool, op: OpId, operation: Operation) -> None:
        kind = kind_of(operation)
        intent = Intent(
            op=op,
            kind=kind,
            at_ns=time.monotonic_ns(),
            wall_s=time.time(),
            about=about(operation),
            call=operation if isinstance(operation, Append | RegisterCas | RegisterRead | RegisterWrite) else None,
        )
        await ledger.intend(intent)
        session = await pool.borrow(patience_s=self._plan.queue_timeout_s)
        if session is None:
            outcome = _refused(op, pool.last_error)
        else:
            outcome = await self._send(pool, session, op, operation)
        ledger.conclude(outcome)
        self._meter.count(intent, outcome)

    async def _send(self, pool: Pool, session: Session, op: OpId, operation: Operation) -> Outcome:
        deadline = asyncio.get_running_loop().call_later(self._plan.operation_timeout_s, session.abandon)
        sent_ns = time.monotonic_ns()
        try:
            reply = await session.perform(op, operation)
        except (psycopg.Error, OSError) as error:
            done_ns = time.monotonic_ns()
            sqlstate = error.sqlstate if isinstance(error, psycopg.Error) else None
            if sqlstate != READ_ONLY_SQLSTATE and await session.recover():
                pool.give_back(session)
            else:
                pool.give_up(session)
            deadline.cancel()
            return Outcome(
                op=op,
                outcome=judge_error(error),
                sent_ns=sent_ns,
                done_ns=done_ns,
                wall_s=time.time(),
                wrote=False,
                served=session.served(None),
                seen=None,
                sqlstate=sqlstate,
                text=cut(str(error)),
            )
        done_ns = time.monotonic_ns()
        deadline.cancel()
        outcome = Outcome(
            op=op,
            outcome=judge_success(session.notices),
            sent_ns=sent_ns,
            done_ns=done_ns,
            wall_s=time.time(),
            wrote=reply.wrote,
            served=session.served(reply.place),
            seen=reply.seen,
            sqlstate=None,
            text=cut("; ".join(notice.text for notice in session.notices)),
        )
        pool.give_back(session)
        return outcome

    async def _report_often(self, ledger: LedgerWriter, pool: Pool) -> None:
        while True:
            await asyncio.sleep(self._plan.progress_s)
            self._report(self._meter.snapshot(pool, syncs=ledger.syncs))


async def _is_set_within(event: asyncio.Event, wait_s: float) -> bool:
    try:
        async with asyncio.timeout(wait_s):
            return await event.wait()
    except TimeoutError:
        return False


def _refused(op: OpId, why: str) -> Outcome:
    return Outcome(
        op=op,
        outcome=OutcomeClass.FAILED,
        sent_ns=None,
        done_ns=time.monotonic_ns(),
        wall_s=time.time(),
        wrote=False,
        served=None,
        seen=None,
        sqlstate=None,
        text=cut(f"no connection: {why}" if why else "no connection was free"),
    )
