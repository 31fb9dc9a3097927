"""Put drctl-host where it belongs on a database host: the changes are told first, and made only when they are wanted.

It needs no root: everything is below folders of the user that runs the database.
"""

from __future__ import annotations

import json
import os
import pwd
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from drctl.host.config import parse
from drctl.host.faults import Invalid, Refused
from drctl.host.files import read_json, write_durably
from drctl.host.processes import SERVER_PROGRAMS

PYTHON = "/usr/bin/python3"
PROGRAM = "the program"
_KEY = re.compile(r"(ssh-[a-z0-9-]+|ecdsa-[a-z0-9-]+|sk-[a-z0-9@.-]+) ([A-Za-z0-9+/=]+)(?: .*)?")


class Wish(NamedTuple):
    """What a controller's machine knows of the member: the rest is found here."""

    member: str
    group: str
    port: int
    key: str
    """drctl's public key, as in `authorized_keys`."""
    replication_user: str
    rewind_user: str
    peers: Mapping[str, Mapping[str, object]]
    folder: str
    """Of the program, its configuration and its state; relative to the home of the user."""
    authorized_keys: str
    start: list[str] | None
    stop: list[str] | None


class Change(NamedTuple):
    """One file that is not as it should be."""

    path: Path
    what: str
    why: str
    before: str
    """What stands there now; empty when there is nothing."""
    after: str
    content: bytes
    mode: int


class Server(NamedTuple):
    """The running postmaster that listens on the member's port."""

    pgdata: str
    bindir: str
    socket_dir: str
    user: str


def parse_wish(text: str) -> Wish:
    """Read what came over the wire. Raises Invalid."""
    try:
        value = json.loads(text)
        wish = Wish(**value)
    except (ValueError, TypeError) as error:
        raise Invalid(
            f"what is to be installed cannot be understood: {error}", "use the same drctl on both sides"
        ) from error
    if _KEY.fullmatch(wish.key) is None:
        raise Invalid("drctl's key is no public SSH key", "name it with --key")
    return wish


def plan(wish: Wish, program: Path) -> tuple[Change, ...]:
    """What would have to be changed here. Raises Invalid, Refused."""
    return tuple(change for change in _files(wish, program) if change.before != change.after)


def apply(wish: Wish, program: Path) -> tuple[Change, ...]:
    """Make the changes; the ones that were made. Raises Invalid, Refused; every file is whole before or after."""
    changes = plan(wish, program)
    _private(_folder(wish))
    _private(_folder(wish) / "state")
    for change in changes:
        if not change.path.parent.exists():
            _private(change.path.parent)
        write_durably(change.path, change.content, change.mode)
    return changes


def told(change: Change) -> dict[str, object]:
    """A change for the wire, without its content."""
    return {
        "path": str(change.path),
        "what": change.what,
        "why": change.why,
        "before": change.before,
        "after": change.after,
    }


def _files(wish: Wish, program: Path) -> Iterator[Change]:
    folder = _folder(wish)
    installed, config = folder / "drctl-host", folder / "host.json"
    new = program.read_bytes()
    yield Change(
        path=installed,
        what=PROGRAM,
        why="controllers act on the database through it; one file, standard library only",
        before=_digest(_bytes(installed)),
        after=_digest(new),
        content=new,
        mode=0o755,
    )
    document = _document(wish, config, folder / "state")
    text = json.dumps(document, ensure_ascii=False, indent=1) + "\n"
    parse(document, config)
    yield Change(
        path=config,
        what="its configuration",
        why="paths and addresses are taken from here, and never from the wire",
        before=_bytes(config).decode("utf-8", "replace"),
        after=text,
        content=text.encode(),
        mode=0o600,
    )
    keys = _home() / wish.authorized_keys
    before = _bytes(keys).decode("utf-8", "replace")
    _refuse_another(before, wish.key, config)
    after = _with_key(before, wish.key, f"{PYTHON} -I -S {installed} serve --config {config}")
    yield Change(
        path=keys,
        what="drctl's key",
        why="it may run this one program and nothing else: no shell, no forwarding",
        before=before,
        after=after,
        content=after.encode(),
        mode=0o600,
    )


def _document(wish: Wish, config: Path, state: Path) -> dict[str, object]:
    """What stands in host.json with this member in it: what a person has set for it stays."""
    document = read_json(config) or {"version": 1, "state_dir": str(state), "members": {}}
    members = document.get("members")
    if not isinstance(members, dict):
        raise Invalid(f"{config}: `members` is no object", "repair it, or move it away")
    kept = members.get(wish.member)
    if kept is None:
        kept = _found(wish)
    elif not isinstance(kept, dict):
        raise Invalid(f"{config}: {wish.member} is no object", "repair it, or move it away")
    own = {"start": wish.start, "stop": wish.stop}
    told = {key: value for key, value in own.items() if value is not None}
    peers = {name: dict(peer) for name, peer in wish.peers.items()}
    changed = {**kept, "group": wish.group, "port": wish.port, "peers": peers, **told}
    return {**document, "members": {**members, wish.member: changed}}


def _found(wish: Wish) -> dict[str, object]:
    """A member that drctl-host does not know yet, from its running server. Raises Refused when none runs on its port."""
    server = running_on(wish.port)
    if server is None:
        raise Refused(
            f"no PostgreSQL of user {pwd.getpwuid(os.geteuid()).pw_name} listens on port {wish.port} here",
            f"start {wish.member} first: its folders are read from the running server; is `port` in cluster.yaml right?",
        )
    if wish.start is None and not (Path(server.pgdata) / "postgresql.conf").exists():
        raise Refused(
            f"{server.pgdata} has no postgresql.conf, so pg_ctl alone could not start {wish.member}",
            'say how it is started and stopped, for example --start "/usr/bin/pg_ctlcluster 15 main start" --stop '
            '"/usr/bin/pg_ctlcluster 15 main stop"',
        )
    passfile = _home() / ".pgpass"
    return {
        "group": wish.group,
        "pgdata": server.pgdata,
        "bindir": server.bindir,
        "port": wish.port,
        "socket_dir": server.socket_dir,
        "superuser": server.user,
        "log": str(Path(server.pgdata).with_name("drctl-postgresql.log")),
        "start": wish.start,
        "stop": wish.stop,
        "replication": {
            "user": wish.replication_user,
            "passfile": str(passfile) if passfile.exists() else None,
            "options": "sslmode=prefer",
        },
        "rewind_user": wish.rewind_user,
        "peers": {},
    }


def running_on(port: int) -> Server | None:
    """The server of this user that listens on `port` in this network; None when there is none."""
    network = Path("/proc/self/ns/net").readlink()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            if (entry / "ns" / "net").readlink() != network:
                continue  # of a container: it listens elsewhere
            program = (entry / "exe").readlink()
            pgdata = (entry / "cwd").readlink()
            lines = (pgdata / "postmaster.pid").read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError):
            continue
        if program.name not in SERVER_PROGRAMS or len(lines) < 5 or lines[0] != entry.name:
            continue
        # Lines of postmaster.pid: pid, data folder, start time, port, socket folder (PostgreSQL, "pidfile.h").
        if lines[3] == str(port):
            user = pwd.getpwuid(os.geteuid()).pw_name
            return Server(str(pgdata), str(program.parent), lines[4] or "/tmp", user)  # noqa: S108 - libpq's default
    return None


def _refuse_another(text: str, key: str, config: Path) -> None:
    """A second installation would forget the epochs and fences of the first: that is how two primaries begin."""
    match = _KEY.fullmatch(key)
    assert match is not None, "checked when the wish was read"
    for line in text.splitlines():
        other = re.search(r' --config ([^ "]+)', line)
        if match[2] in line.split() and other is not None and other[1] != str(config):
            raise Refused(
                f"drctl's key runs a drctl-host here that keeps its state elsewhere, as {other[1]} says",
                f"to put that one right: --folder {Path(other[1]).parent}; never leave its state behind",
            )


def _with_key(text: str, key: str, command: str) -> str:
    """`authorized_keys` with one line for drctl's key, whatever options it had before."""
    match = _KEY.fullmatch(key)
    assert match is not None, "checked when the wish was read"
    line = f'command="{command}",restrict {key}'
    if line in text.splitlines():
        return text
    others = [other for other in text.splitlines() if match[2] not in other.split()]
    return "\n".join([*others, line]) + "\n"


def _folder(wish: Wish) -> Path:
    return _home() / wish.folder


def _home() -> Path:
    return Path(pwd.getpwuid(os.geteuid()).pw_dir)


def _private(path: Path) -> None:
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            f"{path} cannot be made: {error.strerror}", "name another folder with --folder, or make it for this user"
        ) from error


def _bytes(path: Path) -> bytes:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return b""
    except OSError as error:
        raise Refused(f"{path} cannot be read: {error.strerror}", "look at its owner and mode") from error


def _digest(content: bytes) -> str:
    from hashlib import sha256

    return f"sha256:{sha256(content).hexdigest()[:16]}, {len(content)} bytes" if content else ""
