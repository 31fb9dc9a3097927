"""Files that must survive a power loss, and locks between processes."""

from __future__ import annotations

import fcntl
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from drctl.host.deadline import Deadline
from drctl.host.faults import Refused

_LOCK_POLL_S = 0.003


def write_durably(path: Path, content: bytes, mode: int = 0o600) -> None:
    """Replace a file in one step: after a power loss it has the old content or the new, never half of either."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.new")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, mode)
    try:
        with os.fdopen(descriptor, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    sync_folder(path.parent)


def remove_durably(path: Path) -> None:
    """Remove a file if it is there, for good."""
    if path.exists():
        path.unlink(missing_ok=True)
        sync_folder(path.parent)


def sync_folder(path: Path) -> None:
    """Make names in a folder durable: a rename is not, until its folder is synced."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def write_json(path: Path, value: Mapping[str, object]) -> None:
    """Replace a JSON file durably."""
    write_durably(path, json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n")


def read_json(path: Path) -> dict[str, object]:
    """A JSON object; empty when there is no such file. Raises Refused when it cannot be understood.

    It is never taken for empty then: an epoch or a fence that is forgotten is how two primaries begin.
    """
    try:
        value = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise Refused(
            f"{path} cannot be read: {error}",
            "look at the disk; drctl writes this file in one step, so it was damaged from outside",
        ) from error
    if not isinstance(value, dict):
        raise Refused(
            f"{path} is no JSON object", "it was damaged from outside: compare it with the other files beside it"
        )
    return value


@contextmanager
def locked(path: Path, deadline: Deadline, what: str) -> Iterator[None]:
    """Hold an exclusive lock between processes and between threads. Raises Refused when it is not to be had in time."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    try:
        for _ in deadline.polls(_LOCK_POLL_S):
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                continue
        else:
            raise Refused(f"another command holds {what}", "ask again; every command ends by its own deadline")
        yield
    finally:
        os.close(descriptor)


def make_state_folder(path: Path) -> None:
    """Create a member's folder below the state folder. Raises Refused where that cannot be."""
    try:
        path.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise Refused(
            f"{path} cannot be made: {error.strerror}",
            f"make it, owned by the user that runs drctl-host: install -d -o postgres -m 700 {path}",
        ) from error
