"""A member's own settings, kept aside while its data is replaced by its upstream's.

`pg_rewind` and `pg_basebackup` bring the upstream's `postgresql.auto.conf` along: its port, its `synchronous_standby_names`,
and, worst, a `primary_conninfo = ''` that sealed it. So the own files are saved before and written again after.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path

from drctl.host import state
from drctl.host.config import Member
from drctl.host.files import sync_folder, write_durably

_FOLDER = "own-conf"
_SUFFIXES = frozenset({".conf", ".crt", ".key", ".pem", ".crl"})
_FILE_BYTES_MAX = 4 << 20
_FOLDERS = ("conf.d",)


def save(member: Member) -> None:
    """Put the own settings aside; but leave an older save alone where the data folder may hold the upstream's by now."""
    folder = member.state_dir / _FOLDER
    if folder.exists() and state.half_rewound(member.state_dir):
        return
    temporary = member.state_dir / f".{_FOLDER}.new"
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(mode=0o700)
    for path in _own_files(member.pgdata):
        target = temporary / path.relative_to(member.pgdata)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(target, path.read_bytes())
    sync_folder(temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.replace(folder)
    sync_folder(member.state_dir)


def write_again(member: Member, pgdata: Path) -> None:
    """Write the own settings into a data folder; what the upstream has and the member had not, goes."""
    folder = member.state_dir / _FOLDER
    for path in _own_files(pgdata):
        if not (folder / path.relative_to(pgdata)).exists():
            path.unlink()
    for path in _own_files(folder):
        target = pgdata / path.relative_to(folder)
        target.parent.mkdir(mode=0o700, exist_ok=True)
        write_durably(target, path.read_bytes())


def _own_files(folder: Path) -> list[Path]:
    """Settings and keys at the top of a data folder, and in its `conf.d`. Links stay links: they lead out of the folder."""
    candidates = [Path(entry.path) for entry in os.scandir(folder)]
    for name in _FOLDERS:
        if (folder / name).is_dir() and not (folder / name).is_symlink():
            candidates += [Path(entry.path) for entry in os.scandir(folder / name)]
    return [
        path
        for path in sorted(candidates)
        if path.suffix in _SUFFIXES
        and path.is_file()
        and not path.is_symlink()
        and path.stat().st_size <= _FILE_BYTES_MAX
    ]
