"""A simulated rejoin: a job on the host, told of step by step, ended by a higher epoch or a lost power."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from chaos.simulation.database import Server
from chaos.simulation.kernel import Process, Steps
from drctl.model.command import Rejoin, RejoinMethod
from drctl.model.errors import DrctlError, EffectRefused
from drctl.model.evidence import Rejoined
from drctl.model.identity import MemberName

if TYPE_CHECKING:
    from chaos.simulation.host import HostAgent

REWIND_FAILS = 0.1
ASK_S = 5.0
START_S = 20.0


@dataclass(slots=True)
class Job:
    """How the last job of a member stands."""

    epoch: int
    upstream: MemberName
    method: RejoinMethod
    process: Process
    phase: str = "starting"
    state: Literal["running", "done", "failed"] = "running"
    detail: str = ""
    done_by: str = ""
    failure_told: bool = False

    def fail(self, detail: str) -> None:
        """It has failed, and its process is gone."""
        self.state, self.detail = "failed", detail
        if self.process.alive:
            self.process.kill()

    def told(self) -> Rejoined:
        """What a controller is told."""
        return Rejoined(state=self.state, phase=self.phase, method=self.done_by, detail=self.detail)


def ask(host: HostAgent, epoch: int, command: Rejoin) -> Rejoined:
    """Start the job, or tell how it stands. One that failed tells so once, and begins anew when it is asked for again."""
    job = host.job
    if job is None or (job.epoch, job.upstream) != (epoch, command.upstream) or job.failure_told:
        process = Process(host.world.kernel, f"rejoin of {host.name}")
        job = host.job = Job(epoch=epoch, upstream=command.upstream, method=command.method, process=process)
        process.task(_run(host, job), lambda _, error: _ended(host, job, error))
    elif job.state == "failed":
        job.failure_told = True
    return job.told()


def preempt(host: HostAgent, epoch: int) -> None:
    """Let a higher epoch end a job; refuse an equal one while it runs."""
    job = host.job
    if job is None or job.state != "running":
        return
    if job.epoch >= epoch:
        raise EffectRefused(f"{host.name} is being rejoined (phase {job.phase})")
    job.fail("ended by a command of a higher epoch")


def _ended(host: HostAgent, job: Job, error: DrctlError | None) -> None:
    if error is not None:
        job.fail(error.message)
    else:
        job.state, job.phase = "done", "done"
    host.world.note("rejoin", host.name, job.state, job.done_by, job.detail, host.database.wal)


def _run(host: HostAgent, job: Job) -> Steps[None]:
    from chaos.simulation.host import follow  # noqa: PLC0415 - the two call each other

    database, world = host.database, host.world
    source = world.databases[job.upstream]
    yield 0.01
    if database.takes_sessions and database.receiver is not None and database.receiver.up is source:
        job.done_by = "none"
        return
    yield from _tell(host, job, "stop")
    host.fence_epoch = job.epoch
    host.remember()
    yield from host.end_processes(world.kernel.now_s + 30.0)
    yield from _tell(host, job, "compare")
    _source_must_answer(host, job)
    # Bytes are compared here, not only numbers, so that what is told apart is what differs.
    diverged = host.half_rewound or not source.wal.has(database.wal)
    rewindable = not host.half_rewound and _rewindable(host, job)
    method = job.method
    if not diverged and method is not RejoinMethod.BASEBACKUP:
        job.done_by = "none"
    else:
        yield from _tell(host, job, "keep_wal")
        if method is not RejoinMethod.BASEBACKUP and rewindable and not world.kernel.chance(REWIND_FAILS):
            yield from _rewind(host, job)
        else:
            yield from _copy(host, job)
    yield from _tell(host, job, "start")
    yield from follow(host, job.upstream, world.kernel.now_s + START_S, replaced=True)
    assert database.server is not Server.DOWN or not database.process.alive, "a server that runs has a process"


def _tell(host: HostAgent, job: Job, phase: str) -> Steps[None]:
    host.still(job.epoch)
    job.phase = phase
    yield 0.02 + 0.1 * host.world.kernel.random.random()


def _source_must_answer(host: HostAgent, job: Job) -> None:
    source = host.world.databases[job.upstream]
    if not host.world.network.both(host.center, source.center) or not source.takes_sessions:
        raise EffectRefused(f"{job.upstream} does not answer")
    if source.in_recovery:
        raise EffectRefused(f"{job.upstream} is a standby itself")


def _rewindable(host: HostAgent, job: Job) -> bool:
    wal, theirs = host.database.wal, host.world.databases[job.upstream].wal
    shared = wal.shared_by_numbers(theirs)
    return shared is not None and wal.lsn > shared


def _rewind(host: HostAgent, job: Job) -> Steps[None]:
    source = host.world.databases[job.upstream]
    host.database.standby_signal = False
    yield from _tell(host, job, "rewind")
    _source_must_answer(host, job)
    host.half_rewound = True
    yield 0.1 + 0.5 * host.world.kernel.random.random()
    _source_must_answer(host, job)
    job.done_by = "rewind"
    _take(host, job)
    host.world.note("rewound", host.name, source.wal)


def _copy(host: HostAgent, job: Job) -> Steps[None]:
    yield from _tell(host, job, "basebackup")
    _source_must_answer(host, job)
    yield 0.2 + 1.0 * host.world.kernel.random.random()
    _source_must_answer(host, job)
    job.done_by = "basebackup"
    _take(host, job)


def _take(host: HostAgent, job: Job) -> None:
    """The data is the upstream's now; the settings are the member's own."""
    source = host.world.databases[job.upstream]
    host.database.wal = source.wal
    host.database.upstream = None
    host.half_rewound = False
