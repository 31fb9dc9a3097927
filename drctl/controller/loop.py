"""The only file with threads: one decides, pools perform effects, a watchdog ends a controller whose loop hangs."""

from __future__ import annotations

import os
import queue
import sys
import threading
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from drctl.controller.effect import Effect, EffectEnded, Inspect, Probe
from drctl.controller.perform import Ports, perform
from drctl.controller.tick import Controller, Coordination
from drctl.model.identity import MemberName
from drctl.model.report import MemberReport

TICK_S = 0.1
"""Between two passes when nothing urgent happens."""
LOOKS_AT_ONCE = 32
ACTS_AT_ONCE = 32
LEASE_S = 5.0
"""A loop that has not passed for this long is taken for hung, and its process ends: the session must not outlive it."""
EXIT_HUNG = 70


class Loop:
    """Runs a controller until it is told to stop."""

    def __init__(
        self, controller: Controller, ports: Ports, *, passed: Callable[[Controller, Coordination], None]
    ) -> None:
        """`passed` is told after every pass, from the deciding thread; it must not block."""
        self._controller = controller
        self._ports = ports
        self._passed = passed
        self._inbox: queue.SimpleQueue[EffectEnded | MemberName] = queue.SimpleQueue()
        self._urgent = threading.Event()
        self._stopping = threading.Event()
        self._looks = ThreadPoolExecutor(LOOKS_AT_ONCE, thread_name_prefix="look")
        self._acts = ThreadPoolExecutor(ACTS_AT_ONCE, thread_name_prefix="act")
        self._passed_at_s = ports.clock.now_s()

    def stop(self) -> None:
        """End the loop soon. From any thread, or from a signal handler."""
        self._stopping.set()
        self._urgent.set()

    def run(self) -> None:
        """Decide, in the calling thread, until `stop`."""
        ports = self._ports
        ports.coordinator.changed(self._urgent.set)
        ports.database.watch(self._member_lost)
        threading.Thread(target=self._watch_the_loop, name="watchdog", daemon=True).start()
        try:
            while not self._stopping.is_set():
                self._urgent.wait(TICK_S)
                self._urgent.clear()
                self._pass()
        finally:
            self._looks.shutdown(wait=False, cancel_futures=True)
            self._acts.shutdown(wait=False, cancel_futures=True)

    def _pass(self) -> None:
        now_s, now_utc = self._ports.clock.now_s(), self._ports.clock.utc()
        for effect in self._absorb(now_s):
            self._send(effect)
        coordination = self._coordination()
        for effect in self._controller.tick(coordination, now_s=now_s, now_utc=now_utc):
            self._send(effect)
        self._passed(self._controller, coordination)
        self._passed_at_s = self._ports.clock.now_s()

    def _absorb(self, now_s: float) -> list[Effect]:
        released: list[Effect] = []
        while True:
            try:
                message = self._inbox.get_nowait()
            except queue.Empty:
                return released
            if isinstance(message, EffectEnded):
                released += self._controller.effect_ended(message, now_s)
            else:
                self._controller.connection_lost(message)

    def _coordination(self) -> Coordination:
        coordinator = self._ports.coordinator
        return Coordination(
            connected=coordinator.connected(),
            leading=coordinator.leading(),
            leader=coordinator.leader(),
            groups={group.name: coordinator.group(group.name) for group in self._controller.topology.groups},
            observers=coordinator.observers(),
        )

    def _send(self, effect: Effect) -> None:
        pool = self._looks if isinstance(effect, Probe | Inspect) else self._acts
        try:
            pool.submit(self._perform, effect)
        except RuntimeError:
            if not self._stopping.is_set():
                raise

    def _perform(self, effect: Effect) -> None:
        try:
            ended = perform(effect, self._ports)
        except BaseException:  # noqa: BLE001 - see below
            # A broken invariant must not be swallowed by a pool: without this effect's end nothing can be decided.
            traceback.print_exc(file=sys.stderr)
            os._exit(EXIT_HUNG)
        self._inbox.put(ended)
        if not self._routine(ended):
            self._urgent.set()

    def _routine(self, ended: EffectEnded) -> bool:
        """Whether the end of an effect can wait for the next pass: a look that saw what was seen before."""
        if isinstance(ended.effect, Probe) and isinstance(ended.result, MemberReport):
            before = self._controller.observation.reports.get(ended.effect.member.name)
            return (
                before is not None
                and before.reachability is ended.result.reachability
                and _sync_names(before) == _sync_names(ended.result)
            )
        return False

    def _member_lost(self, member: MemberName) -> None:
        self._inbox.put(member)
        self._urgent.set()

    def _watch_the_loop(self) -> None:
        while not self._stopping.wait(LEASE_S / 5):
            silent_s = self._ports.clock.now_s() - self._passed_at_s
            if silent_s > LEASE_S:
                print(f"the deciding thread has not passed for {silent_s:.1f} s: this process ends", file=sys.stderr)
                os._exit(EXIT_HUNG)


def _sync_names(report: MemberReport) -> str:
    return report.facts.sync_names if report.facts is not None else ""
