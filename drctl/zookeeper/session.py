"""One session with ZooKeeper: every call has a deadline, and a write says what is known of its effect.

Three habits of kazoo 2.11 are met here. Requests made while the connection is away are queued and done later, by
surprise: a write carries a guard that withdraws it when nobody waits for it any more, and that knows whether its bytes
were ever made. Watches are dropped with the connection: whoever watches reads again after `era` has changed. A bug in
its connection thread ends that thread for good: `tend` begins anew.
"""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from kazoo.client import KazooClient
from kazoo.exceptions import (
    ConnectionClosedError,
    ConnectionDropped,
    ConnectionLoss,
    KazooException,
    NoAuthError,
    NoNodeError,
    SessionExpiredError,
)
from kazoo.handlers.threading import KazooTimeoutError
from kazoo.protocol.states import KazooState, KeeperState
from kazoo.retry import KazooRetry

from drctl.model.errors import EffectRefused, EffectUnknown, Unreachable
from drctl.zookeeper.access import node_acl
from drctl.zookeeper.server import is_number, serves
from drctl.zookeeper.transaction import GUARD, Create, Delete, Guard, RejectedError, Replace, refusal, written
from drctl.zookeeper.wire import Handler

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from kazoo.handlers.threading import AsyncResult
    from kazoo.protocol.states import WatchedEvent, ZnodeStat

    from drctl.model.topology import Address
    from drctl.zookeeper.transaction import Check, Write, Written

RENEW_AFTER_S = 120.0
"""Without a connection for this long the session is given up and a new one asked for: servers whose data was wiped
refuse the old one for ever. Far longer than a session, because one that outlives a lost quorum is worth keeping."""
CLOSE_S = 1.0
"""How long the end of a session is waited for; it would end by itself soon after."""

_T = TypeVar("_T")
_log = logging.getLogger("drctl.zookeeper")
# Without a handler of its own, Python would print kazoo's warnings into the output of a command.
_log.addHandler(logging.NullHandler())


@dataclass(frozen=True, slots=True, kw_only=True)
class Node:
    """A node as it was read."""

    data: bytes
    version: int
    owner: int
    """The session that an ephemeral node lives with; 0 for others."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Era:
    """One connection of one session. What was known in another must be read again."""

    session: int
    connection: int


class Reply(Generic[_T]):
    """An answer that is on its way, so that many can be asked for at once."""

    def __init__(self, result: AsyncResult, shape: Callable[[Any], _T]) -> None:
        self._result = result
        self._shape = shape

    def take(self, timeout_s: float) -> _T | None:
        """The answer; None when there is no such node. Raises Unreachable, EffectRefused."""
        try:
            found = self._result.get(timeout=max(0.0, timeout_s))
        except NoNodeError:
            return None
        except (KazooTimeoutError, ConnectionLoss, SessionExpiredError, ConnectionDropped) as error:
            raise _unreachable(error) from error
        except KazooException as error:
            raise EffectRefused(f"ZooKeeper refused to answer: {_words(error)}", remedy=_remedy(error)) from error
        return self._shape(found)


class Session:
    """A session that never gives up connecting."""

    def __init__(
        self,
        *,
        hosts: tuple[Address, ...],
        session_timeout_s: float,
        now_s: Callable[[], float],
        moved: Callable[[], None],
        touched: Callable[[str], None] | None,
    ) -> None:
        """`moved` is called when the connection comes or goes, `touched` with the path of a watched node that changed.

        Both are called by kazoo's threads and must not wait for anything. Without `touched` no watches are set.
        """
        assert hosts, "at least one ZooKeeper server"
        self._hosts = hosts
        self._timeout_s = session_timeout_s
        self._now_s = now_s
        self._moved = moved
        self._touched = touched
        self._lock = threading.Lock()
        self._era = Era(session=0, connection=0)
        self._connected = False
        self._away_since_s = now_s()
        self._opened = False
        self._closed = False
        self._handler: Handler
        self._client: KazooClient
        self._open()

    def start(self, *, deadline_s: float) -> bool:
        """Connect; whether that succeeded within the deadline. It goes on in the background otherwise."""
        self._opened = True
        self._away_since_s = self._now_s()
        self._client.start_async().wait(deadline_s)
        return self.connected()

    def close(self) -> None:
        """End the session, and wait for that no longer than a little."""
        with self._lock:
            self._closed = True
            client = self._client
        if self._opened:
            _end(client, wait_s=CLOSE_S)

    def connected(self) -> bool:
        """Whether a server was heard within the session's time. A process that slept through it is not connected."""
        wire = self._handler.wire
        return (
            self._connected
            and not self._closed
            and wire is not None
            and self._now_s() - wire.heard_at_s < (wire.granted_timeout_s or self._timeout_s)
        )

    @property
    def era(self) -> Era:
        """The present connection of the present session."""
        return self._era

    @property
    def id(self) -> int:
        """The session's number, which owns its ephemeral nodes; 0 when there is none."""
        identity = self._client.client_id
        return int(identity[0] or 0) if identity else 0

    @property
    def granted_timeout_s(self) -> float | None:
        """The session timeout that the servers granted; None before the first connection."""
        wire = self._handler.wire
        return wire.granted_timeout_s if wire is not None else None

    def tend(self) -> None:
        """Begin with a new client when the present one is past help. Called now and then."""
        with self._lock:
            if self._closed or not self._opened or self._connected:
                return
            dead = (
                self._client.client_state == KeeperState.CLOSED and self._now_s() - self._away_since_s > self._timeout_s
            )
            if not dead and self._now_s() - self._away_since_s < RENEW_AFTER_S:
                return
            old = self._client
            self._away_since_s = self._now_s()
            self._era = Era(session=self._era.session + 1, connection=self._era.connection)
            self._open()
            self._client.start_async()
        _end(old, wait_s=0.0)

    def go_home(self) -> None:
        """Return to the first of the servers, where it serves again: the others are another city away, and may be lost."""
        home = (self._hosts[0].host, self._hosts[0].port)
        handler, wire = self._handler, self._handler.wire
        if not self.connected() or wire is None or wire.peer in {None, home} or not is_number(home[0]):
            return
        if serves(home):
            handler.go_home(home)

    def children(self, path: str) -> Reply[tuple[str, ...]]:
        """The names of a node's children, watched where this session watches."""
        return self._ask(lambda: self._client.get_children_async(path, watch=self._watcher), tuple)

    def node(self, path: str) -> Reply[Node]:
        """A node, watched where this session watches."""
        return self._ask(lambda: self._client.get_async(path, watch=self._watcher), _node)

    def peek_children(self, path: str) -> Reply[tuple[str, ...]]:
        """The names of a node's children, unwatched."""
        return self._ask(lambda: self._client.get_children_async(path), tuple)

    def peek(self, path: str) -> Reply[Node]:
        """A node, unwatched."""
        return self._ask(lambda: self._client.get_async(path), _node)

    def sync(self, path: str) -> Reply[str]:
        """Let the server catch up with what was committed before; what is asked after it sees that."""
        return self._ask(lambda: self._client.sync_async(path), str)

    def commit(self, guard: Check, writes: Sequence[Write], *, deadline_s: float) -> tuple[Written, ...]:
        """Do all the writes, or none.

        Raises RejectedError when the servers refused, Unreachable when it was certainly not sent, EffectUnknown when it
        was and no answer came.
        """
        if not self.connected():
            raise _unreachable(None)
        client = self._client
        watchful = Guard(guard)
        transaction = client.transaction()
        transaction.operations.append(watchful)
        for write in writes:
            match write:
                case Create():
                    transaction.create(write.path, write.data, None, write.ephemeral, write.sequential)
                case Replace():
                    transaction.set_data(write.path, write.data, write.version)
                case Delete():
                    transaction.delete(write.path, write.version)
        try:
            results = transaction.commit_async().get(timeout=deadline_s)
        except (KazooTimeoutError, ConnectionLoss, SessionExpiredError, ConnectionDropped) as error:
            if watchful.withdraw():
                raise _unreachable(error) from error
            raise EffectUnknown(
                f"ZooKeeper was asked to write {writes[0].path} and did not answer: {_words(error)}",
                remedy="drctl looks again by itself as soon as ZooKeeper answers",
            ) from error
        except KazooException as error:
            raise RejectedError(GUARD, refusal(error), guard.path) from error
        return written(guard, writes, results)

    def _open(self) -> None:
        self._handler = Handler(session_timeout_s=self._timeout_s, now_s=self._now_s)
        client = KazooClient(
            hosts=",".join(map(str, self._hosts)),
            timeout=self._timeout_s,
            handler=self._handler,
            default_acl=node_acl(),
            # The own center's server first: the others are another city away.
            randomize_hosts=False,
            connection_retry=KazooRetry(
                max_tries=-1,
                delay=0.05,
                backoff=1.5,
                max_jitter=0.4,
                max_delay=0.2,
                sleep_func=self._handler.sleep_func,
            ),
            command_retry=KazooRetry(max_tries=1, sleep_func=self._handler.sleep_func),
            logger=_log,
        )
        client.add_listener(lambda state: self._on_state(client, state))
        self._client = client

    def _on_state(self, client: KazooClient, state: str) -> None:
        if client is not self._client:
            return
        # No lock: kazoo's one connection thread is the only writer, and `tend` holds back while connected.
        era = self._era
        match state:
            case KazooState.CONNECTED:
                self._era = Era(session=era.session, connection=era.connection + 1)
                self._connected = True
            case KazooState.SUSPENDED:
                self._connected = False
                self._away_since_s = self._now_s()
            case _:
                self._connected = False
                self._away_since_s = self._now_s()
                self._era = Era(session=era.session + 1, connection=era.connection)
        self._moved()

    @property
    def _watcher(self) -> Callable[[WatchedEvent], None] | None:
        return self._on_watch if self._touched is not None else None

    def _on_watch(self, event: WatchedEvent) -> None:
        # An event without a path says that the connection went, which `moved` has told already.
        if self._touched is not None and event.path:
            self._touched(event.path)

    def _ask(self, ask: Callable[[], Any], shape: Callable[[Any], _T]) -> Reply[_T]:
        # While the connection is away, kazoo would queue the request, and after some hundred of them block for ever.
        if not self.connected():
            raise _unreachable(None)
        return Reply(ask(), shape)


def _end(client: KazooClient, *, wait_s: float) -> None:
    """kazoo joins its threads without a deadline, so that is left to a thread of its own."""

    def end() -> None:
        try:
            client.stop()
            client.close()
        except Exception:  # noqa: BLE001 (the client is thrown away, whatever it says)
            _log.debug("a ZooKeeper client did not end in order", exc_info=True)

    thread = threading.Thread(target=end, name="zookeeper-close", daemon=True)
    thread.start()
    thread.join(wait_s)


def _node(found: tuple[bytes | None, ZnodeStat]) -> Node:
    data, stat = found
    return Node(data=bytes(data or b""), version=int(stat.version), owner=int(stat.ephemeralOwner))


def _unreachable(error: Exception | None) -> Unreachable:
    why = "there is no connection" if error is None or isinstance(error, ConnectionClosedError) else _words(error)
    return Unreachable(
        f"ZooKeeper does not answer: {why}",
        remedy="is a majority of its servers up? On each center: echo srvr | nc 127.0.0.1 2181",
    )


def _words(error: Exception) -> str:
    match error:
        case KazooTimeoutError():
            return "no answer in time"
        case ConnectionLoss() | ConnectionDropped():
            return "the connection was lost"
        case SessionExpiredError():
            return "the session has expired"
        case _:
            return f"{type(error).__name__} {error}".strip()


def _remedy(error: Exception) -> str:
    return "drctl's nodes have an access control list that keeps it out" if isinstance(error, NoAuthError) else ""
