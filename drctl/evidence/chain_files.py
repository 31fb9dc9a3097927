"""The audit chain on disk: files that are only appended to, one after the other. Used by one process at a time."""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from pathlib import Path

from drctl.audit.entry import GENESIS, Entry, Head, parse
from drctl.audit.verify import Piece, Verdict, verify
from drctl.model.errors import InvalidInput

FILE_BYTES_MAX = 8 * 1024 * 1024
"""Then a new file is begun: some twenty thousand events."""
PATTERN = "chain-*.jsonl"
_DIGITS = 12


class ChainFiles:
    """This center's copy of the chain."""

    def __init__(self, directory: Path, *, file_bytes_max: int = FILE_BYTES_MAX) -> None:
        """Takes the directory for this process, and reads where the copy ends. Raises OSError, InvalidInput."""
        self._directory = directory
        self._file_bytes_max = file_bytes_max
        self.complaint = ""
        """What was wrong with the files when they were opened; empty when nothing was."""
        directory.mkdir(mode=0o750, parents=True, exist_ok=True)
        self._lock = os.open(directory / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError as error:
            os.close(self._lock)
            raise InvalidInput(
                f"another controller writes to {directory}",
                remedy="every controller needs a directory of its own: audit.directory, or one controller a host",
            ) from error
        self.head = self._open_newest()

    @property
    def directory(self) -> Path:
        """Where the files are."""
        return self._directory

    def append(self, entries: Sequence[Entry]) -> None:
        """Write entries, and wait for the disk; those that do not follow the head begin a file. Raises OSError."""
        if not entries:
            return
        file = self._newest()
        if file is None or file.stat().st_size >= self._file_bytes_max or entries[0].previous != self.head.digest:
            file = self._directory / f"chain-{entries[0].sequence:0{_DIGITS}d}.jsonl"
        whole = file.stat().st_size if file.exists() else 0
        with file.open("ab") as stream:
            try:
                stream.write(b"".join(entry.line + b"\n" for entry in entries))
                stream.flush()
                os.fsync(stream.fileno())
            except OSError:
                # Half a line must not stand before what is written next.
                with suppress(OSError):
                    os.ftruncate(stream.fileno(), whole)
                raise
        file.chmod(0o640)
        _sync_folder(self._directory)
        self.head = entries[-1].head

    def after(self, sequence: int) -> Iterator[Entry]:
        """The events with greater numbers, oldest first. Raises InvalidInput when a line is no event."""
        files = chain_files(self._directory)
        for file, following in zip(files, [*files[1:], None], strict=False):
            if following is not None and _first(following) <= sequence + 1:
                continue
            for line in file.read_bytes().splitlines():
                entry = parse(line)
                if entry.sequence > sequence:
                    yield entry

    def set_aside(self, *, at_utc: str) -> Path:
        """Begin anew: what is there is kept for people to look at, in a folder beside. Returns the folder."""
        folder = self._directory / f"aside-{at_utc.replace(':', '').replace('.', '')}"
        folder.mkdir(mode=0o750, exist_ok=True)
        for file in chain_files(self._directory):
            file.rename(folder / file.name)
        _sync_folder(self._directory)
        self.head = GENESIS
        return folder

    def close(self) -> None:
        """Leave the directory to others."""
        os.close(self._lock)

    def _newest(self) -> Path | None:
        files = chain_files(self._directory)
        return files[-1] if files else None

    def _open_newest(self) -> Head:
        """Where the copy ends. A line that a crash cut is removed: it was never counted, and comes again."""
        files = chain_files(self._directory)
        while files:
            data = files[-1].read_bytes()
            whole = data.rfind(b"\n") + 1
            if whole < len(data):
                os.truncate(files[-1], whole)
                data = data[:whole]
            if data:
                verdict = verify([Piece(name=files[-1].name, data=data)])
                if not verdict.sound:
                    self.complaint = f"{self._directory}/{verdict.breaks[0]}"
                return verdict.head
            files.pop().unlink()
        return GENESIS


def chain_files(directory: Path) -> list[Path]:
    """The files of a chain, oldest first."""
    return sorted(directory.glob(PATTERN))


def pieces(paths: Iterable[Path]) -> Iterator[Piece]:
    """The pieces of a chain in files, or in the directories that hold them. Raises InvalidInput."""
    for path in paths:
        files = chain_files(path) if path.is_dir() else [path]
        if not files:
            raise InvalidInput(f"there is no file of an audit chain in {path}", remedy=f"ls {path}")
        for file in files:
            try:
                yield Piece(name=str(file), data=file.read_bytes())
            except OSError as error:
                raise InvalidInput(f"{file} cannot be read: {error.strerror}", remedy=f"ls -l {file}") from error


def verdict_of(directory: Path) -> Verdict:
    """Whether all the files of a directory are one sound chain."""
    return verify(pieces([directory]))


def _first(file: Path) -> int:
    digits = file.stem.partition("-")[2]
    return int(digits) if digits.isdigit() else 0


def _sync_folder(directory: Path) -> None:
    handle = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
