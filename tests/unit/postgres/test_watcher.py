"""Connections that break while nobody uses them."""

from __future__ import annotations

import select
import socket
import threading
import time
from collections.abc import Callable
from queue import Empty, Queue

import pytest

from drctl.model.identity import MemberName
from drctl.postgres.line import Line
from drctl.postgres.watcher import Watcher
from tests.unit.postgres.nouns import a_member


class Link:
    """Stands for a connection: a socket whose other end the test holds."""

    def __init__(self) -> None:
        self._ours, self.theirs = socket.socketpair()
        self.socket = self._ours.fileno()
        self.closed = threading.Event()

    @property
    def broken(self) -> bool:
        poll = select.poll()
        poll.register(self._ours, select.POLLRDHUP)
        return bool(poll.poll(0))

    def close(self) -> None:
        self._ours.close()
        self.closed.set()

    def end(self) -> None:
        self._ours.close()
        self.theirs.close()


@pytest.fixture
def links():
    made: list[Link] = []
    yield made
    for link in made:
        link.end()


@pytest.fixture
def told():
    return Queue()


@pytest.fixture
def watcher(told: Queue[MemberName]):
    made = Watcher()
    made.start(told.put)
    yield made
    made.close(deadline_s=5.0)


@pytest.fixture
def connect(watcher: Watcher, links: list[Link]) -> Callable[[Line], Link]:
    def connected(line: Line) -> Link:
        links.append(Link())
        line.connection = links[-1]  # type: ignore[assignment]
        watcher.arm(line, links[-1])  # type: ignore[arg-type]
        return links[-1]

    return connected


@pytest.fixture
def line() -> Line:
    return Line(a_member())


def test_the_end_of_an_idle_connection_is_told_once_and_at_once(connect, line, told):
    link = connect(line)
    began_s = time.monotonic()
    link.theirs.close()
    assert told.get(timeout=5) == line.member.name
    assert time.monotonic() - began_s < 1.0
    assert link.closed.is_set()
    assert line.connection is None
    with pytest.raises(Empty):
        told.get(timeout=0.05)


def test_an_answer_is_none_of_its_business(connect, line, told):
    link = connect(line)
    link.theirs.send(b"an answer")
    with pytest.raises(Empty):
        told.get(timeout=0.05)
    assert line.connection is link
    link.theirs.close()
    assert told.get(timeout=5) == line.member.name


def test_a_break_in_the_middle_of_a_call_is_left_to_the_call(connect, line, told):
    link = connect(line)
    with line.held(1.0):
        link.theirs.close()
        with pytest.raises(Empty):
            told.get(timeout=0.05)
        line.drop()
    with pytest.raises(Empty):
        told.get(timeout=0.05)


def test_a_break_that_the_call_did_not_notice_is_told_after_it(connect, line, told):
    link = connect(line)
    with line.held(1.0):
        link.theirs.close()
        with pytest.raises(Empty):
            told.get(timeout=0.05)
    assert told.get(timeout=5) == line.member.name


def test_a_connection_that_was_replaced_is_watched_instead_of_the_old_one(connect, line, told):
    connect(line)
    for _ in range(50):  # the kernel gives the same number again
        line.drop()
        link = connect(line)
    with pytest.raises(Empty):
        told.get(timeout=0.05)
    link.theirs.close()
    assert told.get(timeout=5) == line.member.name


def test_a_watcher_that_was_never_started_closes():
    watcher = Watcher()
    for _ in range(2):
        watcher.close(deadline_s=1.0)
