"""What a host says of its member without touching it: processes, control file, fence, job."""

from __future__ import annotations

import re
import shutil
import time
from collections.abc import Mapping

from drctl.host import epoch as epochs
from drctl.host import job as jobs
from drctl.host import processes, state
from drctl.host.config import Member
from drctl.host.control import read_control
from drctl.host.deadline import Deadline
from drctl.host.faults import HostFault
from drctl.host.programs import run
from drctl.host.settings import is_standby
from drctl.host.start import ACCEPTING
from drctl.host.wal import format_lsn


def inspect(member: Member, deadline: Deadline) -> Mapping[str, object]:
    """Everything that is known without asking the database."""
    jobs.reap()
    postmaster = processes.postmaster_of(member.pgdata)
    remembered = state.load(member.state_dir)
    job = jobs.last_job(member.state_dir)
    try:
        control = read_control(member, deadline)
    except HostFault:
        control = None
    return {
        "postmaster": _postmaster_state(member, postmaster),
        "pid": None if postmaster is None else postmaster.process.pid,
        "control_state": None if control is None else control.state,
        "control_timeline": None if control is None else control.timeline,
        "system_identifier": None if control is None else control.system_identifier,
        "redo_lsn": None if control is None else format_lsn(control.redo_lsn),
        "fenced": state.fence_epoch(member.state_dir) is not None,
        "epoch": epochs.highest(member.state_dir),
        "sealed_epoch": remembered.sealed_epoch,
        "promoted_epoch": remembered.promoted_epoch,
        "pg_version_num": _version_num(member, deadline),
        "standby_signal": is_standby(member),
        "disk_free_bytes": _disk_free_bytes(member),
        "wall_time_s": time.time(),
        "job": None if job is None else {"kind": job.kind, "epoch": job.epoch, "phase": job.phase, "state": job.state},
    }


def _postmaster_state(member: Member, postmaster: processes.Postmaster | None) -> str:
    if postmaster is None:
        return "orphans" if processes.members_of(member.pgdata) else "down"
    return "running" if postmaster.status in ACCEPTING else "starting"


def _disk_free_bytes(member: Member) -> int | None:
    try:
        return shutil.disk_usage(member.pgdata if member.pgdata.exists() else member.pgdata.parent).free
    except OSError:
        return None


_versions: dict[str, int | None] = {}
"""A program's version by its folder; it does not change while we run, but for an upgrade, which restarts us."""


def _version_num(member: Member, deadline: Deadline) -> int | None:
    folder = str(member.bindir)
    if folder not in _versions:
        _versions[folder] = parse_version(run([member.bindir / "postgres", "-V"], deadline.within(5.0)).output)
    return _versions[folder]


def parse_version(text: str) -> int | None:
    """`postgres (PostgreSQL) 18.6` as `server_version_num` has it; None when it is something else."""
    match = re.search(r"\) (\d+)(?:\.(\d+))?", text)
    return None if match is None else int(match[1]) * 10000 + int(match[2] or 0)
