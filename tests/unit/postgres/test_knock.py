"""Why is there no session? Asked of servers that say little."""

from __future__ import annotations

import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from drctl.model.report import Reachability
from drctl.postgres.knock import error_fields, knock, startup_packet


@contextmanager
def listening(answer: Callable[[socket.socket], None]) -> Iterator[int]:
    """A port where each connection is answered so, and closed."""
    server = socket.create_server(("127.0.0.1", 0))

    def serve() -> None:
        while True:
            try:
                link, _ = server.accept()
            except OSError:
                return
            with link:
                answer(link)

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield server.getsockname()[1]
    finally:
        server.shutdown(socket.SHUT_RDWR)
        server.close()
        thread.join(5)


def asked(port: int, deadline_s: float = 1.0):
    return knock("127.0.0.1", port, user="drctl", dbname="postgres", end_s=time.monotonic() + deadline_s)


def an_error(sqlstate: str, message: str) -> bytes:
    body = b"".join(f"{field}\0".encode() for field in ("SFATAL", "VFATAL", f"C{sqlstate}", f"M{message}")) + b"\0"
    return b"E" + struct.pack("!I", len(body) + 4) + body


def saying(*parts: bytes) -> Callable[[socket.socket], None]:
    def answer(link: socket.socket) -> None:
        link.recv(1024)
        for part in parts:
            link.sendall(part)

    return answer


def reset(link: socket.socket) -> None:
    link.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def test_a_port_where_nothing_listens_refuses():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    assert asked(port).reachability is Reachability.REFUSED


@pytest.mark.parametrize("message", ["the database system is starting up", "数据库系统启动中"])
def test_a_server_that_takes_no_sessions_yet_is_starting_in_any_language(message):
    with listening(saying(an_error("57P03", message))) as port:
        found = asked(port)
    assert (found.reachability, found.detail) == (Reachability.STARTING, message)


def test_an_error_that_comes_in_pieces_is_read_to_its_end():
    said = an_error("57P03", "starting")
    with listening(saying(said[:3], said[3:20], said[20:])) as port:
        assert asked(port).reachability is Reachability.STARTING


@pytest.mark.parametrize(
    "said", [an_error("53300", "sorry, too many clients already"), b"R" + struct.pack("!II", 8, 5) + b"salt"]
)
def test_a_server_that_objects_to_us_or_asks_for_a_password_is_there(said):
    with listening(saying(said)) as port:
        assert asked(port).reachability is Reachability.FAULTY


@pytest.mark.parametrize("answer", [reset, lambda link: None])
def test_a_port_that_drops_every_connection_without_a_word_is_as_good_as_refused(answer):
    with listening(answer) as port:
        found = asked(port)
    assert found.reachability is Reachability.REFUSED
    assert "drops every connection" in found.detail


def test_a_frozen_server_is_silent_and_its_deadline_holds():
    with socket.create_server(("127.0.0.1", 0)) as server:  # the kernel takes the connection, nobody accepts it
        began_s = time.monotonic()
        found = asked(server.getsockname()[1], 0.2)
    assert found.reachability is Reachability.SILENT
    assert 0.15 < time.monotonic() - began_s < 1.0


def test_a_server_that_stops_in_the_middle_of_its_answer_is_silent():
    ends = threading.Event()

    def half(link: socket.socket) -> None:
        link.recv(1024)
        link.sendall(an_error("57P03", "starting")[:9])
        ends.wait(5)

    with listening(half) as port:
        found = asked(port, 0.2)
        ends.set()
    assert found.reachability is Reachability.SILENT


def test_a_deadline_that_has_passed_is_not_begun():
    assert asked(1, -1.0).reachability is Reachability.SILENT


def test_a_server_that_talks_without_end_is_not_listened_to_without_end():
    endless = b"E" + struct.pack("!I", 1 << 30) + b"C57P03\0" + b"M" + b"x" * 100_000
    with listening(saying(endless)) as port:
        assert asked(port).reachability in {Reachability.STARTING, Reachability.FAULTY, Reachability.SILENT}


def test_a_startup_packet_is_as_the_protocol_says():
    packet = startup_packet("drctl", "postgres")
    length, version = struct.unpack("!II", packet[:8])
    assert (length, version) == (len(packet), 3 << 16)
    assert packet[8:] == b"user\0drctl\0database\0postgres\0\0"


@pytest.mark.parametrize("message", [b"", b"R", b"E", b"Exx", b"N\0\0\0\5x"])
def test_what_is_no_error_has_no_fields(message):
    assert error_fields(message) == {}
