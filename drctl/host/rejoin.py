"""To bring a member back onto its upstream's history and let it follow: a job, told of step by step.

stop -> compare -> keep_wal -> list_commits -> rewind (or basebackup) -> start. Every step can be repeated: a job that was
killed is asked for again and begins anew, knowing from its markers what it must not trust.
"""

from __future__ import annotations

import hashlib
import sys
from pathlib import Path
from typing import NamedTuple

from drctl.host import epoch as epochs
from drctl.host import forensics, processes, replace, state
from drctl.host import job as jobs
from drctl.host.config import Member, Peer
from drctl.host.control import read_control
from drctl.host.deadline import Deadline
from drctl.host.faults import HostFault, Invalid, Refused
from drctl.host.fence import fence, wait_for_orphans
from drctl.host.follow import follow, streams_from
from drctl.host.psql import NoSession, Session, SessionLost, StatementFailed, literal, open_session
from drctl.host.timeline import Era, Fork, fork_of, history_name, parse_history, since
from drctl.host.wal import Segment, format_lsn, segment_name
from drctl.host.walend import WalEnd, find_wal_end, read_histories

METHODS = ("auto", "rewind", "basebackup")
_TOLD = ("state", "phase", "method", "progress", "detail", "epoch", "upstream", "forensics")
_STOP_S = 30.0
_ASK_S = 10.0
_LIST_S = 600.0
_START_S = 60.0
_JOB_S = 25 * 3600.0
_COMPARED_BYTES = 8192


class Comparison(NamedTuple):
    """Our history beside the upstream's."""

    ours: tuple[Era, ...]
    end: WalEnd
    fork: Fork
    diverged: bool
    """We have WAL that the upstream has not."""
    rewindable: bool
    """A rewind can tell the two apart; False where both call different histories by the same number."""


def ask(member: Member, config: Path, epoch: int, upstream: str, method: str) -> dict[str, object]:
    """Start the job, or tell how it stands. One that failed tells so once, and begins anew when it is asked for again."""
    if method not in METHODS:
        raise Invalid(f"no such method: {method!r}", f"it is one of {', '.join(METHODS)}")
    member.peer(upstream)
    job = jobs.last_job(member.state_dir)
    if job is None or (job.epoch, job.upstream) != (epoch, upstream) or job.failure_told:
        job = jobs.launch(
            member.state_dir, config, member.name, jobs.Job(epoch=epoch, upstream=upstream, method=method)
        )
    elif job.state == "failed":
        jobs.remember(member.state_dir, job._replace(failure_told=True))
    told = job._asdict()
    return {key: told[key] for key in _TOLD}


def run_job(member: Member) -> int:
    """The job itself, in its own process. Its state is in the file that `ask` wrote."""
    job = jobs.running_job(member.state_dir)
    if job is None:
        sys.stderr.write(f"{member.name}: no job\n")
        return 2
    work = _Work(member, job)
    try:
        work.run()
    except (HostFault, NoSession, SessionLost, StatementFailed, OSError, ValueError) as error:
        work.fail(error)
        return 1
    return 0


class _Work:
    """One rejoin."""

    def __init__(self, member: Member, job: jobs.Job) -> None:
        self._member = member
        self._job = job
        self._upstream = member.peer(job.upstream)
        self._deadline = Deadline(_JOB_S)

    def run(self) -> None:
        """All steps."""
        member, upstream = self._member, self._upstream
        if self._job.method != "basebackup" and self._streams_already():
            self._tell(phase="done", state="done", method="none", detail="streaming")
            return
        self._tell(phase="stop")
        fence(member, self._job.epoch, "fast", self._deadline.within(_STOP_S))
        # Now, while the pid file that tells of it is there: a base backup takes the file away.
        wait_for_orphans(member, self._deadline.within(_STOP_S))
        replace.finish_swap(member)
        self._tell(phase="compare")
        with ask_upstream(member, upstream, self._deadline.within(_ASK_S)) as session:
            replace.check_cluster(member, _identifier(session, self._deadline), self._deadline.within(_ASK_S))
            comparison = (
                None
                if state.half_rewound(member.state_dir)
                else _compare(member, session, self._deadline.within(_ASK_S))
            )
        if comparison is None or comparison.diverged:
            self._keep(comparison)
        method = self._replace(comparison)
        self._tell(phase="start", method=method, progress="")
        # With no method the two were compared a moment ago; else the data is the upstream's own.
        following = follow(member, upstream.name, self._deadline.within(_START_S), replaced=True)
        self._tell(phase="done", state="done", detail=following.receiver)

    def fail(self, error: Exception) -> None:
        """The last word."""
        remedy = error.remedy if isinstance(error, HostFault) else ""
        detail = f"{error}" + (f" ({remedy})" if remedy else "")
        jobs.remember(self._member.state_dir, self._job._replace(state="failed", detail=detail))

    def _tell(self, **changed: object) -> None:
        """Let everybody know how it stands. Raises StaleEpoch when a higher epoch came."""
        epochs.still(self._member.state_dir, self._job.epoch)
        self._job = self._job._replace(**changed)  # type: ignore[arg-type]
        jobs.remember(self._member.state_dir, self._job)

    def _streams_already(self) -> bool:
        if processes.postmaster_of(self._member.pgdata) is None:
            return False
        deadline = self._deadline.within(_ASK_S)
        try:
            with open_session(self._member, deadline) as session:
                return session.is_true("pg_is_in_recovery()", deadline) and streams_from(
                    session, self._upstream, deadline
                )
        except (NoSession, SessionLost, StatementFailed):
            return False

    def _keep(self, comparison: Comparison | None) -> None:
        self._tell(phase="keep_wal")
        member, epoch = self._member, self._job.epoch
        segment_bytes = read_control(member, self._deadline.within(_ASK_S)).segment_bytes
        if comparison is None:
            kept = forensics.keep_wal(member, epoch, None, None, segment_bytes)
            self._tell(forensics={"kept_dir": str(kept)})
            return
        fork, end = comparison.fork, comparison.end
        kept = forensics.keep_wal(member, epoch, fork, end, segment_bytes)
        told = {
            "fork_timeline": fork.timeline,
            "fork_lsn": format_lsn(fork.lsn or 0),
            "end_timeline": end.timeline,
            "end_lsn": format_lsn(end.lsn),
            "kept_dir": str(kept),
        }
        self._tell(phase="list_commits", forensics=told)
        discarded = since(fork, comparison.ours)
        found = forensics.list_fork(member, kept, discarded, end, segment_bytes, self._deadline.within(_LIST_S))
        self._tell(forensics={**told, **found._asdict()})

    def _replace(self, comparison: Comparison | None) -> str:
        """Returns how it was done."""
        wanted = self._job.method
        if comparison is not None and not comparison.diverged and wanted != "basebackup":
            return "none"
        rewindable = comparison is not None and comparison.rewindable
        if wanted == "rewind" and not rewindable:
            raise Refused("the data folder cannot be rewound", "rejoin with method auto or basebackup")
        if wanted != "basebackup" and rewindable:
            try:
                self._tell(phase="rewind")
                replace.rewind(self._member, self._upstream, self._deadline)
            except HostFault as error:
                if wanted == "rewind":
                    raise
                self._tell(detail=f"rewind: {error.message}")
            else:
                return "rewind"
        self._tell(phase="basebackup")
        replace.copy_anew(self._member, self._upstream, lambda text: self._tell(progress=text), self._deadline)
        return "basebackup"


def ask_upstream(member: Member, upstream: Peer, deadline: Deadline) -> Session:
    """A session with the upstream, with the role that pg_rewind uses. Raises NoSession, Refused."""
    target = {
        "PGHOST": upstream.host,
        "PGPORT": str(upstream.port),
        "PGUSER": member.rewind_user,
        **({"PGPASSFILE": member.passfile} if member.passfile else {}),
    }
    session = Session(member.bindir / "psql", target, deadline)
    if session.is_true("pg_is_in_recovery()", deadline):
        session.close()
        raise Refused(f"{upstream.name} is a standby itself", "rejoin from the group's primary")
    return session


def _identifier(session: Session, deadline: Deadline) -> str:
    return session.value("SELECT system_identifier FROM pg_control_system()", deadline) or ""


def _compare(member: Member, session: Session, deadline: Deadline) -> Comparison | None:
    """Our history beside the upstream's; None when ours cannot be told, so that everything of it must be kept."""
    theirs, their_end_lsn = _their_history(session, deadline)
    try:
        end = find_wal_end(member, deadline)
        ours = parse_history(end.timeline, read_histories(member).get(end.timeline, ""))
    except (Refused, ValueError):
        return None
    fork = fork_of(ours, theirs)
    if fork is None:
        return None
    if fork.lsn is not None and end.lsn > fork.lsn:
        return Comparison(ours, end, fork, diverged=True, rewindable=True)
    # By the numbers we are a part of the upstream's past. Two members that were promoted at the same place gave the same
    # number to two different histories, and no number tells them apart. So compare what is written there.
    if end.lsn <= their_end_lsn and _same_bytes(member, session, end, deadline) is not False:
        return Comparison(ours, end, fork, diverged=False, rewindable=True)
    begin_lsn = ours[-1].begin_lsn
    return Comparison(ours, end, Fork(end.timeline, begin_lsn), diverged=True, rewindable=False)


def _their_history(session: Session, deadline: Deadline) -> tuple[tuple[Era, ...], int]:
    timeline_text, lsn = session.row(
        "SELECT left(pg_walfile_name(pg_current_wal_insert_lsn()), 8), pg_current_wal_insert_lsn() - '0/0'::pg_lsn",
        deadline,
    )
    timeline = int(timeline_text or "0", 16)
    text = ""
    if timeline > 1:
        path = literal(f"pg_wal/{history_name(timeline)}")
        text = session.value(f"SELECT convert_from(pg_read_binary_file({path}), 'UTF8')", deadline) or ""
    return parse_history(timeline, text), int(lsn or 0)


def _same_bytes(member: Member, session: Session, end: WalEnd, deadline: Deadline) -> bool | None:
    """Whether the upstream's WAL reads the same right before our end; None when it no longer has that place.

    Each record names its predecessor and carries a checksum, so what precedes equal bytes is equal too.
    """
    segment_bytes = read_control(member, deadline).segment_bytes
    number = (end.lsn - 1) // segment_bytes
    name = segment_name(Segment(end.timeline, number), segment_bytes)
    start = max(0, end.lsn - number * segment_bytes - _COMPARED_BYTES)
    length = end.lsn - number * segment_bytes - start
    with (member.wal_dir / name).open("rb") as file:
        file.seek(start)
        own = hashlib.sha256(file.read(length)).hexdigest()
    path = literal(f"pg_wal/{name}")
    found = session.value(
        f"SELECT encode(sha256(pg_read_binary_file({path}, {start}, {length}, true)), 'hex')", deadline
    )
    return None if found is None else found == own
