"""A session with a ZooKeeper that exists only in memory, for what does not depend on sockets."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from drctl.model.errors import EffectUnknown, Unreachable
from drctl.zookeeper.session import Era, Node
from drctl.zookeeper.transaction import (
    ANY_VERSION,
    GUARD,
    Check,
    Create,
    Delete,
    Refusal,
    RejectedError,
    Replace,
    Written,
)


@dataclass
class Tree:
    """The nodes that all sessions share."""

    nodes: dict[str, Node] = field(default_factory=lambda: {"/": Node(data=b"", version=0, owner=0)})
    numbers: dict[str, int] = field(default_factory=dict)
    sessions: int = 0

    def children(self, path: str) -> tuple[str, ...] | None:
        if path not in self.nodes:
            return None
        prefix = path.rstrip("/") + "/"
        return tuple(
            name[len(prefix) :]
            for name in self.nodes
            if name.startswith(prefix) and "/" not in name[len(prefix) :] and name != "/"
        )

    def expire(self, session: int) -> None:
        self.nodes = {path: node for path, node in self.nodes.items() if node.owner != session}


@dataclass
class Said:
    """An answer that is there already."""

    value: object

    def take(self, timeout_s: float) -> object:
        return self.value


@dataclass
class MemorySession:
    """As drctl.zookeeper.session.Session, without time."""

    tree: Tree
    up: bool = True
    lose_answers: int = 0
    """How many of the next commits take effect without an answer."""
    id: int = 0
    era: Era = field(default_factory=lambda: Era(session=0, connection=1))
    commits: list[tuple[Check, tuple[object, ...]]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.tree.sessions += 1
        self.id = self.tree.sessions

    def connected(self) -> bool:
        return self.up

    def reconnect(self) -> None:
        self.up = True
        self.era = replace(self.era, connection=self.era.connection + 1)

    def renew(self) -> None:
        self.tree.expire(self.id)
        self.tree.sessions += 1
        self.id = self.tree.sessions
        self.era = Era(session=self.era.session + 1, connection=self.era.connection + 1)

    def children(self, path: str) -> Said:
        self._need()
        return Said(self.tree.children(path))

    def node(self, path: str) -> Said:
        self._need()
        return Said(self.tree.nodes.get(path))

    def sync(self, path: str) -> Said:
        self._need()
        return Said(path)

    peek_children = children
    peek = node

    def commit(self, guard: Check, writes: list, *, deadline_s: float) -> tuple[Written, ...]:
        self._need()
        self.commits.append((guard, tuple(writes)))
        before = (dict(self.tree.nodes), dict(self.tree.numbers))
        try:
            self._check(GUARD, guard.path, guard.version)
            written = tuple(self._write(index, write) for index, write in enumerate(writes))
        except RejectedError:
            self.tree.nodes, self.tree.numbers = before
            raise
        if self.lose_answers:
            self.lose_answers -= 1
            raise EffectUnknown("the answer was lost")
        return written

    def _need(self) -> None:
        if not self.up:
            raise Unreachable("there is no connection")

    def _check(self, index: int, path: str, version: int) -> Node:
        node = self.tree.nodes.get(path)
        if node is None:
            raise RejectedError(index, Refusal.MISSING, path)
        if version not in {ANY_VERSION, node.version}:
            raise RejectedError(index, Refusal.VERSION, path)
        return node

    def _write(self, index: int, write: object) -> Written:
        nodes = self.tree.nodes
        match write:
            case Create(path=path, data=data, ephemeral=ephemeral, sequential=sequential):
                parent = path.rpartition("/")[0] or "/"
                self._check(index, parent, ANY_VERSION)
                if sequential:
                    number = self.tree.numbers.get(parent, 0)
                    self.tree.numbers[parent] = number + 1
                    path = f"{path}{number:010d}"
                if path in nodes:
                    raise RejectedError(index, Refusal.EXISTS, path)
                nodes[path] = Node(data=data, version=0, owner=self.id if ephemeral else 0)
                return Written(path=path)
            case Replace(path=path, data=data, version=version):
                node = self._check(index, path, version)
                nodes[path] = replace(node, data=data, version=node.version + 1)
                return Written(path=path, version=node.version + 1)
            case Delete(path=path, version=version):
                self._check(index, path, version)
                if self.tree.children(path):
                    raise RejectedError(index, Refusal.NOT_EMPTY, path)
                del nodes[path]
                return Written(path=path)
        raise AssertionError(write)
