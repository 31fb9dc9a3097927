"""Measures the outage of drctl's lab: steady state, load, fault at a random phase, return, protection, and again."""

from __future__ import annotations

import json
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Self

from chaos.bench.faults import FAULTS, BenchFault
from chaos.bench.measure import Ack, RunFigures, longest_gap, return_after
from chaos.demo.sight import Sight
from chaos.lab.drctl_host import CHECKOUT
from chaos.lab.errors import LabError
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from chaos.lab.lab import Lab

PHASE_MAX_S = 1.5
SERVICE_DEADLINE_S = 30.0
PROTECTED_DEADLINE_S = 60.0
SETTLE_S = 1.0


class Writer:
    """The client process; its acknowledgements as they come."""

    def __init__(self, lab: Lab, group: str) -> None:
        self._lab = lab
        members = lab.group_members(group)
        port = next(iter(members.values())).port
        fresh = f"port={port} user=postgres dbname=lis_db"
        self._argv = [sys.executable, "-m", "chaos.bench.client", "--dsn", lab.group_dsn(group), "--fresh", fresh]
        for member in members.values():
            self._argv += ["--host", member.host.address]
        self._env = {"PYTHONPATH": str(CHECKOUT)}
        self.acks: list[Ack] = []

    def install(self) -> None:
        """Create the table."""
        self._lab.client.run([*self._argv, "--install"], env=self._env)

    def __enter__(self) -> Self:
        self._process = self._lab.client.popen(self._argv, env=self._env, stdout=subprocess.PIPE)
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        wait_until(
            lambda: any(ack.who == "writer" for ack in self.acks), deadline_s=10.0, what="the first acknowledgement"
        )
        return self

    def __exit__(self, *_: object) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(5.0)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._reader.join(5.0)
        if self._process.stdout is not None:
            self._process.stdout.close()

    def _read(self) -> None:
        assert self._process.stdout is not None, "opened with a pipe"
        for line in self._process.stdout:
            self.acks.append(Ack(**json.loads(line)))


def run_fault(lab: Lab, fault: BenchFault, sight: Sight, phases: random.Random) -> RunFigures:
    """One run of one fault, from full protection back to full protection. Raises LabError when it does not come."""
    group = lab.groups[0].name
    _await_protected(lab, sight, group)
    _place(lab, fault, sight, group)
    primary = str(_group(sight, group)["primary"])
    writer = Writer(lab, group)
    writer.install()
    with writer:
        phase_s = SETTLE_S + phases.random() * PHASE_MAX_S
        time.sleep(phase_s)
        injected_ns, injected_utc = time.monotonic_ns(), datetime.now(UTC)
        fault.inject(lab, primary)
        if fault.moves:
            _await_return(writer, injected_ns, sight, group, primary)
        time.sleep(max(SETTLE_S, fault.lasts_s))
    fault.heal(lab, primary)
    _await_protected(lab, sight, group)
    hosts = sorted({ack.who for ack in writer.acks} - {"writer"})
    run = _run_of(sight, group, injected_utc) if fault.moves else None
    gap_s = longest_gap(writer.acks, injected_ns, "writer")
    return RunFigures(
        writer_s=return_after(writer.acks, injected_ns, ["writer"]) if fault.moves else gap_s,
        fresh_s=return_after(writer.acks, injected_ns, hosts) if fault.moves else None,
        gap_s=gap_s,
        phase_s=phase_s,
        detect_s=_seconds_between(injected_utc, run["started_utc"]) if run else None,
        seal_s=_step_s(run, "seal"),
        promote_s=_step_s(run, "promote"),
        marker_s=_step_s(run, "marker"),
    )


def _place(lab: Lab, fault: BenchFault, sight: Sight, group: str) -> None:
    """Put the primary where the fault wants it: with ZooKeeper's leader, or elsewhere."""
    if fault.zookeeper_leader_with_it is None:
        return
    leader = lab.zookeeper_leader()
    primary = str(_group(sight, group)["primary"])
    if (lab.member(primary).center == leader) is fault.zookeeper_leader_with_it:
        return
    wanted = [
        member.name
        for center, member in lab.group_members(group).items()
        if (center == leader) is fault.zookeeper_leader_with_it and member.name != primary
    ]
    done = lab.drctl("switchover", group, "--candidate", wanted[0], "--yes", "--reason", "place for the bench")
    if done.returncode != 0:
        raise LabError(f"drctl switchover ended with {done.returncode}: {(done.stderr or done.stdout)[-300:]}")
    _await_protected(lab, sight, group)


def _await_return(writer: Writer, injected_ns: int, sight: Sight, group: str, primary: str) -> None:
    def returned() -> bool:
        picture = sight.group(group)
        moved = picture is not None and picture["primary"] != primary and picture["run"] is None
        last_ns = max((ack.acked_ns for ack in writer.acks if ack.who == "writer"), default=0)
        return moved and last_ns > injected_ns and time.monotonic_ns() - last_ns < 0.2e9

    wait_until(returned, deadline_s=SERVICE_DEADLINE_S, what="service returns")


def _await_protected(lab: Lab, sight: Sight, group: str) -> None:
    size = len(lab.group_members(group))

    def protected() -> bool:
        picture = sight.group(group)
        return (
            picture is not None
            and picture["run"] is None
            and picture["protection"] == "protected"
            and len(picture["sync_members"]) == size - 1
            and lab.zookeeper_leader() is not None
        )

    wait_until(protected, deadline_s=PROTECTED_DEADLINE_S, what="the group is at full protection")


def _group(sight: Sight, group: str) -> Mapping[str, Any]:
    picture = sight.group(group)
    if picture is None:
        raise LabError("no controller answers")
    return picture


def _run_of(sight: Sight, group: str, injected: datetime) -> Mapping[str, Any] | None:
    """The run that moved the primary after the injection."""
    for head in _group(sight, group)["history"]:
        if (
            head["kind"] in {"failover", "switchover", "restart"}
            and _seconds_between(injected, head["started_utc"]) > 0
        ):
            return sight.run(head["id"])
    return None


def _step_s(run: Mapping[str, Any] | None, step_id: str) -> float | None:
    for step in run["steps"] if run else ():
        if step["id"] == step_id:
            elapsed_s: float | None = step["elapsed_s"]
            return elapsed_s
    return None


def _seconds_between(begin: datetime, end_utc: str) -> float:
    return (datetime.fromisoformat(end_utc) - begin).total_seconds()


def measure(
    lab: Lab, names: Sequence[str], runs: int, seed: int, tell: Callable[[str], None]
) -> dict[str, list[RunFigures]]:
    """Every fault `runs` times. What fails is told, and counts as never."""
    phases = random.Random(seed)
    sight = Sight(lab)
    figures: dict[str, list[RunFigures]] = {name: [] for name in names}
    try:
        for name in names:
            for number in range(1, runs + 1):
                try:
                    one = run_fault(lab, FAULTS[name], sight, phases)
                except LabError as error:
                    tell(f"{name} {number}/{runs}: {error}")
                    one = RunFigures(writer_s=None, fresh_s=None, gap_s=None)
                    lab.faults.heal_all()
                figures[name].append(one)
                tell(f"{name} {number}/{runs}: {_words(one)}")
    finally:
        sight.close()
    return figures


def _words(one: RunFigures) -> str:
    parts = {
        "client": one.writer_s, "fresh": one.fresh_s, "gap": one.gap_s, "detect": one.detect_s, "seal": one.seal_s,
        "promote": one.promote_s, "marker": one.marker_s,
    }  # fmt: skip
    return " ".join(f"{name} {value:.2f} s" for name, value in parts.items() if value is not None) or "never"
