"""The connections of one client: a bounded number, opened at a bounded pace, mistrusted together when one breaks."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import TYPE_CHECKING

import psycopg

from chaos.workload.session import Session

if TYPE_CHECKING:
    from collections.abc import Awaitable, Callable

_OPENING_MAX = 4
"""Attempts under way at one time: one that hangs on a silent host does not keep the others from trying."""
_PACE_S = 0.05
"""Between attempts while they fail, so that a hundred waiting clients do not become a storm of logins."""
_OPEN_DEADLINE_S = 10.0


class Pool:
    """Sessions to borrow. Order of service is order of asking."""

    def __init__(self, open_session: Callable[[], Awaitable[Session]], *, size: int) -> None:
        self._open_session = open_session
        self._size = size
        self._idle: deque[Session] = deque()
        self._borrowed: set[Session] = set()
        self._waiting: deque[asyncio.Future[Session]] = deque()
        self._opening: set[asyncio.Task[None]] = set()
        self._short = asyncio.Event()
        self._short.set()
        self._failing = False
        self._closed = False
        self.last_error = ""
        """Why the last attempt to connect failed; empty when it did not."""
        self._filler = asyncio.create_task(self._fill())

    @property
    def open_count(self) -> int:
        """Connections that are open."""
        return len(self._idle) + len(self._borrowed)

    @property
    def in_flight(self) -> int:
        """Connections that are at work."""
        return len(self._borrowed)

    @property
    def queued(self) -> int:
        """Operations that wait for a connection."""
        return len(self._waiting)

    async def borrow(self, *, patience_s: float) -> Session | None:
        """An idle session; None when none came within `patience_s`."""
        if self._closed:
            return None
        if self._idle:
            session = self._idle.popleft()
            self._borrowed.add(session)
            return session
        granted: asyncio.Future[Session] = asyncio.get_running_loop().create_future()
        self._waiting.append(granted)
        done, _ = await asyncio.wait({granted}, timeout=patience_s)
        if done and not granted.cancelled():
            return granted.result()
        granted.cancel()
        if granted in self._waiting:
            self._waiting.remove(granted)
        return None

    def give_back(self, session: Session) -> None:
        """Return a session that is fit for another operation."""
        self._borrowed.discard(session)
        self._offer(session)

    def give_up(self, session: Session) -> None:
        """Return a session that is not. The idle ones go with it: what broke one has most likely broken them all."""
        self._borrowed.discard(session)
        session.discard()
        while self._idle:
            self._idle.popleft().discard()
        self._short.set()

    def refuse_all(self) -> None:
        """Send away whoever waits for a connection, now and later."""
        self._closed = True
        for granted in self._waiting:
            granted.cancel()

    def abandon_all(self) -> None:
        """Break every operation that is under way; what they did is unknown."""
        for session in self._borrowed:
            session.abandon()

    async def close(self) -> None:
        """Refuse everyone, stop opening, and close what is idle."""
        self.refuse_all()
        tasks = [self._filler, *self._opening]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        while self._idle:
            self._idle.popleft().discard()

    async def _fill(self) -> None:
        while True:
            await self._short.wait()
            if self.open_count + len(self._opening) >= self._size:
                self._short.clear()
                continue
            if len(self._opening) >= _OPENING_MAX:
                await asyncio.wait(self._opening, return_when=asyncio.FIRST_COMPLETED)
            task = asyncio.create_task(self._open())
            self._opening.add(task)
            task.add_done_callback(self._opened)
            await asyncio.sleep(_PACE_S if self._failing else 0)

    async def _open(self) -> None:
        try:
            async with asyncio.timeout(_OPEN_DEADLINE_S):
                session = await self._open_session()
        except (psycopg.Error, OSError, TimeoutError) as error:
            self._failing = True
            self.last_error = str(error) or type(error).__name__
            return
        self._failing = False
        self.last_error = ""
        self._offer(session)

    def _opened(self, task: asyncio.Task[None]) -> None:
        self._opening.discard(task)
        self._short.set()

    def _offer(self, session: Session) -> None:
        if self._closed:
            session.discard()
            return
        while self._waiting:
            granted = self._waiting.popleft()
            if not granted.done():
                self._borrowed.add(session)
                granted.set_result(session)
                return
        self._idle.append(session)
