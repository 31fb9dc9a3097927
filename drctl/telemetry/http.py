"""A small HTTP server in one thread of its own: answers come from memory, so no client holds up another, or the loop.

Bounded: bytes of a request, time between and for requests, connections, and those among them that listen to a stream.
"""

from __future__ import annotations

import asyncio
import errno
import os
import socket
import sys
import threading
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Protocol
from urllib.parse import parse_qsl, urlsplit

from drctl.model.errors import InvalidInput
from drctl.model.topology import Address
from drctl.telemetry.answers import Answer

REQUEST_BYTES_MAX = 8192
QUERY_FIELDS_MAX = 8
READ_TIMEOUT_S = 10.0
"""From one answer, or from the connection, to the end of the next request."""
WRITE_TIMEOUT_S = 5.0
CONNECTIONS_MAX = 256
STREAMS_MAX = 32
STREAM_PACE_S = 0.1
"""How often a stream is asked for what is due: how late a picture may be."""
CLOSING_S = 1.0
"""For the conversations to notice that they were dropped."""
START_TIMEOUT_S = 5.0

# Every system call gives the interpreter's lock away, and a busy thread then keeps it for the switch interval: 5 ms as
# Python ships it, several times a request.
SWITCH_INTERVAL_S = 0.0005

EVENT_TYPE = "text/event-stream"
_METHODS = ("GET", "HEAD", "OPTIONS")


class Router(Protocol):
    """Who knows the answers."""

    def answer(self, path: str, query: Mapping[str, str]) -> Answer:
        """The answer to a request."""


class Stream(Protocol):
    """What one listener is sent, as long as it stays."""

    def due(self) -> bytes:
        """What is to be sent now; empty when there is nothing."""


class HttpServer:
    """Serves a router's answers at one address."""

    def __init__(
        self,
        address: Address,
        router: Router,
        *,
        key: str,
        streams: Mapping[str, Callable[[], Stream]] | None = None,
        origins: Collection[str] = (),
    ) -> None:
        """`key` is where the configuration names the address, for a message; `streams` are opened by path.

        Pages that came from `origins` may read the answers.
        """
        self._address = address
        self._router = router
        self._openers = dict(streams or {})
        self._origins = frozenset(origins)
        self._key = key
        self._socket: socket.socket | None = None
        self._thread = threading.Thread(target=lambda: asyncio.run(self._serve()), name="drctl-http", daemon=True)
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop = asyncio.Event()
        self._ready = threading.Event()
        self._connections = 0
        self._streams = 0
        self._writers: set[asyncio.StreamWriter] = set()

    def start(self) -> None:
        """Listen. Raises InvalidInput when the address cannot be had."""
        self._socket = _listen(self._address, self._key)
        sys.setswitchinterval(SWITCH_INTERVAL_S)
        self._thread.start()
        assert self._ready.wait(START_TIMEOUT_S), "a thread that only has to listen does so at once"

    def close(self, *, deadline_s: float) -> None:
        """Stop listening and drop every connection."""
        if self._loop is not None and self._thread.is_alive():
            self._loop.call_soon_threadsafe(self._stop.set)
            self._thread.join(deadline_s)
        if self._socket is not None:
            self._socket.close()

    @property
    def port(self) -> int:
        """The port that is listened on: the system's choice when 0 was asked for."""
        assert self._socket is not None, "start comes first"
        return int(self._socket.getsockname()[1])

    async def _serve(self) -> None:
        self._loop = asyncio.get_running_loop()
        server = await asyncio.start_server(self._converse, sock=self._socket, limit=REQUEST_BYTES_MAX)
        self._ready.set()
        await self._stop.wait()
        # Nobody new; but not `server.close()` yet: asyncio 3.11 then forgets the socket of whom it is accepting just now.
        for listening in server.sockets:
            self._loop.remove_reader(listening.fileno())
        with suppress(TimeoutError):
            async with asyncio.timeout(CLOSING_S):
                # Who is still being accepted is a task too, and becomes a conversation first.
                while len(asyncio.all_tasks()) > 1:
                    for writer in tuple(self._writers):
                        writer.transport.abort()
                    await asyncio.sleep(0)
                # A transport that was closed in the last turn lets go of its socket in the next.
                await asyncio.sleep(0)
        server.close()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        if self._connections >= CONNECTIONS_MAX:
            writer.close()
            return
        self._connections += 1
        self._writers.add(writer)
        # An answer is sent when it is gone, not when it is queued: else slow readers would fill the memory.
        writer.transport.set_write_buffer_limits(high=0)
        try:
            with suppress(ConnectionError, TimeoutError):
                while await self._exchange(reader, writer):
                    pass
        finally:
            self._connections -= 1
            self._writers.discard(writer)
            writer.transport.abort() if writer.transport.get_write_buffer_size() else writer.close()

    async def _exchange(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; whether another may follow."""
        try:
            async with asyncio.timeout(READ_TIMEOUT_S):
                head = await reader.readuntil(b"\r\n\r\n")
        except asyncio.IncompleteReadError:
            return False
        except asyncio.LimitOverrunError:
            await self._send(writer, _refusal(HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE), _Request())
            return False
        request = _parse(head)
        opener = self._openers.get(request.path) if request.refused is None else None
        if opener is not None and request.method == "GET" and self._streams < STREAMS_MAX:
            await self._stream(opener(), reader, writer, request)
            return False
        answer = self._answer(request) if opener is None else _of_stream(request)
        await self._send(writer, answer, request)
        return request.keep_alive

    async def _stream(
        self, stream: Stream, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, request: _Request
    ) -> None:
        self._streams += 1
        try:
            # Without a length: it ends with the connection.
            head = [f"Content-Type: {EVENT_TYPE}", "Cache-Control: no-store", "Connection: close"]
            writer.write(_head(HTTPStatus.OK, [*head, *self._permission(request)]))
            while not (reader.at_eof() or writer.transport.is_closing()):
                writer.write(stream.due())
                async with asyncio.timeout(WRITE_TIMEOUT_S):
                    await writer.drain()
                await asyncio.sleep(STREAM_PACE_S)
        finally:
            self._streams -= 1

    def _answer(self, request: _Request) -> Answer:
        if request.refused is not None:
            return _refusal(request.refused)
        return self._router.answer(request.path, request.query)

    async def _send(self, writer: asyncio.StreamWriter, answer: Answer, request: _Request) -> None:
        same = answer.etag != "" and answer.etag == request.etag
        body = b"" if same else answer.body
        head = [
            f"Content-Type: {answer.content_type}",
            f"Content-Length: {len(body)}",
            f"Cache-Control: {'no-cache' if answer.etag else 'no-store'}",
            f"Allow: {', '.join(_METHODS)}",
            f"Connection: {'keep-alive' if request.keep_alive else 'close'}",
            *([f"ETag: {answer.etag}"] if answer.etag else []),
            *(f"{name}: {value}" for name, value in answer.headers),
            *self._permission(request),
        ]
        status = HTTPStatus.NOT_MODIFIED if same else HTTPStatus(answer.status)
        writer.write(_head(status, head) + (b"" if request.method == "HEAD" else body))
        async with asyncio.timeout(WRITE_TIMEOUT_S):
            await writer.drain()

    def _permission(self, request: _Request) -> list[str]:
        """For the page of another controller, and for no other page: the network of a hospital has browsers in it."""
        if request.origin not in self._origins:
            return ["Vary: Origin"]
        return ["Vary: Origin", f"Access-Control-Allow-Origin: {request.origin}"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Request:
    method: str = "GET"
    path: str = ""
    query: Mapping[str, str] = field(default_factory=dict)
    keep_alive: bool = False
    origin: str = ""
    """Where the page came from that asks; empty when no page of another origin does."""
    etag: str = ""
    """Of what the browser has."""
    refused: HTTPStatus | None = None
    """Why it is no request that this server answers; None when it is one."""


def _parse(head: bytes) -> _Request:
    first, *lines = head.decode("latin-1").split("\r\n")
    words = first.split(" ")
    if len(words) != 3 or not words[2].startswith("HTTP/1."):
        return _Request(refused=HTTPStatus.BAD_REQUEST)
    method, target, version = words
    if method not in _METHODS:
        return _Request(refused=HTTPStatus.METHOD_NOT_ALLOWED)
    headers = {name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if headers.get("content-length", "0") != "0" or "transfer-encoding" in headers:
        return _Request(refused=HTTPStatus.REQUEST_ENTITY_TOO_LARGE)
    try:
        url = urlsplit(target)
        query = dict(parse_qsl(url.query, max_num_fields=QUERY_FIELDS_MAX))
    except ValueError:
        return _Request(refused=HTTPStatus.BAD_REQUEST)
    connection = headers.get("connection", "").lower()
    keep_alive = connection != "close" and (version != "HTTP/1.0" or connection == "keep-alive")
    return _Request(
        method=method,
        path=url.path.rstrip("/") or "/",
        query=query,
        keep_alive=keep_alive,
        origin=headers.get("origin", ""),
        etag=headers.get("if-none-match", ""),
    )


def _head(status: HTTPStatus, lines: list[str]) -> bytes:
    return "\r\n".join([f"HTTP/1.1 {status.value} {status.phrase}", *lines, "", ""]).encode("latin-1")


def _of_stream(request: _Request) -> Answer:
    """To who asks for a stream without listening, and to the listener too many: that one asks another controller."""
    status = HTTPStatus.SERVICE_UNAVAILABLE if request.method == "GET" else HTTPStatus.OK
    return Answer(status=status.value, body=b"", content_type=EVENT_TYPE)


def _refusal(status: HTTPStatus) -> Answer:
    return Answer(status=status.value, body=status.description.encode() + b"\n", content_type="text/plain")


def _listen(address: Address, key: str) -> socket.socket:
    try:
        family, _, _, _, name = socket.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(name[:2], family=family, backlog=CONNECTIONS_MAX)
    except OSError as error:
        raise InvalidInput(
            f"nothing can listen at {address} ({key}), where the controller answers: {_why(error)}",
            remedy=_remedy(error, address, key),
        ) from error


def _why(error: OSError) -> str:
    if error.errno == errno.EADDRINUSE:
        return "the port is in use by another program"
    if error.errno == errno.EADDRNOTAVAIL:
        return "this machine has no such address"
    return error.strerror or os.strerror(error.errno or 0)


def _remedy(error: OSError, address: Address, key: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"see who listens there: ss -ltnp 'sport = :{address.port}'; end it, or change {key} in every center"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"is this the right machine for this --center? see its addresses: ip -br address; then correct {key}"
    return f"correct {key}"
