"""Requests outside, against a server that answers, refuses, drips, or says nothing."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from drctl.model.command import WebRequest
from drctl.model.errors import EffectUnknown, Unreachable
from drctl.outside.web import Web


@contextmanager
def server(answer: Callable[[socket.socket, bytes], None]) -> Iterator[str]:
    """A server that does with each connection what `answer` says, until all it is asked is over."""
    listener = socket.create_server(("127.0.0.1", 0))
    listener.settimeout(10.0)
    over = threading.Event()

    def serve() -> None:
        connection, _ = listener.accept()
        with connection:
            connection.settimeout(10.0)
            asked = b""
            while b"\r\n\r\n" not in asked:
                asked += connection.recv(65536)
            answer(connection, asked)
            over.wait(10.0)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        over.set()
        thread.join(10.0)
        listener.close()


def ask(url: str, *, body: str = "", deadline_s: float = 5.0) -> tuple[int, str]:
    request = WebRequest(method="POST" if body else "GET", url=url, body=body, content_type="application/json")
    answered = Web().request(request, key="lis-7/tell", deadline_s=deadline_s)
    return answered.status, answered.body


def says(text: str, seen: list[bytes] | None = None) -> Callable[[socket.socket, bytes], None]:
    def answer(connection: socket.socket, asked: bytes) -> None:
        if seen is not None:
            seen.append(asked)
        connection.sendall(text.replace("\n", "\r\n").encode())

    return answer


def test_a_request_says_what_the_playbook_says_and_which_run_it_is_of() -> None:
    seen: list[bytes] = []
    with server(says("HTTP/1.1 201 Created\nContent-Length: 2\n\nok", seen)) as url:
        assert ask(f"{url}/hooks/moved?to=越城".replace("越城", "yuecheng"), body='{"a": "朝晖"}') == (201, "ok")
    head, _, body = seen[0].partition(b"\r\n\r\n")
    assert head.startswith(b"POST /hooks/moved?to=yuecheng HTTP/1.1\r\n")
    assert b"Idempotency-Key: lis-7/tell" in head
    assert b"Content-Type: application/json; charset=utf-8" in head
    assert body in {b"", '{"a": "朝晖"}'.encode()}, "it may come in a packet of its own"


@pytest.mark.parametrize(
    "status", ["404 Not Found", "503 Service Unavailable", "302 Found\nLocation: http://127.0.0.1:1/"]
)
def test_any_status_is_an_answer_and_no_redirect_is_followed(status: str) -> None:
    with server(says(f"HTTP/1.1 {status}\nContent-Length: 0\n\n")) as url:
        assert ask(url) == (int(status[:3]), "")


def test_of_a_long_answer_the_beginning_is_kept() -> None:
    with server(says(f"HTTP/1.1 200 OK\nContent-Length: 900000\n\n{'x' * 900_000}")) as url:
        assert ask(url) == (200, "x" * 1000)


def test_nobody_there_is_known_to_have_changed_nothing() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    with pytest.raises(Unreachable, match=f"127.0.0.1:{port} cannot be reached"):
        ask(f"http://127.0.0.1:{port}/")


def test_silence_after_the_request_is_an_unknown_effect_at_the_deadline() -> None:
    with server(lambda _connection, _asked: None) as url:
        began_s = time.monotonic()
        with pytest.raises(EffectUnknown, match="was sent a GET and did not answer"):
            ask(url, deadline_s=0.5)
        assert 0.4 < time.monotonic() - began_s < 3.0


def test_an_answer_that_drips_is_cut_at_the_deadline_and_its_status_counts() -> None:
    def drip(connection: socket.socket, _: bytes) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n")
        end_s = time.monotonic() + 8.0
        while time.monotonic() < end_s:
            try:
                connection.sendall(b"x")
            except OSError:
                return
            threading.Event().wait(0.1)

    with server(drip) as url:
        began_s = time.monotonic()
        status, body = ask(url, deadline_s=0.7)
        assert (status, set(body)) == (200, {"x"})
        assert time.monotonic() - began_s < 4.0


def test_what_is_no_http_is_an_unknown_effect() -> None:
    with server(says("220 mail.lis.example ESMTP\n")) as url, pytest.raises(EffectUnknown):
        ask(url)
