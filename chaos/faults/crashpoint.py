"""Crash points: a controller of the chaos build dies, sleeps or waits at a named effect; the product knows no such switch.

The point is written to one file that all controllers of a lab watch. The first whose effect fits takes the file away,
so that a point strikes once, whoever leads: its successor finds nothing.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import signal
import sys
import threading
import time
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING
from unittest.mock import patch

from chaos.lab.errors import LabError
from drctl.controller.effect import BeginRun, ChangeRecord, FinishRun, HostCall, MarkerCall, SaveRun

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from drctl.controller.effect import Effect, EffectEnded
    from drctl.controller.perform import Ports

HOLD_MAX_S = 20.0
"""A held effect goes on after this long, whatever became of the one who holds it."""
ZOMBIE_MAX_S = 8.0
"""How long the effect of a woken sleeper may keep its process from ending."""
ZOMBIE_EVENT = "zombie_effect"
"""The line in the controller's log that tells what came of what a sleeper went on to do."""
POLL_S = 0.01
SPEC = re.compile(
    r"(?:(?P<kind>[a-z]+)/)?(?P<deed>[a-z-]+):(?P<effect>[a-z_.]+)(?:@(?P<step>[a-z_]+))?(?:#(?P<number>\d+))?"
    r"(?::(?P<seconds>[\d.]+)s)?"
)


class Deed(StrEnum):
    """What happens at the point."""

    BEFORE = "before"
    """The process dies before the effect."""
    AFTER = "after"
    """The process dies after the effect, before anybody is told of it."""
    ZOMBIE = "zombie"
    """The process stops before the effect, and goes on with it when it is woken."""
    STALL = "stall"
    """The effect alone is late, by so many seconds; the rest of the process goes on."""
    HOLD = "hold"
    """The effect waits until it is released: to do something at that very moment."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CrashPoint:
    """`[KIND/]DEED:EFFECT[@STEP][#NUMBER][:SECONDS]`, such as `failover/before:record.change@commit`."""

    deed: Deed
    effect: str
    kind: str | None = None
    """The kind of run; None: any."""
    step: str | None = None
    """The step of the playbook; None: any."""
    number: int = 1
    """The how manieth effect that fits, counted from the arming."""
    seconds: float = 0.0

    @classmethod
    def parse(cls, text: str) -> CrashPoint:
        """Raises ValueError."""
        found = SPEC.fullmatch(text.strip())
        if found is None:
            raise ValueError(f"{text!r} is no crash point: expected [KIND/]DEED:EFFECT[@STEP][#NUMBER][:SECONDS]")
        return cls(
            deed=Deed(found["deed"]),
            effect=found["effect"],
            kind=found["kind"],
            step=found["step"],
            number=int(found["number"] or 1),
            seconds=float(found["seconds"] or 0.0),
        )

    def __str__(self) -> str:
        parts = (
            f"{self.kind}/" if self.kind else "",
            f"{self.deed}:{self.effect}",
            f"@{self.step}" if self.step else "",
            f"#{self.number}" if self.number > 1 else "",
            f":{self.seconds:g}s" if self.seconds else "",
        )
        return "".join(parts)

    def fits(self, effect: Effect, kind: str | None) -> bool:
        """Whether `effect`, of a run of `kind`, is one that the point speaks of."""
        return (
            effect.name == self.effect
            and self.kind in {None, kind}
            and self.step in {None, getattr(effect, "step", None)}
        )


class CrashFile:
    """The place where a point is armed, and where it is told that it struck."""

    def __init__(self, folder: Path) -> None:
        """`folder` is the lab's."""
        self.armed = folder / "crashpoint"
        self.struck = folder / "crashpoint.struck"

    def arm(self, point: CrashPoint) -> None:
        """From now on the point is watched for. What struck before is forgotten."""
        self.disarm()
        draft = self.armed.with_suffix(".new")
        draft.write_text(str(point))
        draft.replace(self.armed)

    def disarm(self) -> None:
        """Take the point away; an effect that is held is released."""
        self.armed.unlink(missing_ok=True)
        self.struck.unlink(missing_ok=True)

    def strike(self) -> Strike | None:
        """What struck; None before."""
        try:
            return Strike(**json.loads(self.struck.read_text()))
        except (FileNotFoundError, ValueError):
            return None

    def claim(self, point: CrashPoint, strike: Strike) -> bool:
        """Take the point for this process; False when another was faster, or when it is another point by now."""
        mine = self.armed.with_suffix(f".{strike.pid}")
        try:
            self.armed.rename(mine)
        except FileNotFoundError:
            return False
        if mine.read_text() != str(point):
            mine.rename(self.armed)
            return False
        mine.write_text(json.dumps(strike.document()))
        mine.replace(self.struck)
        return True


@dataclass(frozen=True, slots=True, kw_only=True)
class Strike:
    """A point that struck."""

    center: str
    pid: int
    point: str
    run: str
    mono_ns: int

    def document(self) -> Mapping[str, object]:
        """For the file."""
        return {
            "center": self.center,
            "pid": self.pid,
            "point": self.point,
            "run": self.run,
            "mono_ns": self.mono_ns,
        }


class Trap:
    """Replaces `perform` of a controller's loop: it does the same, except where a point strikes."""

    def __init__(
        self, perform: Callable[[Effect, Ports], EffectEnded], folder: Path, center: str, *, first: str = ""
    ) -> None:
        """`first` is a point that this process alone watches for, from its environment."""
        self._perform = perform
        self._file = CrashFile(folder)
        self._center = center
        self._own = CrashPoint.parse(first) if first else None
        self._kinds: dict[str, str] = {}
        self._record = folder / "effects.on"
        self._effects = folder / "effects.jsonl"
        self._awake = threading.Event()
        self._awake.set()
        self._exit = os._exit
        # A sleeper that wakes goes on with its effect before its watchdog finds out: the scheduler may be as unkind.
        patch.object(os, "_exit", self._exit_later).start()
        self._seen: tuple[str, int] = ("", 0)
        """The point that is being counted, and how many effects fitted it."""

    def __call__(self, effect: Effect, ports: Ports) -> EffectEnded:
        """Perform, or not."""
        run = self._run_of(effect)
        if run is None:
            return self._perform(effect, ports)
        self._note(effect, run)
        point = self._point(effect, run)
        match point.deed if point else None:
            case None:
                return self._perform(effect, ports)
            case Deed.AFTER:
                ended = self._perform(effect, ports)
                self._die()
                return ended
            case Deed.BEFORE:
                self._die()
            case Deed.ZOMBIE:
                return self._sleep(effect, ports)
            case Deed.STALL:
                assert point is not None, "a deed is of a point"
                time.sleep(point.seconds)
            case Deed.HOLD:
                self._hold()
        return self._perform(effect, ports)

    def _run_of(self, effect: Effect) -> str | None:
        match effect:
            case BeginRun(run=run) | SaveRun(run=run) | ChangeRecord(run=run) | FinishRun(run=run):
                self._kinds[run.id] = run.kind
                return run.id
            case HostCall(run=run_id) | MarkerCall(run=run_id):
                return run_id
            case _:
                return None

    def _point(self, effect: Effect, run: str) -> CrashPoint | None:
        """The point that strikes now; None when none does."""
        point, own = self._own, True
        if point is None:
            with contextlib.suppress(FileNotFoundError, ValueError):
                point, own = CrashPoint.parse(self._file.armed.read_text()), False
        if point is None or not point.fits(effect, self._kinds.get(run)):
            return None
        text, count = self._seen
        count = count + 1 if text == str(point) else 1
        self._seen = (str(point), count)
        if count < point.number:
            return None
        self._seen = ("", 0)
        strike = Strike(center=self._center, pid=os.getpid(), point=str(point), run=run, mono_ns=time.monotonic_ns())
        if own:
            self._own = None
            return point
        return point if self._file.claim(point, strike) else None

    def _note(self, effect: Effect, run: str) -> None:
        """Write down what a run does, where somebody asks for it: the matrix of crash points is made from that."""
        if self._record.exists():
            line = json.dumps(
                {"kind": self._kinds.get(run, ""), "effect": effect.name, "step": getattr(effect, "step", "")}
            )
            with self._effects.open("a") as stream:
                stream.write(line + "\n")

    def _sleep(self, effect: Effect, ports: Ports) -> EffectEnded:
        """Stop the whole process here; go on with the effect when it is woken, and tell what came of it."""
        self._awake.clear()
        # To this very thread: a signal to the process is taken by any, and this one would run on until another has.
        signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
        ended = self._perform(effect, ports)
        error = type(ended.error).__name__ if ended.error is not None else ""
        message = ended.error.message if ended.error is not None else ""
        told = {"event": ZOMBIE_EVENT, "effect": effect.name, "error": error, "message": message}
        print(json.dumps(told, ensure_ascii=False), file=sys.stderr, flush=True)
        self._awake.set()
        return ended

    def _exit_later(self, code: int) -> None:
        self._awake.wait(ZOMBIE_MAX_S)
        self._exit(code)

    def _hold(self) -> None:
        until_s = time.monotonic() + HOLD_MAX_S
        while self._file.struck.exists() and time.monotonic() < until_s:
            time.sleep(POLL_S)

    @staticmethod
    def _die() -> None:
        os.kill(os.getpid(), signal.SIGKILL)


def stopped(pid: int) -> bool:
    """Whether a process stands still by a signal."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] in "Tt"
    except OSError:
        return False


def wake(pid: int) -> None:
    """Let a stopped process go on. Raises LabError when it is gone."""
    try:
        os.kill(pid, signal.SIGCONT)
    except ProcessLookupError as error:
        raise LabError(f"the stopped controller {pid} is gone") from error
