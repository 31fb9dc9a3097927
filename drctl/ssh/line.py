"""One persistent SSH channel to a database host's `drctl-host serve`, with many requests in flight.

Every wait has a deadline of ours: paramiko's own calls wait for ever when the network swallows a packet at the wrong
moment, so connecting, sending and receiving are bounded one by one, and a line that kept nobody's deadline is thrown away.
"""

from __future__ import annotations

import logging
import socket
import threading
from collections.abc import Callable, Mapping
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass
from itertools import count
from pathlib import Path

import paramiko

from drctl.host.wire import LINE_BYTES_MAX, Answer, MalformedMessage, Request, decode_answer, encode_request
from drctl.model.errors import EffectUnknown, Unreachable
from drctl.model.topology import Address

CONNECT_TIMEOUT_S = 3.0
"""For the TCP connection, the banner, the authentication and the channel, each."""
TCP_USER_TIMEOUT_MS = 5000
"""After which unacknowledged bytes break the connection."""
COMMAND = "drctl-host serve"
"""What is asked for; the key's forced command decides what runs."""

logging.getLogger("paramiko").setLevel(logging.CRITICAL)


@dataclass(frozen=True, slots=True, kw_only=True)
class Credentials:
    """As whom to log in, and which hosts to trust."""

    user: str
    identity: Path
    known_hosts: Path


class Line:
    """The line to one host; connected when first needed, and anew after it broke."""

    def __init__(self, address: Address, credentials: Credentials, now_s: Callable[[], float]) -> None:
        self._address = address
        self._credentials = credentials
        self._now_s = now_s
        self._ids = count(1)
        self._connecting = threading.Lock()
        self._sending = threading.Lock()
        self._session: _Session | None = None

    def ask(
        self,
        command: str,
        *,
        member: str | None,
        epoch: int | None,
        args: Mapping[str, object],
        deadline_s: float,
    ) -> Answer:
        """Send one request and wait for its answer. Raises Unreachable when it was not sent, EffectUnknown after that."""
        end_s = self._now_s() + deadline_s
        session = self._connected(end_s)
        left_s = max(end_s - self._now_s(), 0.05)
        request = Request(next(self._ids), command, member, epoch, args, left_s)
        answer: Future[Answer] = Future()
        session.waiting[request.id] = answer
        try:
            self._send(session, encode_request(request), end_s)
            # The host keeps the deadline too, and says what it knows; a moment more lets that arrive.
            return answer.result(timeout=max(end_s - self._now_s(), 0.0) + 0.25)
        except TimeoutError:
            if session.heard_at_s < end_s - deadline_s:
                self._break(session, "nothing came back before the deadline")
            raise EffectUnknown(
                f"{self._address.host} did not answer {command} within {deadline_s:.1f} s",
                remedy=f"is the host frozen? type: ssh {self._credentials.user}@{self._address.host} true",
            ) from None
        finally:
            session.waiting.pop(request.id, None)

    def close(self) -> None:
        """Hang up."""
        session = self._session
        if session is not None:
            self._break(session, "closed")

    def _send(self, session: _Session, line: bytes, end_s: float) -> None:
        if not self._sending.acquire(timeout=max(end_s - self._now_s(), 0.0)):
            raise Unreachable(f"{self._address.host} does not take what is sent to it")
        try:
            session.channel.settimeout(max(end_s - self._now_s(), 0.05))
            session.channel.sendall(line)
        except (OSError, EOFError, paramiko.SSHException) as error:
            self._break(session, str(error) or "the channel broke")
            # A line that was cut short is no request to the other side, but it may have arrived whole.
            raise EffectUnknown(f"the line to {self._address.host} broke while sending: {error}") from error
        finally:
            self._sending.release()

    def _connected(self, end_s: float) -> _Session:
        session = self._session
        if session is not None and not session.broken:
            return session
        if not self._connecting.acquire(timeout=max(end_s - self._now_s(), 0.0)):
            raise Unreachable(f"{self._address.host} cannot be reached over SSH in time")
        try:
            session = self._session
            if session is None or session.broken:
                session = self._connect(end_s)
                self._session = session
            return session
        finally:
            self._connecting.release()

    def _connect(self, end_s: float) -> _Session:
        def left_s() -> float:
            return min(max(end_s - self._now_s(), 0.05), CONNECT_TIMEOUT_S)

        client = paramiko.SSHClient()
        client.set_missing_host_key_policy(paramiko.RejectPolicy())
        try:
            client.load_host_keys(str(self._credentials.known_hosts))
            connection = socket.create_connection((self._address.host, self._address.port), timeout=left_s())
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, TCP_USER_TIMEOUT_MS)
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            client.connect(
                self._address.host,
                port=self._address.port,
                username=self._credentials.user,
                key_filename=str(self._credentials.identity),
                sock=connection,
                timeout=left_s(),
                banner_timeout=left_s(),
                auth_timeout=left_s(),
                channel_timeout=left_s(),
                allow_agent=False,
                look_for_keys=False,
            )
            transport = client.get_transport()
            assert transport is not None, "a connected client has a transport"
            channel = transport.open_session(timeout=left_s())
            channel.settimeout(left_s())
            channel.exec_command(COMMAND)
        except (OSError, paramiko.SSHException, EOFError) as error:
            client.close()
            raise _unreachable(self._address, self._credentials, error) from error
        session = _Session(client, channel, self._now_s)
        threading.Thread(target=self._receive, args=(session,), name=f"ssh {self._address.host}", daemon=True).start()
        return session

    def _receive(self, session: _Session) -> None:
        """Hand answers to those who wait for them, until the line breaks."""
        buffer = bytearray()
        while True:
            try:
                # Readability is waited for without a limit: the askers keep the deadlines, and close what is silent.
                chunk = session.read()
            except (OSError, EOFError, paramiko.SSHException) as error:
                return self._break(session, str(error))
            if not chunk:
                return self._break(session, session.last_words() or "the host ended the session")
            session.heard_at_s = self._now_s()
            buffer += chunk
            *lines, rest = buffer.split(b"\n")
            buffer = bytearray(rest)
            if len(buffer) > LINE_BYTES_MAX:
                return self._break(session, "an answer without end")
            for line in lines:
                try:
                    answer = decode_answer(bytes(line))
                except MalformedMessage as error:
                    return self._break(session, f"not an answer of drctl-host: {error}")
                waiting = session.waiting.pop(answer.id, None)
                if waiting is not None:
                    waiting.set_result(answer)

    def _break(self, session: _Session, why: str) -> None:
        session.broken = True
        if self._session is session:
            self._session = None
        for waiting in list(session.waiting.values()):
            try:
                waiting.set_exception(EffectUnknown(f"the line to {self._address.host} broke: {why}"))
            except InvalidStateError:
                continue  # its answer came at the same moment
        session.client.close()


class _Session:
    """A connected channel and those who wait on it."""

    def __init__(self, client: paramiko.SSHClient, channel: paramiko.Channel, now_s: Callable[[], float]) -> None:
        self.client = client
        self.channel = channel
        self.waiting: dict[int, Future[Answer]] = {}
        self.heard_at_s = now_s()
        self.broken = False

    def read(self) -> bytes:
        """Bytes from the host; empty at the end."""
        while True:
            try:
                return self.channel.recv(65536)
            except TimeoutError:
                if self.broken:
                    return b""

    def last_words(self) -> str:
        """What the host's program said before it ended."""
        if not self.channel.recv_stderr_ready():
            return ""
        return self.channel.recv_stderr(2000).decode(errors="replace").strip()


def _unreachable(address: Address, credentials: Credentials, error: Exception) -> Unreachable:
    match error:
        case paramiko.BadHostKeyException():
            return Unreachable(
                f"the host key of {address.host} is not the one in {credentials.known_hosts}: it is refused",
                remedy=f"find out why it changed; if that is right, type: ssh-keygen -R {address.host} -f {credentials.known_hosts}"
                f" && ssh-keyscan {address.host} >> {credentials.known_hosts}",
            )
        case paramiko.AuthenticationException():
            return Unreachable(
                f"{address.host} does not accept the key {credentials.identity} for {credentials.user}",
                remedy=f"put the public key of {credentials.identity} into {credentials.user}'s authorized_keys on {address.host}",
            )
        case paramiko.SSHException() if "not found in known_hosts" in str(error):
            return Unreachable(
                f"the host key of {address.host} is not in {credentials.known_hosts}: it is refused",
                remedy=f"check its fingerprint, then type: ssh-keyscan {address.host} >> {credentials.known_hosts}",
            )
        case _:
            return Unreachable(
                f"{address} cannot be reached over SSH: {str(error) or type(error).__name__}",
                remedy=f"type: ssh -v {credentials.user}@{address.host} true",
            )
