"""A member's processes, out of /proc: a postmaster that is gone may have left backends that still write.

A process belongs to a member when its working folder is the data folder (PostgreSQL stays in it for life) and its program
is a database server: an administrator's shell that stands in the data folder is neither counted nor killed.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from drctl.host.deadline import Deadline

SERVER_PROGRAMS = frozenset({"postgres", "kingbase"})
_POLL_S = 0.005


class Process(NamedTuple):
    """A living process. Pid and start together name it: a pid alone is used again."""

    pid: int
    parent: int
    state: str
    """R running, S sleeping, D uninterruptible, T stopped (as /proc/PID/stat says)."""
    started_ticks: int
    switches: int
    """How often it left a processor. Unchanged between two looks: it did not run in between, if it slept at the first."""


class Postmaster(NamedTuple):
    """A postmaster, as its pid file tells."""

    process: Process
    status: str
    """The last line of the file: `starting`, `ready`, `standby`, `stopping`; empty when it is not written yet."""


def look(pid: int) -> Process | None:
    """The process of that pid; None when it is gone or a zombie, which holds nothing any more."""
    folder = Path("/proc") / str(pid)
    try:
        text = (folder / "stat").read_text()
        status = (folder / "status").read_text()
    except (OSError, UnicodeDecodeError):
        return None
    # The name of the program may contain anything, so count from behind its closing parenthesis.
    fields = text[text.rindex(")") + 2 :].split()
    if fields[0] in {"Z", "X"}:
        return None
    switches = sum(int(line.split()[1]) for line in status.splitlines() if "ctxt_switches" in line)
    return Process(pid, int(fields[1]), fields[0], int(fields[19]), switches)


def same(process: Process) -> bool:
    """Whether the very same process still lives."""
    now = look(process.pid)
    return now is not None and now.started_ticks == process.started_ticks


def title(pid: int) -> str:
    """The command line, which PostgreSQL's children use for their title; empty when it is gone."""
    try:
        return (
            (Path("/proc") / str(pid) / "cmdline").read_bytes().replace(b"\0", b" ").decode("utf-8", "replace").strip()
        )
    except OSError:
        return ""


def sockets(pid: int) -> frozenset[str]:
    """The sockets that a process holds, by their inode."""
    found = set()
    try:
        for link in (Path("/proc") / str(pid) / "fd").iterdir():
            target = str(link.readlink())
            if target.startswith("socket:"):
                found.add(target)
    except OSError:
        return frozenset(found)
    return frozenset(found)


def members_of(pgdata: Path) -> tuple[Process, ...]:
    """Every living server process of a data folder, with or without a postmaster."""
    pids = (int(entry.name) for entry in os.scandir("/proc") if entry.name.isdigit())
    return tuple(process for pid in pids if (process := _member(pid, pgdata)) is not None)


def postmaster_of(pgdata: Path) -> Postmaster | None:
    """The living postmaster of a data folder; None when there is none.

    The pid file of a killed postmaster stays behind, and its pid may belong to somebody else by now: it counts only if that
    process is a server that works in this data folder.
    """
    try:
        lines = (pgdata / "postmaster.pid").read_text(encoding="utf-8", errors="replace").splitlines()
        pid = abs(int(lines[0]))
    except (OSError, ValueError, IndexError):
        return None
    process = _member(pid, pgdata)
    return None if process is None else Postmaster(process, lines[7].strip() if len(lines) > 7 else "")


def free_the_pid_file(pgdata: Path, deadline: Deadline) -> None:
    """Let go of what a killed postmaster left, once every process of the data folder is gone.

    PostgreSQL refuses to start while the pid in its lock files (one here, one beside its socket) lives, whoever has it by
    now: a zombie that nobody has collected yet, which is waited for; or another program of the same user after a reboot,
    against which the file here is removed.
    """
    path = pgdata / "postmaster.pid"
    try:
        content = path.read_bytes()
        pid = abs(int(content.split()[0]))
    except (OSError, ValueError, IndexError):
        return
    for _ in deadline.polls(_POLL_S):
        if not Path(f"/proc/{pid}").exists():
            return
    # Read once more at the last moment: somebody else may have started the member in between.
    if not members_of(pgdata) and path.read_bytes() == content:
        path.unlink()


def _member(pid: int, pgdata: Path) -> Process | None:
    try:
        if not Path(f"/proc/{pid}/cwd").samefile(pgdata):
            return None
        # The kernel appends " (deleted)" after an upgrade has replaced the program.
        program = str(Path(f"/proc/{pid}/exe").readlink()).partition(" (deleted)")[0].rpartition("/")[2]
    except OSError:
        return None
    return look(pid) if program in SERVER_PROGRAMS else None


def wait_until_gone(pgdata: Path, deadline: Deadline) -> bool:
    """Whether every process of the data folder was gone before the deadline."""
    return any(not members_of(pgdata) for _ in deadline.polls(_POLL_S))


def send(process: Process, number: signal.Signals) -> None:
    """Signal the very same process; nothing happens when it is gone."""
    if same(process):
        try:
            os.kill(process.pid, number)
        except ProcessLookupError:
            return


def kill_all(pgdata: Path, deadline: Deadline) -> bool:
    """SIGKILL to every process of the data folder, again and again until none is left. Whether none was left.

    A stopped process (SIGSTOP) dies of it; one that is frozen by a cgroup or waits uninterruptibly for a disk does not,
    and may go on when it thaws: "kill returned" is not "gone".
    """
    for _ in deadline.polls(_POLL_S * 4):
        left = members_of(pgdata)
        if not left:
            return True
        for process in left:
            send(process, signal.SIGKILL)
    return not members_of(pgdata)


def slept_through(pid: int, observe: Callable[[], bool]) -> bool:
    """Whether `observe()` held while the process slept all the time, so that both are one observation of one moment.

    A signal that is sent to a sleeping process makes it runnable before `kill` returns (Linux, `signal_wake_up`). So a
    process that is seen asleep *after* a signal was sent has run since, has been through its signal handler, and has gone
    to sleep again; and if it sleeps at a place that its main loop only reaches after it has looked at the handler's flag,
    it has acted on the signal. This is how one learns that a process without an SQL interface has read its configuration.
    """
    before = look(pid)
    if before is None or before.state != "S" or not observe():
        return False
    return look(pid) == before
