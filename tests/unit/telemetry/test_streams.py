"""The server under listeners that stay."""

from __future__ import annotations

import socket
import time
from collections.abc import Mapping

import pytest

from drctl.model.topology import Address
from drctl.telemetry import http as server_module
from drctl.telemetry.answers import Answer
from drctl.telemetry.http import HttpServer

ORIGIN = "http://10.77.0.12:8008"


class Files:
    """Answers with something that a browser may keep."""

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        return Answer(status=200, body=b"words", content_type="text/css", headers=(("X-Kind", "file"),), etag='"1"')


class Ticker:
    """A stream that always has something to say."""

    def __init__(self) -> None:
        self.said = 0

    def due(self) -> bytes:
        self.said += 1
        return b"event: beat\ndata: %d\n\n" % self.said


@pytest.fixture
def server():
    serving = HttpServer(
        Address(host="127.0.0.1", port=0),
        Files(),
        key="centers.zhaohui.http",
        streams={"/events": Ticker},
        origins=[ORIGIN],
    )
    serving.start()
    yield serving
    serving.close(deadline_s=5.0)


def connect(server):
    return socket.create_connection(("127.0.0.1", server.port), timeout=5.0)


def ask(server, *lines):
    with connect(server) as client:
        client.sendall("\r\n".join([*lines, "Connection: close", "", ""]).encode())
        told = b""
        while chunk := client.recv(65536):
            told += chunk
    head, _, body = told.partition(b"\r\n\r\n")
    return head.decode().split("\r\n"), body


def listen(server):
    client = connect(server)
    client.sendall(b"GET /events HTTP/1.1\r\n\r\n")
    return client


def hear(client, words):
    told = b""
    while words not in told:
        chunk = client.recv(65536)
        assert chunk, told
        told += chunk
    return told


def test_a_stream_goes_on_until_the_listener_leaves_and_frees_its_place(server, monkeypatch):
    monkeypatch.setattr(server_module, "STREAMS_MAX", 1)
    first = listen(server)
    told = hear(first, b"data: 3\n\n")
    assert b"Content-Type: text/event-stream\r\n" in told
    assert b"Content-Length" not in told
    head, _ = ask(server, "GET /events HTTP/1.1")
    assert head[0] == "HTTP/1.1 503 Service Unavailable", "one listener too many goes to another controller"
    assert ask(server, "GET /cluster HTTP/1.1")[1] == b"words", "the bound is that of streams alone"
    first.close()
    deadline_s = time.monotonic() + 5.0
    while time.monotonic() < deadline_s:
        with listen(server) as second:
            if b" 200 OK" in second.recv(65536):
                return
    pytest.fail("the place of a listener that left stays taken")


def test_listeners_do_not_hold_up_answers(server):
    listeners = [listen(server) for _ in range(server_module.STREAMS_MAX)]
    for client in listeners:
        hear(client, b"data: 1\n\n")
    took_s = []
    for _ in range(20):
        begun_s = time.perf_counter()
        ask(server, "GET /cluster HTTP/1.1")
        took_s.append(time.perf_counter() - begun_s)
    for client in listeners:
        client.close()
    assert sorted(took_s)[10] < 0.02


def test_a_listener_that_reads_nothing_is_dropped(server, monkeypatch):
    monkeypatch.setattr(server_module, "WRITE_TIMEOUT_S", 0.2)
    monkeypatch.setattr(server_module, "STREAM_PACE_S", 0.0)
    monkeypatch.setattr(Ticker, "due", lambda _: b"x" * 1_000_000)
    with listen(server) as deaf:
        deaf.settimeout(10.0)
        deadline_s = time.monotonic() + 10.0
        while server._streams == 0 and time.monotonic() < deadline_s:
            pass
        while server._streams and time.monotonic() < deadline_s:
            pass
        assert server._streams == 0


def test_closing_ends_the_streams(server):
    client = listen(server)
    hear(client, b"data: 1\n\n")
    begun_s = time.monotonic()
    server.close(deadline_s=5.0)
    assert time.monotonic() - begun_s < 2.0
    client.close()


def test_heads_of_a_stream_are_answered_without_one(server):
    head, body = ask(server, "HEAD /events HTTP/1.1")
    assert (head[0], body) == ("HTTP/1.1 200 OK", b"")


def test_pages_of_the_other_controllers_may_read_and_others_may_not(server):
    allowed = f"Access-Control-Allow-Origin: {ORIGIN}"
    assert allowed in ask(server, "GET /cluster HTTP/1.1", f"Origin: {ORIGIN}")[0]
    for origin in ("http://evil.example", "null", ORIGIN + ".evil.example", "*"):
        head, _ = ask(server, "GET /cluster HTTP/1.1", f"Origin: {origin}")
        assert not [line for line in head if line.startswith("Access-Control")]
        assert "Vary: Origin" in head
    with connect(server) as client:
        client.sendall(f"GET /events HTTP/1.1\r\nOrigin: {ORIGIN}\r\n\r\n".encode())
        assert allowed.encode() in hear(client, b"\r\n\r\n")


def test_what_a_browser_has_already_is_not_sent_again(server):
    head, body = ask(server, "GET /console/style.css HTTP/1.1")
    assert {'ETag: "1"', "Cache-Control: no-cache", "X-Kind: file"} <= set(head)
    assert body == b"words"
    head, body = ask(server, "GET /console/style.css HTTP/1.1", 'If-None-Match: "1"')
    assert (head[0], body) == ("HTTP/1.1 304 Not Modified", b"")
    assert ask(server, "GET /console/style.css HTTP/1.1", 'If-None-Match: "0"')[1] == b"words"
