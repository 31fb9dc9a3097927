"""One HTTP request with one deadline over all of it: connecting, sending, and however slowly the answer drips."""

from __future__ import annotations

import http.client
import socket
import ssl
import threading
import time
from collections.abc import Mapping
from importlib.metadata import version
from urllib.parse import SplitResult, urlsplit

from drctl.model.command import WebRequest
from drctl.model.errors import EffectRefused, EffectUnknown, Unreachable
from drctl.model.evidence import TEXT_LENGTH_MAX, HttpAnswered

BODY_BYTES_MAX = 64 * 1024
CONNECT_SHARE = 0.5
"""Of the deadline, at most, for a connection."""


class Web:
    """The Outside port. No proxy, no redirect is followed, no cookie kept: what is asked is what the playbook says."""

    def request(self, request: WebRequest, *, key: str, deadline_s: float) -> HttpAnswered:
        """Send a request and take its answer, whatever its status.

        Raises Unreachable when nothing was sent, EffectRefused when it cannot be sent, EffectUnknown when it was sent and
        no answer came in time.
        """
        end_s = time.monotonic() + deadline_s
        target = urlsplit(request.url)
        connection = _connect(target, deadline_s * CONNECT_SHARE)
        # A socket's timeout is of one call: a server that drips a byte now and then would never run out of it.
        watchdog = threading.Timer(max(0.0, end_s - time.monotonic()), _cut, args=(connection,))
        watchdog.daemon = True
        watchdog.start()
        try:
            return _exchange(connection, request, target, _headers(request, key), max(0.05, end_s - time.monotonic()))
        finally:
            watchdog.cancel()
            connection.close()


def _connect(target: SplitResult, timeout_s: float) -> http.client.HTTPConnection:
    host = target.hostname or ""
    connection: http.client.HTTPConnection
    if target.scheme == "https":
        context = ssl.create_default_context()
        connection = http.client.HTTPSConnection(host, target.port, timeout=timeout_s, context=context)
    else:
        connection = http.client.HTTPConnection(host, target.port, timeout=timeout_s)
    try:
        connection.connect()
    except ssl.SSLCertVerificationError as error:
        connection.close()
        raise EffectRefused(
            f"{host} does not prove who it is: {error.verify_message}", remedy="install its authority's certificate"
        ) from error
    except (OSError, UnicodeError) as error:
        connection.close()
        raise Unreachable(f"{target.netloc} cannot be reached: {error}") from error
    return connection


def _exchange(
    connection: http.client.HTTPConnection,
    request: WebRequest,
    target: SplitResult,
    headers: Mapping[str, str],
    timeout_s: float,
) -> HttpAnswered:
    assert connection.sock is not None, "it is connected"
    connection.sock.settimeout(timeout_s)
    path = f"{target.path or '/'}{f'?{target.query}' if target.query else ''}"
    try:
        connection.request(request.method, path, body=request.body.encode() or None, headers=dict(headers))
        answer = connection.getresponse()
        body = answer.read(BODY_BYTES_MAX)
    except (ValueError, UnicodeError) as error:
        raise EffectRefused(f"{request.url} cannot be asked for: {error}") from error
    except (OSError, http.client.HTTPException, AttributeError) as error:
        # The watchdog's cut is seen as any of these, by where the reading stood.
        why = str(error) or type(error).__name__
        raise EffectUnknown(f"{target.netloc} was sent a {request.method} and did not answer: {why}") from error
    return HttpAnswered(status=answer.status, body=body.decode("utf-8", "replace")[:TEXT_LENGTH_MAX])


def _headers(request: WebRequest, key: str) -> dict[str, str]:
    headers = {"User-Agent": f"drctl/{version('drctl')}", "Idempotency-Key": key, "Connection": "close"}
    if request.body:
        headers["Content-Type"] = f"{request.content_type}; charset=utf-8"
    return headers | dict(request.headers)


def _cut(connection: http.client.HTTPConnection) -> None:
    if connection.sock is not None:
        try:
            connection.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            return
