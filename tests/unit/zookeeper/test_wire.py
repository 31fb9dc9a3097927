from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator

import pytest
from kazoo.handlers.threading import KazooTimeoutError

from drctl.zookeeper.wire import Handler, Wire

GREETING = struct.pack("!iiiq", 36, 0, 2000, 7)


class Clock:
    def __init__(self) -> None:
        self.at_s = 100.0

    def __call__(self) -> float:
        return self.at_s


@pytest.fixture
def server() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        yield listening


def connect(handler: Handler, server: socket.socket) -> tuple[socket.socket, socket.socket]:
    wire = handler.create_connection(server.getsockname(), timeout=1.0, use_ssl=False)
    return wire, server.accept()[0]


def test_the_granted_session_timeout_is_read_from_the_servers_greeting_however_it_is_cut(server: socket.socket):
    handler = Handler(session_timeout_s=2.0, now_s=Clock())
    wire, far = connect(handler, server)
    with wire, far:
        far.sendall(GREETING)
        assert handler.wire is not None
        for _ in range(3):
            assert handler.wire.granted_timeout_s is None
            wire.recv(4)
        assert handler.wire.granted_timeout_s == 2.0


def test_a_silent_server_is_a_broken_connection_even_when_there_is_always_something_to_send(server: socket.socket):
    clock = Clock()
    handler = Handler(session_timeout_s=2.0, now_s=clock)
    wire, far = connect(handler, server)
    waker, woken = socket.socketpair()
    with wire, far, waker, woken:
        waker.send(b"x")
        assert handler.select([wire, woken], [], [], 5.0)[0] == [woken]
        clock.at_s += 1.0
        with pytest.raises(KazooTimeoutError, match="silent"):
            handler.select([wire, woken], [], [], 5.0)


def greeted(handler: Handler, server: socket.socket) -> tuple[Wire, socket.socket]:
    """A connection that was granted two seconds."""
    wire, far = connect(handler, server)
    far.sendall(GREETING)
    wire.recv(len(GREETING))
    assert isinstance(wire, Wire)
    return wire, far


def test_what_a_server_said_while_this_process_was_slow_is_heard_first(server: socket.socket):
    clock = Clock()
    handler = Handler(session_timeout_s=2.0, now_s=clock)
    wire, far = greeted(handler, server)
    with wire, far:
        far.sendall(b"x")
        clock.at_s += 1.9
        assert handler.select([wire], [], [], 5.0)[0] == [wire]
        wire.recv(1)
        assert wire.heard_at_s == clock.at_s


def test_what_a_server_said_while_this_process_slept_for_a_session_is_no_sign_of_one(server: socket.socket):
    clock = Clock()
    handler = Handler(session_timeout_s=2.0, now_s=clock)
    wire, far = greeted(handler, server)
    with wire, far:
        heard_at_s = wire.heard_at_s
        far.sendall(b"xy")
        clock.at_s += 2.0
        assert handler.select([wire], [], [], 5.0)[0] == [wire]
        for _ in range(2):
            with pytest.raises(OSError, match="as long as a session lives"):
                wire.recv(1)
        assert wire.heard_at_s == heard_at_s


def test_a_silence_is_noticed_when_it_is_too_long_and_not_after_kazoos_own_wait(server: socket.socket):
    handler = Handler(session_timeout_s=0.2, now_s=time.monotonic)
    wire, far = connect(handler, server)
    with wire, far:
        began_s = time.monotonic()
        with pytest.raises(KazooTimeoutError):
            handler.select([wire], [], [], 5.0)
        assert 0.05 < time.monotonic() - began_s < 5.0


def test_a_host_that_did_not_answer_a_moment_ago_is_skipped_for_a_moment(monkeypatch: pytest.MonkeyPatch):
    clock = Clock()
    handler = Handler(session_timeout_s=2.0, now_s=clock)
    tried: list[tuple[str, int]] = []

    def silent(_: socket.socket, address: tuple[str, int]) -> None:
        tried.append(address)
        raise TimeoutError("timed out")

    monkeypatch.setattr(socket.socket, "connect", silent)
    address = ("192.0.2.1", 2181)
    for expected in (1, 1):
        with pytest.raises(TimeoutError):
            handler.create_connection(address, timeout=2.0)
        assert len(tried) == expected
    clock.at_s += 1.5
    with pytest.raises(TimeoutError):
        handler.create_connection(address, timeout=2.0)
    assert len(tried) == 2


def test_on_the_way_home_no_other_server_is_connected_to_for_a_moment(server: socket.socket):
    clock = Clock()
    handler = Handler(session_timeout_s=2.0, now_s=clock)
    handler.go_home(("127.0.0.1", 1))  # without a connection there is nothing to leave
    wire, far = connect(handler, server)
    with wire, far, socket.create_server(("127.0.0.1", 0)) as home:
        handler.go_home(home.getsockname())
        assert wire.recv(1) == b""
        with pytest.raises(OSError, match="preferred"):
            handler.create_connection(server.getsockname(), timeout=1.0)
        handler.create_connection(home.getsockname(), timeout=1.0).close()
        handler.create_connection(server.getsockname(), timeout=1.0).close()
        connect(handler, server)[1].close()
        assert handler.wire is not None
        with handler.wire:
            handler.go_home(home.getsockname())
        clock.at_s += 2.0
        handler.create_connection(server.getsockname(), timeout=1.0).close()


def test_a_host_that_refuses_is_tried_again_at_once(server: socket.socket):
    handler = Handler(session_timeout_s=2.0, now_s=Clock())
    address = server.getsockname()
    server.close()
    for _ in range(2):
        with pytest.raises(ConnectionRefusedError):
            handler.create_connection(address, timeout=1.0)
