"""A command that takes minutes: a process of its own, which outlives the SSH channel and tells its state in a file."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

from drctl.host import processes
from drctl.host.deadline import Deadline
from drctl.host.faults import Unknown
from drctl.host.files import make_state_folder, read_json, write_json
from drctl.host.programs import JOB_VARIABLE, environment

_FILE = "job.json"
_LOG = "job.log"
_LOG_BYTES_MAX = 1 << 20
_POLL_S = 0.01
_KILL_S = 5.0


class Job(NamedTuple):
    """How the last job of a member stands."""

    kind: str = "rejoin"
    epoch: int = 0
    upstream: str = ""
    method: str = "auto"
    """As asked for while it runs; as done when it is done."""
    phase: str = "starting"
    state: str = "running"
    """running, done or failed."""
    pid: int = 0
    started_ticks: int = 0
    progress: str = ""
    detail: str = ""
    """Why it failed, or what a person should know; empty when all is well."""
    forensics: Mapping[str, object] = {}
    failure_told: bool = False
    """A controller has been told that it failed: asked again, it begins anew."""


def last_job(folder: Path) -> Job | None:
    """The last job; None when there never was one. One whose process is gone without a word has failed."""
    value = read_json(folder / _FILE)
    if not value:
        return None
    job = Job(**{key: field for key, field in value.items() if key in Job._fields})  # type: ignore[arg-type]
    if job.state == "running" and not _lives(job):
        return job._replace(
            state="failed", detail=f"its process ended in phase {job.phase} without a word: see {folder / _LOG}"
        )
    return job


def running_job(folder: Path) -> Job | None:
    """The job that runs now; None when none does."""
    job = last_job(folder)
    return job if job is not None and job.state == "running" else None


def remember(folder: Path, job: Job) -> None:
    """Tell everybody how the job stands."""
    write_json(folder / _FILE, job._asdict())


def launch(folder: Path, config: Path, member: str, job: Job) -> Job:
    """Start the process of a job. It waits for a word before it does anything, so that its file is there before it is."""
    make_state_folder(folder)
    log = folder / _LOG
    if log.exists() and log.stat().st_size > _LOG_BYTES_MAX:
        log.unlink()
    with log.open("ab") as output:
        child = subprocess.Popen(
            [*_program(), "job", member, "--config", os.fspath(config)],
            stdin=subprocess.PIPE,
            stdout=output,
            stderr=output,
            start_new_session=True,
            cwd="/",
            env=environment({JOB_VARIABLE: "1", **_module_path()}),
        )
    process = processes.look(child.pid)
    assert child.stdin is not None
    with child.stdin:
        if process is None:
            raise Unknown(f"the job of {member} ended at once", f"look at {log}")
        started = job._replace(pid=child.pid, started_ticks=process.started_ticks)
        remember(folder, started)
        child.stdin.write(b"go\n")
    _children.append(child)
    return started


_children: list[subprocess.Popen[bytes]] = []
"""Jobs that this process started; asked now and then, so that none stays a zombie."""


def reap() -> None:
    """Let go of jobs that have ended."""
    _children[:] = [child for child in _children if child.poll() is None]


def preempt(folder: Path, job: Job) -> None:
    """End a job for a higher epoch: the process and every program that it runs. Raises Unknown when it does not die."""
    deadline = Deadline(_KILL_S)
    for _ in deadline.polls(_POLL_S):
        if not _group(job.pid):
            break
        try:
            os.killpg(job.pid, signal.SIGKILL)
        except ProcessLookupError:
            break
    else:
        raise Unknown(
            f"the {job.kind} of epoch {job.epoch} does not die (process group {job.pid})",
            "is its disk stuck? ask again",
        )
    remember(folder, job._replace(state="failed", detail="ended by a command of a higher epoch"))


def _lives(job: Job) -> bool:
    process = processes.look(job.pid)
    return process is not None and process.started_ticks == job.started_ticks


def _group(group: int) -> list[int]:
    """The living processes of a process group."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            try:
                if os.getpgid(int(entry.name)) == group and processes.look(int(entry.name)) is not None:
                    found.append(int(entry.name))
            except ProcessLookupError:
                continue
    return found


def _program() -> list[str]:
    """How to run this very program again."""
    own = sys.argv[0]
    if zipfile.is_zipfile(own):
        return [sys.executable, "-I", "-S", own]
    return [sys.executable, "-m", "drctl.host"]


def _module_path() -> dict[str, str]:
    """Where the package is, when it runs from a checkout."""
    return {} if zipfile.is_zipfile(sys.argv[0]) else {"PYTHONPATH": os.fspath(Path(__file__).resolve().parents[2])}
