"""The epoch file: who was replaced is refused here, whatever it still believes.

Every operation on a group has an epoch, one higher than the last. A controller that slept (a pause of the virtual machine,
a long garbage collection, a partition) and wakes up after another took over sends its command with the old epoch. Nothing
in its own memory can tell it so; this file does.
"""

from __future__ import annotations

from pathlib import Path

from drctl.host.deadline import Deadline
from drctl.host.faults import Refused, StaleEpoch
from drctl.host.files import locked, make_state_folder, read_json, write_json

_FILE = "epoch.json"
_LOCK = "epoch.lock"


def highest(folder: Path) -> int:
    """The highest epoch that this member has seen; 0 when it never saw one."""
    value = read_json(folder / _FILE).get("epoch", 0)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise Refused(
            f"{folder / _FILE} holds no epoch",
            "it was damaged from outside: write the group's epoch of `drctl list` into it",
        )
    return value


def admit(folder: Path, epoch: int, deadline: Deadline) -> None:
    """Refuse an epoch below the highest seen; remember it otherwise, on disk, *before* the caller has any effect.

    The lock is held only while the file is read and replaced, so a command that runs for long never keeps a higher epoch
    out. Raises StaleEpoch.
    """
    make_state_folder(folder)
    with locked(folder / _LOCK, deadline, "the epoch file"):
        seen = highest(folder)
        if epoch < seen:
            raise StaleEpoch(
                f"epoch {epoch} is over: this host has seen {seen}", "another controller acts; nothing to do"
            )
        if epoch > seen:
            write_json(folder / _FILE, {"epoch": epoch})


def still(folder: Path, epoch: int) -> None:
    """Raise StaleEpoch when a higher epoch came in the meantime: asked again right before what cannot be undone."""
    seen = highest(folder)
    if epoch < seen:
        raise StaleEpoch(
            f"epoch {epoch} ended while the command ran: this host has seen {seen}",
            "another controller acts; nothing to do",
        )
