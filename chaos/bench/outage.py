"""Measures one outage of one system: full protection, load, a fault at a random phase, return, healing, the count of rows."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime
from itertools import pairwise
from typing import TYPE_CHECKING, Self

import psycopg

from chaos.bench.faults import FAULTS, BenchFault
from chaos.bench.measure import Ack, RunFigures, longest_gap, return_after
from chaos.bench.system import Phases, System, place
from chaos.lab.drctl_host import CHECKOUT
from chaos.lab.errors import DeadlineMissed, LabError
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from chaos.lab.lab import Lab

PHASE_MAX_S = 1.5
SERVICE_DEADLINE_S = 60.0
"""What has not come back by then, while the fault lasts, counts as never."""
PROTECTED_DEADLINE_S = 120.0
SETTLE_S = 1.0
ROWS_DEADLINE_S = 10.0


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
        """Make an empty table."""
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

    def flows(self, since_ns: int) -> bool:
        """Whether it has had acknowledgements for a second, without a stop, since then."""
        now_ns = time.monotonic_ns()
        begin_ns = max(since_ns, now_ns - int(SETTLE_S * 1e9))
        # Copied first: the reader goes on to append.
        times = [begin_ns, *(ack.acked_ns for ack in self.acks[-500:] if ack.who == "writer"), now_ns]
        recent = [one for one in times if one >= begin_ns]
        enough = now_ns - since_ns > SETTLE_S * 1e9
        return enough and all(after - before < 0.3e9 for before, after in pairwise(recent))

    def _read(self) -> None:
        assert self._process.stdout is not None, "opened with a pipe"
        for line in self._process.stdout:
            self.acks.append(Ack(**json.loads(line)))


def run_fault(system: System, fault: BenchFault, phases: random.Random) -> RunFigures:
    """One run of one fault, from full protection back to full protection. Raises LabError when that does not come."""
    await_protected(system)
    if fault.zookeeper_leader_with_it is not None:
        leader = system.lab.zookeeper_leader()
        place(
            system, lambda center: (center == leader) is fault.zookeeper_leader_with_it, lambda: await_protected(system)
        )
    primary = system.primary()
    if primary is None:
        raise LabError(f"{system.name} names no primary")
    writer = Writer(system.lab, system.group)
    writer.install()
    load_average = os.getloadavg()[0]
    with writer:
        phase_s = SETTLE_S + phases.random() * PHASE_MAX_S
        time.sleep(phase_s)
        injected_ns, injected_utc = time.monotonic_ns(), datetime.now(UTC)
        fault.inject(system, primary)
        if fault.heals_after_s is not None:
            time.sleep(fault.heals_after_s)
            fault.heal(system, primary)
        returned = _await_return(writer, injected_ns, fault)
        gap_s = longest_gap(writer.acks, injected_ns, "writer") if returned else None
        outage_s = return_after(writer.acks, injected_ns, ["writer"]) if returned else None
        hosts = sorted({ack.who for ack in writer.acks} - {"writer"})
        fresh_s = return_after(writer.acks, injected_ns, hosts) if returned else None
        if fault.heals_after_s is None:
            fault.heal(system, primary)
    trouble = _protection_trouble(system)
    told = system.phases(injected_utc) if fault.interrupts else Phases()
    return RunFigures(
        system=system.name,
        fault=fault.name,
        writer_s=outage_s if fault.interrupts else gap_s,
        fresh_s=fresh_s if fault.interrupts else None,
        gap_s=gap_s,
        phase_s=phase_s,
        detect_s=told.detect_s,
        seal_s=told.seal_s,
        promote_s=told.promote_s,
        marker_s=told.marker_s,
        lost=None if trouble else _lost(system, writer.acks),
        acked=len(writer.acks),
        load_average=load_average,
        trouble=trouble,
    )


def _protection_trouble(system: System) -> str | None:
    """What is said when full protection does not come back; None when it does."""
    try:
        await_protected(system)
    except DeadlineMissed as error:
        return str(error)
    return None


def _await_return(writer: Writer, injected_ns: int, fault: BenchFault) -> bool:
    """Whether the writer has its acknowledgements again, in time and while the fault lasts."""
    watched_ns = injected_ns + int(fault.watched_s * 1e9)

    def returned() -> bool:
        return time.monotonic_ns() > watched_ns and writer.flows(injected_ns)

    try:
        wait_until(returned, deadline_s=SERVICE_DEADLINE_S, what="service returns", poll_s=0.1)
    except DeadlineMissed:
        return False
    return True


def await_protected(system: System) -> None:
    """Return when the system says that nothing is missing, and ZooKeeper has a leader. Raises DeadlineMissed."""
    wait_until(
        lambda: system.protected() and system.lab.zookeeper_leader() is not None,
        deadline_s=PROTECTED_DEADLINE_S,
        what=f"{system.name} is at full protection",
        poll_s=0.1,
    )


def _lost(system: System, acks: Sequence[Ack]) -> int | None:
    """How many acknowledged rows the member that has the fewest of them lacks; it is given time to replay."""
    wanted = {(ack.who, ack.number) for ack in acks}
    missing: list[int] = []

    def all_there() -> bool:
        try:
            there = [
                set(member.query("select who, number from bench", dbname="lis_db"))
                for member in system.lab.group_members(system.group).values()
            ]
        except psycopg.Error:
            return False
        missing[:] = [max(len(wanted - rows) for rows in there)]
        return missing == [0]

    try:
        wait_until(all_there, deadline_s=ROWS_DEADLINE_S, what="every member has every row", poll_s=0.2)
    except DeadlineMissed:
        return missing[0] if missing else None
    return 0


def measure(
    start: Callable[[], System],
    name: str,
    faults: Sequence[str],
    runs: int,
    phases: random.Random,
    record: Callable[[RunFigures], None],
) -> None:
    """Every fault `runs` times in one system. A run that fails is recorded as never, and the next gets a new lab."""
    system: System | None = None
    try:
        # Round by round, not fault by fault: what else the machine does in a while is shared by all faults.
        for _ in range(runs):
            for fault in faults:
                try:
                    system = system or start()
                    one = run_fault(system, FAULTS[fault], phases)
                except LabError as error:
                    trouble = str(error)
                    one = RunFigures(
                        system=name, fault=fault, writer_s=None, fresh_s=None, gap_s=None, trouble=trouble,
                        load_average=os.getloadavg()[0],
                    )  # fmt: skip
                if one.trouble and system is not None:
                    system.close()
                    system = None
                record(one)
    finally:
        if system is not None:
            system.close()
