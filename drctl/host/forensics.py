"""Before WAL is discarded: keep it, and list the commits in it.

Each of them must be one that no client was told of. Whether that holds is judged elsewhere (the ledger of acknowledged
markers is the witness); here is what it is judged by.
"""

from __future__ import annotations

import os
import re
import select
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from drctl.host.config import Member
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused
from drctl.host.files import sync_folder
from drctl.host.programs import JOB_VARIABLE, environment
from drctl.host.programs import end as end_child
from drctl.host.timeline import Era, Fork
from drctl.host.wal import format_lsn, parse_segment
from drctl.host.walend import WalEnd

LISTED_MAX = 1000
"""Commits, and rows, that are listed one by one; the counts are complete."""
KEPT_FOLDERS_MAX = 20
RESERVE_BYTES = 256 << 20
"""Left free on the disk when WAL is kept."""

_LINE = re.compile(r"rmgr: (\w+) .*?tx:\s*(\d+), lsn: ([0-9A-F]+/[0-9A-F]+), .*?desc: (\S+)(.*)")
_TIME = re.compile(r"\d{4}-\d{2}-\d{2} \d{2}:\d{2}:\d{2}(?:\.\d+)?")
_RELATION = re.compile(r"rel (\d+/\d+/\d+)")
_COMMITS = frozenset({"COMMIT", "COMMIT_PREPARED"})
_ROWS = {
    "INSERT": "insert",
    "INSERT+INIT": "insert",
    "UPDATE": "update",
    "UPDATE+INIT": "update",
    "HOT_UPDATE": "update",
    "HOT_UPDATE+INIT": "update",
    "DELETE": "delete",
    "MULTI_INSERT": "insert",
    "MULTI_INSERT+INIT": "insert",
}


class Findings(NamedTuple):
    """What a fork holds."""

    commits: int
    commits_listed: list[dict[str, object]]
    """`xid`, `lsn`, `at` (UTC), at most LISTED_MAX."""
    rows: int
    rows_listed: list[dict[str, object]]
    """`xid`, `lsn`, `op`, `rel` (tablespace/database/relfilenode), at most LISTED_MAX."""


def keep_wal(member: Member, epoch: int, fork: Fork | None, end: WalEnd | None, segment_bytes: int) -> Path:
    """Copy the WAL from the fork to the end, and the history files, beside drctl-host's state. Returns the folder.

    A copy, not a link: `pg_rewind` and a recycling server write into the same file again. Raises Refused when the disk
    cannot hold it: what cannot be kept is not discarded. Everything is kept where fork or end is not known.
    """
    folder = member.state_dir / f"kept-{epoch}"
    first = 0 if fork is None else (fork.lsn or 0) // segment_bytes
    last = None if end is None else end.lsn // segment_bytes
    paths = [
        path
        for path in sorted(member.wal_dir.iterdir())
        if path.suffix == ".history" or _is_between(path.name, first, last, segment_bytes)
    ]
    needed_bytes = sum(path.stat().st_size for path in paths)
    if needed_bytes + RESERVE_BYTES > shutil.disk_usage(member.state_dir).free:
        raise Refused(
            f"{needed_bytes} bytes of WAL must be kept before they are discarded, and {member.state_dir} has no room",
            "make room there",
        )
    folder.mkdir(mode=0o700, exist_ok=True)
    for path in paths:
        target = folder / path.name
        temporary = folder / f".{path.name}.new"
        with path.open("rb") as source, temporary.open("wb") as copy:
            shutil.copyfileobj(source, copy, 1 << 20)
            copy.flush()
            os.fsync(copy.fileno())
        temporary.replace(target)
    sync_folder(folder)
    sync_folder(member.state_dir)
    _forget_the_oldest(member)
    return folder


def list_fork(
    member: Member, kept: Path, eras: tuple[Era, ...], end: WalEnd, segment_bytes: int, deadline: Deadline
) -> Findings:
    """The commits and the changed rows of `eras`: the part of the member's history that is discarded, from the fork on."""
    commits = rows = 0
    commits_listed: list[dict[str, object]] = []
    rows_listed: list[dict[str, object]] = []
    for line in _records(member, kept, eras, end, segment_bytes, deadline):
        match = _LINE.search(line)
        if match is None:
            continue
        manager, xid, lsn, what, rest = match.groups()
        if manager == "Transaction" and what in _COMMITS:
            commits += 1
            if len(commits_listed) < LISTED_MAX:
                at = _TIME.search(rest)
                commits_listed.append(
                    {"xid": int(xid), "lsn": lsn, "at": "" if at is None else at[0].replace(" ", "T") + "Z"}
                )
        elif manager != "Transaction" and what in _ROWS:
            rows += 1
            if len(rows_listed) < LISTED_MAX:
                relation = _RELATION.search(rest)
                rows_listed.append(
                    {"xid": int(xid), "lsn": lsn, "op": _ROWS[what], "rel": "" if relation is None else relation[1]}
                )
    return Findings(commits, commits_listed, rows, rows_listed)


def _records(
    member: Member, kept: Path, eras: tuple[Era, ...], end: WalEnd, segment_bytes: int, deadline: Deadline
) -> Iterator[str]:
    """The records of each era that change something, as `pg_waldump` prints them."""
    for era in eras:
        numbers = [
            found.number
            for path in kept.iterdir()
            if (found := parse_segment(path.name, segment_bytes)) and found.timeline == era.timeline
        ]
        if not numbers:
            continue
        # The segment of the fork may have been recycled by a member that ran on alone for long.
        start_lsn = max(era.begin_lsn, min(numbers) * segment_bytes)
        end_lsn = end.lsn if era.end_lsn is None else era.end_lsn
        span = ["-t", str(era.timeline), "-s", format_lsn(start_lsn), "-e", format_lsn(end_lsn)]
        managers = [word for manager in ("Transaction", "Heap", "Heap2") for word in ("-r", manager)]
        yield from _lines([member.bindir / "pg_waldump", "-p", kept, *span, *managers], deadline)


def _is_between(name: str, first: int, last: int | None, segment_bytes: int) -> bool:
    segment = parse_segment(name, segment_bytes)
    return segment is not None and first <= segment.number and (last is None or segment.number <= last)


def _lines(argv: list[str | Path], deadline: Deadline) -> Iterator[str]:
    """The lines that a program writes, as it writes them. Raises Refused when the deadline comes first."""
    child = subprocess.Popen(
        [os.fspath(word) for word in argv],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        env=environment(),
        cwd="/",
        start_new_session=JOB_VARIABLE not in os.environ,
    )
    assert child.stdout is not None
    rest = b""
    try:
        while select.select([child.stdout], [], [], deadline.remaining_s)[0]:
            chunk = os.read(child.stdout.fileno(), 1 << 16)
            if not chunk:
                return
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                yield line.decode("utf-8", "replace")
        raise Refused(f"{argv[0]} took too long", "the WAL is kept; list it by hand")
    finally:
        child.stdout.close()
        end_child(child)


def _forget_the_oldest(member: Member) -> None:
    """Everything that grows has a bound, this too: twenty rejoins are kept."""
    folders = sorted(member.state_dir.glob("kept-*"), key=lambda path: path.stat().st_mtime)
    for folder in folders[:-KEPT_FOLDERS_MAX]:
        shutil.rmtree(folder, ignore_errors=True)
