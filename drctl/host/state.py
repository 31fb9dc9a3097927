"""What the host remembers of a member between commands: fence, seal, promotion. Each names its epoch."""

from __future__ import annotations

import time
from pathlib import Path
from typing import NamedTuple

from drctl.host.files import make_state_folder, read_json, remove_durably, write_json

_FENCE = "fence.json"
_STATE = "member.json"
_REWINDING = "rewinding.json"


class MemberState(NamedTuple):
    """Void as soon as another command says otherwise: sealing ends a promotion, following ends a seal."""

    sealed_epoch: int | None = None
    """The epoch in which the member was last proved to be sealed; None when it is not."""
    conninfo: str = ""
    """The `primary_conninfo` that the seal cleared; empty when there was none."""
    pause_is_ours: bool = False
    """The seal has asked for a pause of replay and has not ended it yet: whoever finds this ends it."""
    promoted_epoch: int | None = None
    """The epoch in which drctl made the member the primary; None when it did not."""
    promoted_timeline: int | None = None
    promoted_lsn: str | None = None


def load(folder: Path) -> MemberState:
    """What is remembered. Keys of a newer drctl are ignored."""
    known = {key: value for key, value in read_json(folder / _STATE).items() if key in MemberState._fields}
    return MemberState(**known)  # type: ignore[arg-type]


def save(folder: Path, state: MemberState) -> None:
    """Remember it, on disk, before returning."""
    make_state_folder(folder)
    write_json(folder / _STATE, state._asdict())


def fence_epoch(folder: Path) -> int | None:
    """The epoch that fenced the member; None when it is not fenced.

    A fence file that cannot be read is a fence: staying down loses no commit.
    """
    path = folder / _FENCE
    if not path.exists():
        return None
    try:
        epoch = read_json(path).get("epoch")
    except Exception:  # noqa: BLE001 - whatever is wrong with the file, the member stays down
        return 0
    return epoch if isinstance(epoch, int) else 0


def put_up_fence(folder: Path, epoch: int) -> None:
    """Keep the member down, across a reboot too: the init system asks `may-start` before it starts PostgreSQL."""
    make_state_folder(folder)
    write_json(folder / _FENCE, {"epoch": epoch, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())})


def lift_fence(folder: Path) -> None:
    """Let the member start again."""
    remove_durably(folder / _FENCE)


def begin_rewind(folder: Path, upstream: str) -> None:
    """From here until `end_rewind` the data folder mixes two histories."""
    make_state_folder(folder)
    write_json(folder / _REWINDING, {"upstream": upstream})


def end_rewind(folder: Path) -> None:
    """The data folder is of one piece again."""
    remove_durably(folder / _REWINDING)


def half_rewound(folder: Path) -> bool:
    """Whether a rewind was begun and never ended.

    PostgreSQL's manual says of a pg_rewind that failed on the way: "the data folder of the target is likely not in a state
    that can be recovered. In such a case, taking a new fresh backup is recommended." Blocks of two histories are mixed, and a
    second rewind would compute what to copy from a control file that may be neither's. So it is not started, and copied anew.
    """
    return (folder / _REWINDING).exists()


def may_start(folder: Path) -> bool:
    """What the init system is told."""
    return fence_epoch(folder) is None and not half_rewound(folder)
