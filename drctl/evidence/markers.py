"""The ledger of acknowledged markers: kept beside the databases, so that it survives them. Bounded; nobody waits for its disk."""

from __future__ import annotations

import json
import os
import queue
import threading
from pathlib import Path

from drctl.model.identity import Epoch, GroupName, MemberName
from drctl.model.marker import AckedMarker
from drctl.model.position import Position, Timeline, format_lsn, parse_lsn

FILE = "markers.jsonl"
FILE_BYTES_MAX = 256 * 1024
"""Some forty minutes of one group; then a second file is begun, and the one before it dropped."""
WAITING_MAX = 256
"""Markers that a slow disk has not taken yet; then the newer ones are not written."""


class MarkerLedger:
    """Remembers the newest marker of every member, in memory and, where there is a folder, on disk. From any thread."""

    def __init__(self, folder: Path | None) -> None:
        """Reads what an earlier start wrote. Raises OSError when `folder` cannot be made or read."""
        self._newest: dict[tuple[GroupName, MemberName], AckedMarker] = {}
        self._file = None if folder is None else folder / FILE
        self._waiting: queue.Queue[bytes | None] = queue.Queue(WAITING_MAX)
        self._writer: threading.Thread | None = None
        if self._file is not None:
            self._file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
            for file in (_older(self._file), self._file):
                self._read(file)
            self._file.touch()
            self._writer = threading.Thread(target=self._write, args=(self._file,), name="ledger", daemon=True)
            self._writer.start()

    def keep(self, group: GroupName, marker: AckedMarker) -> None:
        """Remember `marker`. Waits for nothing."""
        self._newest[group, marker.member] = marker
        if self._writer is not None:
            try:
                self._waiting.put_nowait(_line(group, marker))
            except queue.Full:
                return  # the disk is stuck; the newest are in memory all the same

    def newest(self, group: GroupName, member: MemberName) -> AckedMarker | None:
        """The newest marker that `member` acknowledged to this controller; None when none is known."""
        return self._newest.get((group, member))

    def close(self, *, deadline_s: float) -> None:
        """Write what waits."""
        if self._writer is None:
            return
        try:
            self._waiting.put_nowait(None)
        except queue.Full:
            return
        self._writer.join(deadline_s)

    def _read(self, file: Path) -> None:
        try:
            lines = file.read_bytes().splitlines()
        except FileNotFoundError:
            return
        for line in lines:
            try:
                group, marker = _marker(line)
            except (ValueError, KeyError, TypeError):
                continue  # cut short by the end of the process that wrote it
            self._newest[group, marker.member] = marker

    def _write(self, file: Path) -> None:
        while (line := self._waiting.get()) is not None:
            try:
                _append(file, line)
            except OSError:
                continue  # a full disk: the next one may find room again


def _append(file: Path, line: bytes) -> None:
    if file.stat().st_size > FILE_BYTES_MAX:
        file.replace(_older(file))
    with file.open("ab") as stream:
        stream.write(line)
        stream.flush()
        os.fdatasync(stream.fileno())


def _older(file: Path) -> Path:
    return file.with_suffix(".old.jsonl")


def _line(group: GroupName, marker: AckedMarker) -> bytes:
    fields = {
        "group": group,
        "member": marker.member,
        "epoch": marker.epoch,
        "sequence": marker.sequence,
        "timeline": marker.position.timeline,
        "lsn": format_lsn(marker.position.lsn),
        "at": marker.at_utc,
    }
    return json.dumps(fields, ensure_ascii=False).encode() + b"\n"


def _marker(line: bytes) -> tuple[GroupName, AckedMarker]:
    fields = json.loads(line)
    return GroupName(fields["group"]), AckedMarker(
        member=MemberName(fields["member"]),
        epoch=Epoch(int(fields["epoch"])),
        sequence=int(fields["sequence"]),
        position=Position(timeline=Timeline(int(fields["timeline"])), lsn=parse_lsn(fields["lsn"])),
        at_utc=str(fields["at"]),
    )
