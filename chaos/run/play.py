"""Plays one scenario on a lab: steady state, load, steps in their order, mending, full protection, quiet, the oracles."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import psycopg

from chaos.demo.clients import Clients
from chaos.faults.crashpoint import CrashFile, CrashPoint
from chaos.faults.fault import FaultNotSeen
from chaos.lab.errors import DeadlineMissed, LabError
from chaos.lab.lab import DATABASE
from chaos.lab.waiting import wait_until
from chaos.oracles.dump import NotQuiet, read_members
from chaos.oracles.judgement import judge
from chaos.run.actions import Scene, known_actions
from chaos.run.phases import Phases
from chaos.run.targets import Cast
from chaos.run.watch import Watch
from chaos.workload.ledger import read_history
from drctl.model.identity import MemberName

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from chaos.lab.lab import Lab
    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict
    from chaos.run.scenario import Scenario, Step
    from chaos.workload.record import History

STEADY_DEADLINE_S = 60.0
SERVICE_DEADLINE_S = 30.0
RECOVERY_DEADLINE_S = 45.0
LEAVE_DEADLINE_S = 15.0
"""For a lab that did not come back: then the next scenario takes a new one."""
"""How long a lab that missed its time is given all the same, to be used again."""
QUIET_DEADLINE_S = 30.0
ACKED_BEFORE_MIN = 30


class Unproved(LabError):
    """The scenario could not be played as it is written: it proves nothing."""


class Refuted(LabError):
    """Something that must hold does not."""


@dataclass(slots=True, kw_only=True)
class Round:
    """What is measured of one round, on the machine's monotonic clock."""

    primary: str
    injected_ns: int = 0
    healed_ns: int = 0
    protected_ns: int | None = None
    """None when full protection did not come in time."""
    restored_s: float | None = None


@dataclass(slots=True, kw_only=True)
class Play:
    """What came of playing a scenario; `checks` judges it."""

    scenario: Scenario
    seed: int
    rounds: list[Round] = field(default_factory=list)
    told: list[tuple[float, str]] = field(default_factory=list)
    unproved: str = ""
    refuted: list[str] = field(default_factory=list)
    history: History | None = None
    dumps: tuple[MemberDump, ...] = ()
    verdicts: tuple[Verdict, ...] = ()
    watch: Watch | None = None
    clean: bool = False
    """Whether the lab is at full protection again, and can be used for the next."""
    elapsed_s: float = 0.0


class Player:
    """One scenario on one lab."""

    def __init__(self, lab: Lab, scenario: Scenario, folder: Path, *, seed: int, tell: Callable[[str], None]) -> None:
        self._lab = lab
        self._scenario = scenario
        self._group = lab.groups[0].name
        self._watch = Watch(lab, self._group)
        self._clients = Clients(lab, folder, rate_per_s=scenario.load.rate, seed=seed)
        self._phases = Phases(lab=lab, watch=self._watch, clients=self._clients)
        self._began_s = time.monotonic()
        self._say = tell
        self._cast = Cast(roles={})
        self._held = False
        self._holds: list[str] = []
        self.play = Play(scenario=scenario, seed=seed, watch=self._watch)

    def run(self) -> Play:
        """Play it to its end; what goes wrong is part of what comes of it."""
        play = self.play
        self._watch.start()
        try:
            self._steady()
            self._place()
            self._clients.install()
            with self._clients:
                self._warm_up()
                for _ in range(self._scenario.rounds):
                    self._round()
            self._read()
        except (FaultNotSeen, Unproved) as error:
            play.unproved = str(error)
        except (LabError, NotQuiet, psycopg.Error, OSError) as error:
            play.refuted.append(f"{type(error).__name__}: {' '.join(str(error).split())}"[:600])
            self._read_what_there_is()
        finally:
            self._clients.stop()
            with contextlib.suppress(LabError, OSError):
                self._leave()
            self._watch.close()
            play.elapsed_s = time.monotonic() - self._began_s
        return play

    # The steady state

    def _steady(self) -> None:
        try:
            wait_until(self._phases.steady, deadline_s=STEADY_DEADLINE_S, what="the steady state", poll_s=0.1)
        except DeadlineMissed as error:
            raise Unproved(str(error)) from error

    def _place(self) -> None:
        """Put the primary where the scenario wants ZooKeeper's leader to be, or not to be."""
        wanted = self._scenario.place.zookeeper_leader
        if wanted == "anywhere":
            return
        together, leader = wanted == "with-primary", self._lab.zookeeper_leader()
        primary = self._phases.primary()
        if (self._lab.member(primary).center == leader) is together:
            return
        members = self._lab.group_members(self._group)
        candidate = next(
            one.name for center, one in members.items() if (center == leader) is together and one.name != primary
        )
        done = self._lab.drctl("switchover", self._group, "--candidate", candidate, "--yes", "--reason", "placed")
        if done.returncode != 0:
            raise Unproved(f"the primary could not be placed: {' '.join(done.stderr.split())[-300:]}")
        wait_until(
            lambda: self._phases.primary() == candidate and self._watch.protected(),
            deadline_s=STEADY_DEADLINE_S,
            what=f"{candidate} is the primary",
            poll_s=0.1,
        )

    def _warm_up(self) -> None:
        self._pause(self._scenario.load.warm_up)
        try:
            wait_until(
                lambda: self._clients.pulse().acked >= ACKED_BEFORE_MIN and self._phases.flows(),
                deadline_s=10.0,
                what="the clients are served",
                poll_s=0.1,
            )
        except DeadlineMissed as error:
            raise Unproved(f"{error} ({self._clients.broken() or 'all clients run'})") from error

    # One round

    def _round(self) -> None:
        scenario, scene = self._scenario, self._scene()
        self._steady()
        primary = self._phases.primary()
        members = {center: member.name for center, member in self._lab.group_members(self._group).items()}
        self._cast = Cast.of(primary=primary, members=members)
        one = Round(primary=primary)
        self.play.rounds.append(one)
        self._scene_now = scene
        self._holds = [step.when.before for step in scenario.faults if step.when is not None and step.when.before]
        started_s = time.monotonic()
        self._arm_hold()
        for step in scenario.faults:
            self._await_turn(step, started_s)
            if not step.prepare and not one.injected_ns:
                one.injected_ns = time.monotonic_ns()
            self._do(scene, step)
        self._afterwards(one)
        self._mend(scene, one)

    def _scene(self) -> Scene:
        return Scene(lab=self._lab, group=self._group, name=self._name, tell=self._tell)

    def _do(self, scene: Scene, step: Step) -> None:
        target = self._name(step.target) if step.target else ""
        found = known_actions().get(step.do)
        if found is None:
            raise Unproved(f"there is no action {step.do!r}; there are {', '.join(sorted(known_actions()))}")
        if step.do != "wait":
            self._tell(" ".join(part for part in (step.do, target, step.to, step.point or "") if part))
        found(scene, step, target)
        # An effect that a mere wait holds is held on, for what is done next.
        held = self._held or (step.when is not None and step.when.before is not None)
        self._held = held and step.do == "wait"
        if held and not self._held:
            scene.crashes.disarm()
            self._arm_hold()

    def _arm_hold(self) -> None:
        """Effects are held one after the other, in the order of the file."""
        if self._holds:
            kind, _, effect = self._holds.pop(0).rpartition("/")
            CrashFile(self._lab.folder).arm(CrashPoint.parse(f"{kind + '/' if kind else ''}hold:{effect}"))

    def _await_turn(self, step: Step, started_s: float) -> None:
        if step.at is not None:
            self._pause(max(0.0, started_s + step.at - time.monotonic()))
        if step.when is not None:
            self._phases.wait_for(step.when, since_ns=self.play.rounds[-1].injected_ns)
            if step.when.before:
                self._tell(f"drctl is about to {step.when.before}, and is held there")
                self._pause(step.when.lasts)

    def _afterwards(self, one: Round) -> None:
        """Let the load go on; where a failover is expected, from the return of service on."""
        expect, scenario = self._scenario.expect, self._scenario
        if expect.setting_restored_within is not None:
            one.restored_s = self._phases.setting_restored_s(one.primary, within_s=expect.setting_restored_within + 5.0)
            self._tell(f"the setting was put back after {one.restored_s} s")
        if expect.failover and not expect.refused:
            with contextlib.suppress(DeadlineMissed):
                wait_until(
                    lambda: self._phases.primary() != one.primary and self._phases.flows(),
                    deadline_s=SERVICE_DEADLINE_S,
                    what="service returns",
                    poll_s=0.05,
                )
        self._pause(scenario.load.seconds)

    def _mend(self, scene: Scene, one: Round) -> None:
        self._tell("everything is mended")
        self._undo(scene)
        one.healed_ns = time.monotonic_ns()
        try:
            wait_until(
                self._phases.steady,
                deadline_s=self._scenario.expect.protected_within,
                what="full protection after the mending",
                poll_s=0.1,
            )
            one.protected_ns = time.monotonic_ns()
            self._tell(f"full protection after {(one.protected_ns - one.healed_ns) / 1e9:.1f} s")
        except DeadlineMissed:
            self.play.refuted.append(
                f"no full protection within {self._scenario.expect.protected_within:g} s: {self._phases.words()}"
            )
            wait_until(self._phases.steady, deadline_s=RECOVERY_DEADLINE_S, what="the steady state", poll_s=0.2)

    def _undo(self, scene: Scene) -> None:
        scene.crashes.disarm()
        while scene.undo:
            with contextlib.suppress(LabError, psycopg.Error, OSError):
                scene.undo.pop()()
        self._lab.faults.heal_all()

    def _leave(self) -> None:
        """Mend whatever an early end left, and see whether the lab can be used again."""
        scene = getattr(self, "_scene_now", None)
        if scene is not None:
            self._undo(scene)
        with contextlib.suppress(DeadlineMissed):
            wait_until(self._phases.steady, deadline_s=LEAVE_DEADLINE_S, what="the steady state", poll_s=0.2)
            self.play.clean = True

    def _read_what_there_is(self) -> None:
        """After a failure: what the clients were told, and if they come to rest, the members."""
        self._clients.stop()
        with contextlib.suppress(OSError, ValueError, NotQuiet, psycopg.Error):
            self._read()

    def _read(self) -> None:
        self._clients.stop()
        members = {
            MemberName(one.name): one.dsn(dbname=DATABASE) for one in self._lab.group_members(self._group).values()
        }
        self.play.history = read_history(self._clients.ledgers.values())
        self.play.dumps = read_members(members, deadline_s=QUIET_DEADLINE_S)
        self.play.verdicts = judge(self.play.history, self.play.dumps)

    def _name(self, target: str) -> str:
        return self._cast.name(target, self._phases.roles_for(target))

    def _pause(self, for_s: float) -> None:
        until_s = time.monotonic() + for_s
        while time.monotonic() < until_s:
            broken = self._clients.broken()
            if broken:
                raise Unproved(f"a client of the load ended: {broken}")
            time.sleep(min(0.1, max(0.0, until_s - time.monotonic())))

    def _tell(self, text: str) -> None:
        at_s = time.monotonic() - self._began_s
        self.play.told.append((at_s, text))
        self._say(f"    {at_s:6.1f} s  {text}")
