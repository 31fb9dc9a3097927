"""A controller process in the simulated world: the real Controller, its loop in virtual time, its deaths and its sleeps."""

from __future__ import annotations

import traceback
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING

from chaos.simulation.coordinator import Client
from chaos.simulation.enact import Hands
from chaos.simulation.kernel import Process
from drctl.controller.effect import Effect, EffectEnded, Probe, Result
from drctl.controller.tick import Controller
from drctl.model.errors import DrctlError
from drctl.model.event import Decided, Event, RunAdopted, RunEnded, RunStarted, StepChanged
from drctl.model.identity import CenterName, MemberName
from drctl.model.report import MemberReport

if TYPE_CHECKING:
    from chaos.simulation.world import World

PASS_S = 0.2
"""Between two passes when nothing urgent happens. The real loop's is shorter; nothing may depend on it."""
POOL_S = 0.002
LEASE_S = 5.0


class TrapKind(StrEnum):
    """What happens to a controller at a crash point."""

    CRASH = "crash"
    STALL = "stall"


@dataclass(slots=True)
class Trap:
    """A crash point: the controller dies or sleeps right before an effect, or between the effect and its answer."""

    effect: str
    after: bool
    kind: TrapKind
    stall_s: float


class ControllerProcess:
    """The controller of one center, through all its starts."""

    def __init__(self, world: World, center: CenterName) -> None:
        self.world = world
        self.center = center
        self.process = Process(world.kernel, f"controller of {center}")
        self.process.alive = False
        self.trap: Trap | None = None
        self._starts = 0
        self._stalled_at_s = 0.0
        self.controller: Controller
        self.client: Client

    def start(self) -> None:
        """A new start, which knows nothing of the ones before."""
        self._starts += 1
        self.process.start()
        self.controller = Controller(
            self.world.topology,
            center=self.center,
            incarnation=f"{self._starts}",
            playbooks=self.world.playbooks,
            version="simulated",
            emit=self._emit,
        )
        self.client = Client(self.world, self.process, self.center, self._urgent)
        self._hands = Hands(self.world, self.center, self.client)
        self._inbox: list[EffectEnded | MemberName] = []
        self._soon = False
        self.process.after(0.01, self._regular)

    def crash(self, *, restart_s: float) -> None:
        """Die, and be started again by the init system."""
        if not self.process.alive:
            return
        self.world.note("controller", self.center, "crashes")
        self.process.kill()
        self.client.close()
        self.world.kernel.after(restart_s, self._restart)

    def stop(self) -> None:
        """Die with the center."""
        if self.process.alive:
            self.process.kill()
            self.client.close()

    def _restart(self) -> None:
        if not self.process.alive and self.world.powered(self.center):
            self.start()
            if self.world.frozen(self.center):
                self.process.freeze()

    def stall(self) -> None:
        """Sleep in the middle of everything."""
        if self.process.runs:
            self.world.note("controller", self.center, "stalls")
            self.process.freeze()
            self._stalled_at_s = self.world.kernel.now_s

    def wake(self) -> None:
        """Go on as if nothing had been, unless the watchdog notices."""
        if not self.process.frozen or self.world.frozen(self.center):
            return
        slept_s = self.world.kernel.now_s - self._stalled_at_s
        self.world.note("controller", self.center, "wakes", f"after {slept_s:.2f} s")
        self.process.thaw()
        if slept_s > LEASE_S and self.world.kernel.chance(0.5):
            self.world.kernel.after(0.02, self.crash_now)

    def crash_now(self) -> None:
        """The watchdog ends it."""
        self.crash(restart_s=0.5)

    def lost_connection(self, member: MemberName) -> None:
        """An idle connection to a member broke."""
        self._inbox.append(member)
        self._urgent()

    # The loop

    def _urgent(self) -> None:
        if not self._soon and self.process.alive:
            self._soon = True
            self.process.after(0.0005, self._pass_soon)

    def _pass_soon(self) -> None:
        self._soon = False
        self._pass()

    def _regular(self) -> None:
        self._pass()
        self.process.after(PASS_S * (0.8 + 0.4 * self.world.kernel.random.random()), self._regular)

    def _pass(self) -> None:
        now_s = self.world.kernel.now_s
        try:
            inbox, self._inbox = self._inbox, []
            for message in inbox:
                if isinstance(message, EffectEnded):
                    for effect in self.controller.effect_ended(message, now_s):
                        self._send(effect)
                else:
                    self.controller.connection_lost(message)
            effects = self.controller.tick(self.client.coordination(), now_s=now_s, now_utc=self.world.utc())
        except AssertionError as error:
            where = traceback.extract_tb(error.__traceback__)[-1]
            self.world.oracle.broken("assertion", f"{self.center}: {error} ({where.filename}:{where.lineno})")
            raise
        for effect in effects:
            self._send(effect)

    def _send(self, effect: Effect) -> None:
        began_s = self.world.kernel.now_s
        if isinstance(effect, Probe):
            self.process.task(self._hands.perform(effect), lambda r, e: self._ended(effect, began_s, r, e))
            return
        self.process.after(POOL_S * self.world.kernel.random.random(), self._begin, effect, began_s)

    def _begin(self, effect: Effect, began_s: float) -> None:
        if self._springs(effect, after=False):
            # Asleep, it goes on with the effect when it wakes; dead, it never does.
            self.process.after(0.0, self._begin, effect, began_s)
            return
        self.process.task(self._hands.perform(effect), lambda r, e: self._answered(effect, began_s, r, e))

    def _answered(self, effect: Effect, began_s: float, result: Result, error: DrctlError | None) -> None:
        if self._springs(effect, after=True):
            self.process.after(0.0, self._ended, effect, began_s, result, error)
        else:
            self._ended(effect, began_s, result, error)

    def _ended(self, effect: Effect, began_s: float, result: Result, error: DrctlError | None) -> None:
        elapsed_s = self.world.kernel.now_s - began_s
        routine = self._routine(effect, result)
        self._inbox.append(EffectEnded(effect=effect, result=result, error=error, elapsed_s=elapsed_s))
        if not isinstance(effect, Probe) and (self.world.tracing or error is not None):
            told = "ok" if error is None else f"{type(error).__name__}: {error.message}"
            member = getattr(effect, "member", None)
            self.world.note("effect", self.center, effect.name, "" if member is None else member.name, told)
        if not routine:
            self._urgent()

    def _routine(self, effect: Effect, result: Result) -> bool:
        if not isinstance(effect, Probe) or not isinstance(result, MemberReport):
            return False
        before = self.controller.observation.reports.get(effect.member.name)
        return before is not None and before.reachability is result.reachability

    def _springs(self, effect: Effect, *, after: bool) -> bool:
        trap = self.trap
        if trap is None or trap.effect != effect.name or trap.after is not after:
            return False
        self.trap = None
        self.world.note("trap", self.center, trap.kind, "after" if after else "before", effect.name)
        if trap.kind is TrapKind.CRASH:
            self.crash(restart_s=0.2 + self.world.kernel.random.random())
        else:
            self.stall()
            self.world.kernel.after(trap.stall_s, self.wake)
        return True

    def _emit(self, event: Event) -> None:
        match event:
            case RunStarted() | RunAdopted():
                reason = getattr(event, "reason", "")
                self.world.note("run", self.center, type(event).__name__, event.run, f"epoch {event.epoch}", reason)
            case RunEnded():
                self.world.oracle.run_ended(event)
                self.world.note("run", self.center, event.run, event.kind, event.outcome, event.note)
            case StepChanged():
                self.world.note("step", self.center, event.run, event.step, event.status, event.note)
            case Decided():
                self.world.note("decided", self.center, event.decision, event.reason)
            case _:
                pass
