"""What a step can do: one function for each word that a scenario may write after `do:`."""

from __future__ import annotations

import contextlib
import re
import signal
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from chaos.faults.crashpoint import ZOMBIE_EVENT, ZOMBIE_MAX_S, CrashFile, CrashPoint, Strike, stopped, wake
from chaos.faults.fault import apply
from chaos.faults.freeze import Freeze
from chaos.faults.process import KillBackend
from chaos.lab.errors import DeadlineMissed, LabError
from chaos.lab.lab import DATABASE
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from chaos.lab.lab import Lab
    from chaos.run.scenario import Step

STRIKE_DEADLINE_S = 30.0
DRCTL_DEADLINE_S = 90.0
WAITERS = "from pg_stat_activity where wait_event = 'SyncRep' and backend_type = 'client backend'"
WAITERS_DEADLINE_S = 3.0
CALL_OP = "chaos-call"


@dataclass(slots=True, kw_only=True)
class Scene:
    """Where a step acts, and what it leaves to be undone."""

    lab: Lab
    group: str
    name: Callable[[str], str]
    """The member, center or process that a target stands for now."""
    tell: Callable[[str], None]
    undo: list[Callable[[], None]] = field(default_factory=list)
    """What mends the steps that `heal_all` does not: run in reverse order."""
    strikes: list[Strike] = field(default_factory=list)
    facts: dict[str, float] = field(default_factory=dict)

    @property
    def crashes(self) -> CrashFile:
        """Where crash points are armed."""
        return CrashFile(self.lab.folder)

    def strike(self) -> Strike:
        """The point that was armed has struck. Raises LabError when it does not."""
        wait_until(
            lambda: self.crashes.strike() is not None,
            deadline_s=STRIKE_DEADLINE_S,
            what="the crash point strikes",
        )
        found = self.crashes.strike()
        assert found is not None, "waited for"
        if found not in self.strikes:
            self.strikes.append(found)
        return found


Action = Callable[[Scene, "Step", str], None]
ACTIONS: dict[str, Action] = {}


def action(word: str) -> Callable[[Action], Action]:
    """Enter a function under the word of the scenario files."""

    def enter(function: Action) -> Action:
        ACTIONS[word] = function
        return function

    return enter


@action("kill-postmaster")
def _kill_postmaster(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.kill_postmaster(target)


@action("kill-backend")
def _kill_backend(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.kill_backend(target)


@action("kill-walsender")
def _kill_walsender(scene: Scene, step: Step, target: str) -> None:
    scene.lab.faults.kill_walsender(target, standby=scene.name(step.to) if step.to else None)


@action("kill")
def _kill(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.kill(target)


@action("start")
def _start(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.start(target)


@action("start-anyway")
def _start_anyway(scene: Scene, _step: Step, target: str) -> None:
    """Start a member as an administrator would who asks nobody, fence or not."""
    scene.lab.member(target).start()


@action("power-off")
def _power_off(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.power_off(target)


@action("power-on")
def _power_on(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.power_on(target)


@action("freeze")
def _freeze(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.freeze(target)


@action("thaw")
def _thaw(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.thaw(target)


@action("freeze-sshd")
def _freeze_sshd(scene: Scene, _step: Step, target: str) -> None:
    """Stop sshd and its sessions where they stand, without the databases that were started through it."""
    host = scene.lab.centers[target].host
    group = host.cgroup.child("sshd-frozen").create()
    for pid in host.pids("sshd"):
        with contextlib.suppress(OSError):
            if not re.search(rb"postgres\0?-D", _command_line(pid)) and b"postgres:" not in _command_line(pid):
                group.add(pid)
    apply(Freeze(target=f"{target}/sshd", group=group))


@action("isolate")
def _isolate(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.isolate(target)


@action("cut")
def _cut(scene: Scene, step: Step, target: str) -> None:
    """Cut a host from another, from both others (`to: others`), or from everybody, the clients too (`to: everybody`)."""
    peers = {
        "others": [name for name in scene.lab.centers if name != target],
        "everybody": [*(name for name in scene.lab.centers if name != target), "client", "machine"],
    }.get(step.to) or [scene.name(step.to)]
    for peer in peers:
        scene.lab.faults.cut(target, peer, port=step.port, direction=step.direction)


@action("mend")
def _mend(scene: Scene, _step: Step, target: str) -> None:
    scene.lab.faults.heal(target)


@action("flap")
def _flap(scene: Scene, step: Step, target: str) -> None:
    """Isolate and mend a host so many times, each for `every`."""
    for _ in range(step.times):
        scene.lab.faults.isolate(target)
        time.sleep(step.every)
        scene.lab.faults.heal(target)
        time.sleep(step.every)


@action("loss")
def _loss(scene: Scene, step: Step, target: str) -> None:
    scene.lab.faults.packet_loss(target, step.percent)


@action("wait")
def _wait(_scene: Scene, _step: Step, _target: str) -> None:
    """Only its `at` or `when` matters."""


@action("stop-controllers")
def _stop_controllers(scene: Scene, _step: Step, _target: str) -> None:
    for center in scene.lab.centers:
        scene.lab.faults.kill_controller(center)


@action("start-controllers")
def _start_controllers(scene: Scene, _step: Step, _target: str) -> None:
    for center in scene.lab.centers:
        scene.lab.faults.start_controller(center)


@action("sql")
def _sql(scene: Scene, step: Step, target: str) -> None:
    """Statements of a superuser over the member's own socket; `undo` is run on whoever is primary when all is mended."""
    for statement in step.sql:
        scene.lab.member(target).query(statement)
    if step.undo:
        scene.undo.append(lambda: _undo_sql(scene, step))


@action("drctl")
def _drctl(scene: Scene, step: Step, _target: str) -> None:
    words = [scene.name(word[1:]) if word.startswith("@") else word for word in step.command]
    if not step.background:
        _run_drctl(scene, words, step.exits)
        return
    thread = threading.Thread(target=_run_drctl, args=(scene, words, list(range(256))), name="drctl", daemon=True)
    thread.start()
    scene.undo.append(lambda: thread.join(DRCTL_DEADLINE_S))


def _run_drctl(scene: Scene, words: list[str], exits: list[int]) -> None:
    began_s = time.monotonic()
    done = scene.lab.drctl(*words, timeout_s=DRCTL_DEADLINE_S)
    scene.tell(f"drctl {' '.join(words)}: exit {done.returncode} after {time.monotonic() - began_s:.1f} s")
    if done.returncode not in exits:
        raise LabError(
            f"drctl {' '.join(words)} ended with {done.returncode}, expected {exits}: "
            f"{' '.join((done.stderr or done.stdout).split())[-400:]}"
        )


@action("crash")
def _crash(scene: Scene, step: Step, _target: str) -> None:
    """Arm a crash point; it strikes whoever comes by."""
    scene.crashes.arm(CrashPoint.parse(step.point))
    scene.undo.append(scene.crashes.disarm)


@action("struck")
def _struck(scene: Scene, _step: Step, _target: str) -> None:
    """Wait until the crash point has struck."""
    strike = scene.strike()
    scene.tell(f"{strike.point} struck the controller of {strike.center} in {strike.run}")
    if strike.point.rpartition("/")[2].startswith("zombie"):
        wait_until(lambda: stopped(strike.pid), deadline_s=5.0, what="the controller stands still")
        scene.undo.append(lambda: _wake_if_stopped(strike.pid))


@action("wake")
def _wake(scene: Scene, _step: Step, _target: str) -> None:
    """Let the zombie go on with what it was about to do, and wait until it has."""
    strike = scene.strikes[-1]
    log = scene.lab.centers[strike.center].controller.log
    before = log.read_text(errors="replace").count(ZOMBIE_EVENT)
    wake(strike.pid)
    scene.tell(f"the controller of {strike.center} wakes and goes on with what it was about to do")
    with contextlib.suppress(DeadlineMissed):
        wait_until(
            lambda: log.read_text(errors="replace").count(ZOMBIE_EVENT) > before,
            deadline_s=ZOMBIE_MAX_S,
            what="the sleeper has done it, or not",
            poll_s=0.1,
        )


@action("stop-process")
def _stop_process(scene: Scene, step: Step, target: str) -> None:
    """Stop a center's controller for `every`, so that its session expires, and let it go on."""
    group = scene.lab.centers[target].cgroup.child("controller")
    apply(Freeze(target=f"{target}/controller", group=group))
    time.sleep(step.every)
    group.thaw()


def _on_waiters(scene: Scene, target: str, function: str) -> int:
    member = scene.lab.member(target)
    found: list[int] = []

    def some() -> bool:
        found[:] = [int(row[0]) for row in member.query(f"select pid {WAITERS}")]
        return len(found) >= 3

    wait_until(some, deadline_s=WAITERS_DEADLINE_S, what=f"commits on {target} wait for a standby", poll_s=0.05)
    member.query(f"select {function}(pid) {WAITERS}")
    return len(found)


@action("cancel-waiters")
def _cancel_waiters(scene: Scene, _step: Step, target: str) -> None:
    """Cancel every statement that waits for its standby: its client is told of success, with a warning."""
    count = _on_waiters(scene, target, "pg_cancel_backend")
    scene.tell(f"{count} waiting commits were cancelled")


@action("terminate-waiters")
def _terminate_waiters(scene: Scene, _step: Step, target: str) -> None:
    """End every session that waits for its standby."""
    count = _on_waiters(scene, target, "pg_terminate_backend")
    scene.tell(f"{count} sessions were ended while their commits waited")


@action("call-under-timeout")
def _call_under_timeout(scene: Scene, _step: Step, target: str) -> None:
    """A `CALL` that commits, under a statement timeout that ends its wait for the standby: success, with a warning."""
    notices: list[str] = []
    member = scene.lab.member(target)
    with member.connect_local(dbname=DATABASE) as connection:
        connection.add_notice_handler(lambda notice: notices.append(notice.message_primary or ""))
        connection.execute("set statement_timeout = '700ms'")
        with contextlib.suppress(psycopg.errors.QueryCanceled):
            connection.execute("call chaos_call()")
    cancelled = [text for text in notices if "canceling wait for synchronous replication" in text]
    scene.tell(f"CALL ended with {len(cancelled)} warnings that its commit waits for nobody")
    scene.facts["call_warnings"] = len(cancelled)
    if not cancelled:
        raise LabError("the CALL was not told that its wait was cancelled: nothing was tried")


@action("make-procedure")
def _make_procedure(scene: Scene, _step: Step, target: str) -> None:
    """The procedure that `call-under-timeout` calls."""
    scene.lab.member(target).query(
        "create or replace procedure chaos_call() language plpgsql as "  # noqa: S608
        f"$$ begin insert into chaos_set (op_id) values ('{CALL_OP}'); commit; perform pg_sleep(0); end $$",
        dbname=DATABASE,
    )


@action("terminate-clients")
def _terminate_clients(scene: Scene, _step: Step, target: str) -> None:
    apply(
        KillBackend(
            name="terminate-backend",
            member=scene.lab.member(target),
            pick=lambda process: "lis_db" in process.title,
            number=signal.SIGTERM,
        )
    )


def _undo_sql(scene: Scene, step: Step) -> None:
    primary = scene.lab.member(scene.name("current-primary"))
    for statement in step.undo:
        primary.query(statement)


def _wake_if_stopped(pid: int) -> None:
    if stopped(pid):
        wake(pid)


def _command_line(pid: int) -> bytes:
    with open(f"/proc/{pid}/cmdline", "rb") as stream:  # noqa: PTH123 - one read of a file that may be gone
        return stream.read()


def known_actions() -> Mapping[str, Action]:
    """Every word, with what it does."""
    return ACTIONS
