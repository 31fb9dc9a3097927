"""Why is there no session? One startup packet, sent by ourselves: libpq tells in words, which the server may translate.

A server that starts, recovers or stops says so (SQLSTATE 57P03) before it asks for a password or for TLS, and the numbers
of the network's errors have no language.
"""

from __future__ import annotations

import socket
import struct
import time
from dataclasses import dataclass

from drctl.model.report import Reachability

CANNOT_CONNECT_NOW = "57P03"
_PROTOCOL_3 = 196608
_ANSWER_BYTES_MAX = 8192
_CLOSED_TRIES = 5
_CLOSED_PAUSE_S = 0.02
"""A postmaster that was just killed has connections in its queue, which the kernel resets; the next one is refused."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Knock:
    """What came of it."""

    reachability: Reachability
    """Never ANSWERS: FAULTY says that a server is there, and that what it objects to is us."""
    detail: str = ""
    """Empty where what libpq said says more."""


class _Closed(Exception):
    """It took the connection, and dropped it without a word."""


def knock(address: str, port: int, *, user: str, dbname: str, end_s: float) -> Knock:
    """Ask whether a server is there, until `end_s`. Never raises."""
    try:
        for attempt in range(_CLOSED_TRIES):
            try:
                return _understood(_ask(address, port, user=user, dbname=dbname, end_s=end_s))
            except _Closed:
                time.sleep(min(_CLOSED_PAUSE_S * (attempt + 1), max(0.0, end_s - time.monotonic())))
    except ConnectionRefusedError:
        return Knock(reachability=Reachability.REFUSED, detail=f"nothing listens on {address} port {port}")
    except TimeoutError:
        return Knock(reachability=Reachability.SILENT, detail=f"no answer from {address} port {port} in time")
    except OSError as error:
        return Knock(reachability=Reachability.SILENT, detail=f"{address} port {port}: {error.strerror or error}")
    # Its host is there, and no postmaster is: as good as refused. A living one sends at least an error.
    return Knock(
        reachability=Reachability.REFUSED, detail=f"{address} port {port} drops every connection without a word"
    )


def _ask(address: str, port: int, *, user: str, dbname: str, end_s: float) -> bytes:
    try:
        with socket.create_connection((address, port), timeout=_left_s(end_s)) as link:
            link.sendall(startup_packet(user, dbname))
            return _answer(link, end_s)
    except (ConnectionResetError, BrokenPipeError) as error:
        raise _Closed from error


def _answer(link: socket.socket, end_s: float) -> bytes:
    said = b""
    while len(said) < 5 or (said[:1] == b"E" and len(said) < min(_length(said), _ANSWER_BYTES_MAX)):
        link.settimeout(_left_s(end_s))
        part = link.recv(_ANSWER_BYTES_MAX)
        if not part:
            if not said:
                raise _Closed
            break
        said += part
    return said


def _length(message: bytes) -> int:
    return 1 + int(struct.unpack("!I", message[1:5])[0])


def _left_s(end_s: float) -> float:
    left_s = end_s - time.monotonic()
    if left_s <= 0:
        raise TimeoutError
    return left_s


def _understood(said: bytes) -> Knock:
    if error_fields(said).get("C") == CANNOT_CONNECT_NOW:
        return Knock(reachability=Reachability.STARTING, detail=error_fields(said).get("M", ""))
    return Knock(reachability=Reachability.FAULTY)


def startup_packet(user: str, dbname: str) -> bytes:
    """Protocol 3.0. Source: PostgreSQL documentation, "Message Formats"."""
    words = b"".join(word.encode() + b"\0" for word in ("user", user, "database", dbname))
    body = struct.pack("!I", _PROTOCOL_3) + words + b"\0"
    return struct.pack("!I", len(body) + 4) + body


def error_fields(message: bytes) -> dict[str, str]:
    """The fields of an ErrorResponse by their letters (`C` the SQLSTATE, `M` the message); empty for anything else."""
    if message[:1] != b"E" or len(message) < 5:
        return {}
    parts = message[5 : _length(message)].split(b"\0")
    return {part[:1].decode(errors="replace"): part[1:].decode(errors="replace") for part in parts if part}
