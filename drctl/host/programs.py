"""External programs, each with a deadline, bounded output and a clean environment."""

from __future__ import annotations

import os
import signal
import subprocess
import tempfile
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from drctl.host.deadline import Deadline

OUTPUT_BYTES_MAX = 256 * 1024
STILL_S = 0.1
"""Between two questions whether a program may go on."""
JOB_VARIABLE = "DRCTL_HOST_JOB"
"""Set in a job's process: what it runs stays in its process group, so that one signal ends all of it."""
_KEPT = ("PATH", "HOME", "USER", "LOGNAME", "LD_LIBRARY_PATH", JOB_VARIABLE)


class Finished(NamedTuple):
    """How a program ended."""

    code: int | None
    """None when it was killed at its deadline."""
    output: str
    """What it said on stdout, at most OUTPUT_BYTES_MAX."""
    errors: str
    """What it said on stderr, at most OUTPUT_BYTES_MAX."""

    @property
    def ok(self) -> bool:
        """Whether it ended by itself, with success."""
        return self.code == 0

    @property
    def complaint(self) -> str:
        """The last lines of what it said, for a person."""
        lines = (self.errors.strip() or self.output.strip() or "it said nothing").splitlines()
        return " / ".join(line.strip() for line in lines[-3:])[-600:]


def environment(extra: Mapping[str, str] | None = None) -> dict[str, str]:
    """English messages, UTC, no PG* variable of whoever logged in: what is parsed must not depend on them."""
    kept = {name: os.environ[name] for name in _KEPT if name in os.environ}
    kept.setdefault("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
    return {**kept, "LC_ALL": "C", "TZ": "UTC", **(extra or {})}


def run(
    argv: Sequence[str | Path],
    deadline: Deadline,
    extra: Mapping[str, str] | None = None,
    still: Callable[[], None] | None = None,
) -> Finished:
    """Run a program to its end or to the deadline, when it and its children are killed.

    `still` is asked now and then whether it may go on; what it raises ends the program too, and is raised.

    Output goes to files, not pipes: a postmaster that the program leaves behind may keep its end of a pipe open for ever.
    """
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        try:
            child = subprocess.Popen(
                [os.fspath(word) for word in argv],
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=errors,
                env=environment(extra),
                cwd="/",
                start_new_session=JOB_VARIABLE not in os.environ,
            )
        except OSError as error:
            return Finished(127, "", f"{argv[0]}: {error.strerror}")
        try:
            code = _wait(child, deadline, still)
        except BaseException:
            end(child)
            raise
        if code is None:
            end(child)
        return Finished(code, _head(output.fileno()), _head(errors.fileno()))


def _wait(child: subprocess.Popen[bytes], deadline: Deadline, still: Callable[[], None] | None) -> int | None:
    """The exit code; None when the deadline came first."""
    while True:
        patience_s = deadline.remaining_s if still is None else min(STILL_S, deadline.remaining_s)
        try:
            return child.wait(timeout=max(0.001, patience_s))
        except subprocess.TimeoutExpired:
            if deadline.passed:
                return None
        if still is not None:
            still()


def end(child: subprocess.Popen[bytes]) -> None:
    """SIGKILL to a program that we run; to its children too, unless they are in our own group."""
    try:
        os.killpg(child.pid, signal.SIGKILL)
    except ProcessLookupError:
        child.kill()
    child.wait()


def _head(descriptor: int) -> str:
    return os.pread(descriptor, OUTPUT_BYTES_MAX, 0).decode("utf-8", "replace")


def log_tail(path: Path, lines_max: int = 5) -> str:
    """The last lines of a log, for a person; empty when it cannot be read."""
    try:
        with path.open("rb") as file:
            size_bytes = file.seek(0, os.SEEK_END)
            file.seek(max(0, size_bytes - 8192))
            lines = file.read(8192).decode("utf-8", "replace").splitlines()
    except OSError:
        return ""
    return " / ".join(line.strip() for line in lines[-lines_max:] if line.strip())
