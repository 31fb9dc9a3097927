"""The synced ledger of one client: an operation is sent only after its intent is on disk."""

from __future__ import annotations

import asyncio
import os
import threading
import time
from typing import TYPE_CHECKING, Self

from chaos.workload.codec import decode, encode
from chaos.workload.record import Attempt, Header, History, Intent, Outcome

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

_OUTCOME_SYNC_S = 0.05
"""How long an outcome may wait for company. An acknowledgement that is lost here counts as unknown."""
_CLOSE_S = 10.0


class LedgerWriter:
    """Appends lines in one thread, many to a sync.

    While one sync is under way the next batch gathers, so the disk sets the size of the batch.
    """

    def __init__(self, path: Path, header: Header) -> None:
        self._loop = asyncio.get_running_loop()
        self._file = os.open(path, os.O_CREAT | os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC, 0o644)
        _sync_folder(path.parent)
        self._wake = threading.Condition()
        self._lines: list[bytes] = []
        self._waiters: list[asyncio.Future[None]] = []
        self._closing = False
        self._error: OSError | None = None
        self.syncs = 0
        """How often the disk was asked, for the measure of its cost."""
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._append(encode(header))
        self._thread.start()

    async def intend(self, intent: Intent) -> None:
        """Return when the intent is on disk. Raises OSError when the disk refused it: then nothing may be sent."""
        line = encode(intent)
        synced: asyncio.Future[None] = self._loop.create_future()
        with self._wake:
            if self._error is not None:
                raise self._error
            self._lines.append(line)
            self._waiters.append(synced)
            self._wake.notify()
        await synced

    def conclude(self, outcome: Outcome) -> None:
        """Record how an operation ended; synced soon after."""
        self._append(encode(outcome))

    def close(self) -> None:
        """Sync what is left and close the file. Raises OSError when something could not be written."""
        with self._wake:
            self._closing = True
            self._wake.notify()
        self._thread.join(_CLOSE_S)
        if self._thread.is_alive():
            raise OSError(f"the ledger could not be synced within {_CLOSE_S:g} s")
        os.close(self._file)
        if self._error is not None:
            raise self._error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _append(self, line: bytes) -> None:
        with self._wake:
            self._lines.append(line)
            self._wake.notify()

    def _run(self) -> None:
        closing = False
        while not closing:
            lines, waiters, closing = self._next_batch()
            if self._error is None:
                try:
                    _write_all(self._file, b"".join(lines))
                    os.fdatasync(self._file)
                except OSError as error:
                    # For good: what a failed sync has dropped, no later sync brings back.
                    self._error = error
            self.syncs += 1
            if waiters:
                self._loop.call_soon_threadsafe(self._release, waiters)

    def _next_batch(self) -> tuple[list[bytes], list[asyncio.Future[None]], bool]:
        """What has gathered. Outcomes alone wait a little for an intent to share its sync."""
        with self._wake:
            while not self._lines and not self._closing:
                self._wake.wait()
            patience_s = time.monotonic() + _OUTCOME_SYNC_S
            while not self._waiters and not self._closing:
                left_s = patience_s - time.monotonic()
                if left_s <= 0:
                    break
                self._wake.wait(left_s)
            lines, waiters = self._lines, self._waiters
            self._lines, self._waiters = [], []
            return lines, waiters, self._closing

    def _release(self, waiters: list[asyncio.Future[None]]) -> None:
        for waiter in waiters:
            if waiter.done():
                continue
            if self._error is None:
                waiter.set_result(None)
            else:
                waiter.set_exception(self._error)


def read_ledger(path: Path) -> tuple[Header, tuple[Attempt, ...]]:
    """One client's ledger. A torn last line, as a crash leaves it, is ignored; any other damage raises ValueError."""
    lines = path.read_bytes().split(b"\n")
    lines.pop()  # What follows the last newline: nothing, or a torn line.
    if not lines:
        raise ValueError(f"the ledger {path} is empty: its client never started")
    header = decode(lines[0])
    if not isinstance(header, Header):
        raise ValueError(f"the ledger {path} does not begin with a header")  # noqa: TRY004 - damage, not a wrong type
    intents: list[Intent] = []
    outcomes: dict[str, Outcome] = {}
    for number, line in enumerate(lines[1:], start=2):
        match decode(line):
            case Intent() as intent:
                intents.append(intent)
            case Outcome() as outcome:
                outcomes[outcome.op] = outcome
            case Header():
                raise ValueError(
                    f"the ledger {path} has a second header in line {number}: two clients wrote to one file"
                )
    attempts = tuple(
        Attempt(client=header.client, pinned=header.pinned, intent=intent, told=outcomes.pop(intent.op, None))
        for intent in intents
    )
    if outcomes:
        raise ValueError(f"the ledger {path} has an outcome without an intent: {next(iter(outcomes))}")
    return header, attempts


def read_history(paths: Iterable[Path]) -> History:
    """What several clients did, in the order of arrival."""
    ledgers = [read_ledger(path) for path in paths]
    attempts = sorted((attempt for _, some in ledgers for attempt in some), key=lambda attempt: attempt.intent.at_ns)
    return History(headers=tuple(header for header, _ in ledgers), attempts=tuple(attempts))


def _sync_folder(folder: Path) -> None:
    """A file that is synced can still be lost with its name."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _write_all(file: int, data: bytes) -> None:
    while data:
        data = data[os.write(file, data) :]
