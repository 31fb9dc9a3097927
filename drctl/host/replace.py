"""To bring a member's data onto its upstream's history: by rewinding it, or by copying everything anew."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Callable
from pathlib import Path

from drctl.host import ownconf, state
from drctl.host.config import Member, Peer
from drctl.host.control import CLEAN_STATES, read_control
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused, Unknown
from drctl.host.files import read_json, remove_durably, sync_folder, write_json
from drctl.host.programs import Finished, run
from drctl.host.settings import conninfo, setting_of

RECOVERY_S = 1800.0
REWIND_S = 3600.0
_PROGRAM_S = 10.0
BASEBACKUP_S = 24 * 3600.0
_SWAP = "swap.json"


def rewind(member: Member, upstream: Peer, deadline: Deadline) -> None:
    """Run pg_rewind, and give the member its own settings back. Raises Refused while nothing was changed, Unknown after."""
    ownconf.save(member)
    _recover(member, deadline)
    source = conninfo(member, upstream, member.rewind_user, {"dbname": "postgres"})
    words = ["--target-pgdata", os.fspath(member.pgdata), "--source-server", source]
    auto_conf = member.pgdata / "postgresql.auto.conf"
    if auto_conf.exists() and setting_of(auto_conf.read_text(encoding="utf-8"), "restore_command"):
        words.append("--restore-target-wal")
    trial = _pg_rewind(member, [*words, "--dry-run"], deadline)
    if not trial.ok:
        raise Refused(
            f"pg_rewind cannot: {trial.complaint}",
            "it needs data checksums or wal_log_hints, and the WAL since the fork",
        )
    if "no rewind required" in trial.errors + trial.output:
        raise Refused(
            "pg_rewind sees no fork, and there is one: the upstream has not written a checkpoint since its promotion",
            "write a checkpoint on the upstream, then ask again",
        )
    state.begin_rewind(member.state_dir, upstream.name)
    done = _pg_rewind(member, words, deadline)
    if not done.ok:
        raise Unknown(f"pg_rewind failed on the way: {done.complaint}", "the member is copied anew")
    ownconf.write_again(member, member.pgdata)
    state.end_rewind(member.state_dir)


def _recover(member: Member, deadline: Deadline) -> None:
    """End the crash recovery of a member that was killed: pg_rewind wants a clean target, and a dry run does not make one.

    The WAL that must be kept has been. Raises Refused.
    """
    if read_control(member, deadline.within(_PROGRAM_S)).state in CLEAN_STATES:
        return
    for name in ("standby.signal", "recovery.signal"):
        # The single-user mode refuses to be a standby.
        remove_durably(member.pgdata / name)
    argv: list[str | Path] = [member.bindir / "postgres", "--single", "-D", member.pgdata, "template1"]
    done = run(argv, deadline.within(RECOVERY_S))
    if not done.ok:
        raise Refused(f"the crash recovery of {member.name} failed: {done.complaint}", f"look at {member.log}")


def _pg_rewind(member: Member, words: list[str], deadline: Deadline) -> Finished:
    extra = {"PGPASSFILE": member.passfile} if member.passfile else {}
    return run([member.bindir / "pg_rewind", *words], deadline.within(REWIND_S), extra)


def copy_anew(member: Member, upstream: Peer, report: Callable[[str], None], deadline: Deadline) -> None:
    """A base backup into a new folder beside the old one, then put in its place. The old one goes only after that."""
    _refuse_what_a_swap_cannot_do(member)
    ownconf.save(member)
    fresh = member.pgdata.with_name(f"{member.pgdata.name}.drctl-new")
    old = member.pgdata.with_name(f"{member.pgdata.name}.drctl-old")
    for leftover in (fresh, old):
        if leftover.exists():
            shutil.rmtree(leftover)
    source = conninfo(member, upstream, member.replication_user)
    words = ["-D", os.fspath(fresh), "-d", source, "-X", "stream", "-c", "fast", "-w"]
    report(f"copying from {upstream.name}")
    done = run([member.bindir / "pg_basebackup", *words], deadline.within(BASEBACKUP_S))
    if not done.ok:
        shutil.rmtree(fresh, ignore_errors=True)
        raise Refused(
            f"pg_basebackup failed: {done.complaint}",
            f"can {member.replication_user} connect to {upstream.host}:{upstream.port} for replication?",
        )
    ownconf.write_again(member, fresh)
    write_json(member.state_dir / _SWAP, {"fresh": os.fspath(fresh), "old": os.fspath(old)})
    finish_swap(member)


def finish_swap(member: Member) -> None:
    """Put a complete copy in the place of the data folder; also where a swap was interrupted before or between its renames."""
    value = read_json(member.state_dir / _SWAP)
    if not value:
        return
    fresh, old = Path(str(value["fresh"])), Path(str(value["old"]))
    if fresh.exists():
        if member.pgdata.exists():
            member.pgdata.rename(old)
        fresh.rename(member.pgdata)
        sync_folder(member.pgdata.parent)
    state.end_rewind(member.state_dir)
    remove_durably(member.state_dir / _SWAP)
    shutil.rmtree(old, ignore_errors=True)


def check_cluster(member: Member, expected: str, deadline: Deadline) -> None:
    """Refuse to touch the data of another cluster."""
    own = read_control(member, deadline).system_identifier
    if own != expected:
        raise Refused(
            f"{member.name} belongs to cluster {own}, its upstream to {expected}: this is another database",
            "check the addresses in host.json; move the data folder away by hand if it really is to be replaced",
        )


def _refuse_what_a_swap_cannot_do(member: Member) -> None:
    tablespaces = member.pgdata / "pg_tblspc"
    if tablespaces.is_dir() and any(re.fullmatch(r"\d+", path.name) for path in tablespaces.iterdir()):
        raise Refused(
            f"{member.name} has tablespaces outside its data folder",
            "take the base backup by hand, with --tablespace-mapping",
        )
    if member.wal_dir.is_symlink():
        raise Refused(f"{member.wal_dir} is a link", "take the base backup by hand, with --waldir")
    if member.pgdata.is_mount():
        raise Refused(
            f"{member.pgdata} is a mount point and cannot be renamed",
            "put the data folder one level below it, or take the base backup by hand",
        )
    if not os.access(member.pgdata.parent, os.W_OK):
        raise Refused(
            f"{member.pgdata.parent} cannot be written to",
            "give it to the user that runs drctl-host, or take the base backup by hand",
        )
