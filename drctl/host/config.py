"""The host's own configuration, `host.json`: members, paths, peers. Addresses come from here, never over the wire."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from drctl.host.faults import Invalid

VERSION = 1
COMMAND_NAME = r"[A-Za-z_][A-Za-z0-9_.-]{0,62}"


class Peer(NamedTuple):
    """Another member of the group, which this one may follow."""

    name: str
    host: str
    port: int


class Member(NamedTuple):
    """One PostgreSQL instance on this host."""

    name: str
    group: str
    pgdata: Path
    bindir: Path
    port: int
    socket_dir: str
    superuser: str
    log: Path
    start: tuple[str, ...] | None
    """The service command that starts it; None means `pg_ctl`."""
    stop: tuple[str, ...] | None
    """The service command that stops it; None means signals to the postmaster."""
    replication_user: str
    passfile: str | None
    """The password file of the replication user; None when none is needed."""
    options: str
    """More connection options, as libpq writes them, for example `sslmode=prefer`."""
    rewind_user: str
    peers: tuple[Peer, ...]
    state_dir: Path
    """The member's own folder below the host's `state_dir`."""

    @property
    def wal_dir(self) -> Path:
        """Where the write-ahead log is."""
        return self.pgdata / "pg_wal"

    def peer(self, name: str) -> Peer:
        """The peer of that name. Raises Invalid when the configuration has none."""
        for peer in self.peers:
            if peer.name == name:
                return peer
        known = ", ".join(peer.name for peer in self.peers) or "none"
        raise Invalid(f"{self.name} has no peer {name!r} (known: {known})", "add it to `peers` in the host's host.json")


class HostConfig(NamedTuple):
    """Everything that this host is told."""

    path: Path
    state_dir: Path
    members: tuple[Member, ...]
    commands: Mapping[str, tuple[str, ...]] = {}
    """What playbooks may run here, by name: the words of each. Nothing is ever added to them."""

    def member(self, name: str) -> Member:
        """The member of that name. Raises Invalid when this host has none."""
        for member in self.members:
            if member.name == name:
                return member
        known = ", ".join(member.name for member in self.members) or "none"
        raise Invalid(f"this host has no member {name!r} (it has: {known})", f"compare cluster.yaml with {self.path}")

    def command(self, name: str) -> tuple[str, ...]:
        """The words of an allowed command. Raises Invalid when it is not on the list."""
        if name not in self.commands:
            known = ", ".join(sorted(self.commands)) or "none"
            raise Invalid(
                f"this host allows no command {name!r} (allowed: {known})",
                f"add it to `commands` of {self.path}, or name one of these in the playbook",
            )
        return self.commands[name]


class _Table:
    """A JSON object that knows where it stands, so that an error can say it, and that counts what nobody asked for."""

    def __init__(self, value: object, where: str) -> None:
        if not isinstance(value, dict):
            raise Invalid(f"{where}: expected an object, found {json.dumps(value)[:60]}")
        self._values: dict[str, object] = value
        self._where = where
        self._left = set(self._values)

    def take(self, key: str, kind: type | tuple[type, ...], expected: str, default: object = ...) -> object:
        """The value of `key`, checked; `default` (unless it is `...`) when it is missing."""
        self._left.discard(key)
        value = self._values.get(key, default)
        if value is ...:
            raise Invalid(f"{self._where}: {key!r} is missing (expected {expected})")
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is int):
            raise Invalid(f"{self._where}: {key!r} must be {expected}, found {json.dumps(value)[:60]}")
        return value

    def text(self, key: str, expected: str, default: object = ...) -> str:
        """A string that is not empty and has no control characters: it may become part of a file or of a command."""
        value = str(self.take(key, str, expected, default))
        if any(character < " " for character in value):
            raise Invalid(f"{self._where}: {key!r} must have no control characters")
        if not value and default is ...:
            raise Invalid(f"{self._where}: {key!r} must not be empty (expected {expected})")
        return value

    def path(self, key: str, expected: str) -> Path:
        """An absolute path."""
        value = Path(self.text(key, expected))
        if not value.is_absolute():
            raise Invalid(f"{self._where}: {key!r} must be an absolute path, found {str(value)!r}")
        return value

    def port(self, key: str) -> int:
        """A TCP port."""
        value = self.take(key, int, "a port number")
        assert isinstance(value, int)
        if not 0 < value < 65536:
            raise Invalid(f"{self._where}: {key!r} must be a port number, found {value}")
        return value

    def command(self, key: str) -> tuple[str, ...] | None:
        """A command as a list of words; None when it is null or missing."""
        value = self.take(key, (list, type(None)), "null or a list of words", None)
        if value is None:
            return None
        assert isinstance(value, list)
        if not value or not all(isinstance(word, str) and word for word in value):
            raise Invalid(f"{self._where}: {key!r} must be null or a list of words")
        return tuple(value)

    def table(self, key: str, default: object = ...) -> _Table:
        """An object inside this one."""
        return _Table(self.take(key, dict, "an object", default), f"{self._where}.{key}")

    def names(self) -> tuple[str, ...]:
        """Every key, for an object whose keys are names."""
        return tuple(self._values)

    def tables(self, key: str, default: object = ...) -> dict[str, _Table]:
        """An object whose values are objects."""
        inner = self.take(key, dict, "an object", default)
        assert isinstance(inner, dict)
        return {name: _Table(value, f"{self._where}.{key}.{name}") for name, value in inner.items()}

    def done(self) -> None:
        """Refuse what nobody asked for: most of the time it is a typing slip."""
        if self._left:
            raise Invalid(
                f"{self._where}: unknown key {min(self._left)!r} (known: {', '.join(sorted(set(self._values) - self._left))})"
            )


def load(path: Path) -> HostConfig:
    """Read `host.json`. Raises Invalid with the place of the mistake and what was expected."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise Invalid(f"{path}: cannot be read: {error.strerror}", "name the file with --config") from error
    try:
        value = json.loads(text)
    except ValueError as error:
        raise Invalid(f"{path}: is no JSON: {error}") from error
    return parse(value, path)


def parse(value: object, path: Path) -> HostConfig:
    """Check a decoded `host.json`."""
    table = _Table(value, str(path))
    version = table.take("version", int, f"{VERSION}")
    if version != VERSION:
        raise Invalid(
            f"{path}: version {version} is not known to this drctl-host (it knows {VERSION})",
            "install the same drctl everywhere",
        )
    state_dir = table.path("state_dir", "the folder that drctl-host keeps its state in")
    members = tuple(_parse_member(name, inner, state_dir) for name, inner in table.tables("members").items())
    commands = _parse_commands(table.table("commands", {}))
    table.done()
    return HostConfig(path, state_dir, members, commands)


def _parse_commands(table: _Table) -> Mapping[str, tuple[str, ...]]:
    found: dict[str, tuple[str, ...]] = {}
    for name in table.names():
        if not re.fullmatch(COMMAND_NAME, name):
            raise Invalid(f"{name!r} is no name of a command (letters, digits, '-', '_' and '.', at most 63)")
        words = table.command(name)
        if words is None or not words[0].startswith("/"):
            raise Invalid(f"command {name!r} must be a list of words, the first of them the absolute path of a program")
        found[name] = words
    return found


def _parse_member(name: str, table: _Table, state_dir: Path) -> Member:
    if not name.replace("-", "").replace("_", "").isalnum() or len(name) > 63:
        raise Invalid(f"{name!r} is no name of a member (letters, digits, '-' and '_', at most 63)")
    replication = table.table("replication", {})
    member = Member(
        name=name,
        group=table.text("group", "the name of the group"),
        pgdata=table.path("pgdata", "the data folder"),
        bindir=table.path("bindir", "the folder of pg_ctl, psql, pg_rewind"),
        port=table.port("port"),
        socket_dir=table.text("socket_dir", "the folder of the unix socket"),
        superuser=table.text("superuser", "the database's superuser", "postgres"),
        log=table.path("log", "the server's log file"),
        start=table.command("start"),
        stop=table.command("stop"),
        replication_user=replication.text("user", "the role that standbys stream with", "replicator"),
        passfile=_optional_text(replication, "passfile"),
        options=replication.text("options", "libpq options", ""),
        rewind_user=table.text("rewind_user", "the role that pg_rewind uses", "postgres"),
        peers=tuple(_parse_peer(peer, inner) for peer, inner in table.tables("peers", {}).items()),
        state_dir=state_dir / name,
    )
    replication.done()
    table.done()
    return member


def _parse_peer(name: str, table: _Table) -> Peer:
    peer = Peer(name, table.text("host", "an address"), table.port("port"))
    table.done()
    return peer


def _optional_text(table: _Table, key: str) -> str | None:
    value = table.take(key, (str, type(None)), "null or a file", None)
    return None if value is None else str(value)


def describe(members: tuple[Member, ...]) -> Mapping[str, str]:
    """Member to group, for `hello`."""
    return {member.name: member.group for member in members}
