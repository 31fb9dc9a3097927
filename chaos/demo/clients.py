"""The laboratory's clients: one load for every center's workplaces, run on the host outside the centers."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Self

from chaos.lab.drctl_host import CHECKOUT
from chaos.lab.errors import LabError

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path
    from types import TracebackType

    from chaos.lab.lab import Lab

RATE_PER_S = 111.0
"""The hospital's peak: 400,000 accesses an hour."""
STOP_DEADLINE_S = 10.0
INSTALL_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Pulse:
    """How the clients get on, all together."""

    acked: int
    unknown: int
    failed: int
    rate_per_s: float
    member: str
    """Who served the last acknowledged write of most clients; empty before the first."""


class Clients:
    """Load processes, one for each center's workplaces; ended on exit."""

    def __init__(self, lab: Lab, folder: Path, *, rate_per_s: float = RATE_PER_S, seed: int = 1) -> None:
        self._lab = lab
        self._seed = seed
        self._rate_per_s = rate_per_s
        self.ledgers = {name: folder / f"{name}.ledger" for name in lab.centers}
        self._processes: dict[str, subprocess.Popen[str]] = {}
        self._latest: dict[str, dict[str, object]] = {}
        self._readers: list[threading.Thread] = []

    def install(self) -> None:
        """Create the laboratory's schema and its stock. Raises LabError."""
        done = self._lab.client.run(
            [sys.executable, "-m", "chaos.workload", "--install", "--dsn", self._dsn(None)],
            env={"PYTHONPATH": str(CHECKOUT)},
            timeout_s=INSTALL_DEADLINE_S,
        )
        if done.returncode != 0:
            raise LabError(
                f"the laboratory's schema could not be created: {(done.stderr or done.stdout).strip()[-500:]}"
            )

    def __enter__(self) -> Self:
        rate_per_s = self._rate_per_s / len(self.ledgers)
        for seed, (name, ledger) in enumerate(self.ledgers.items(), start=self._seed):
            process = self._lab.client.popen(
                [
                    sys.executable, "-m", "chaos.workload", "--dsn", self._dsn(name), "--rate", f"{rate_per_s:g}",
                    "--seed", str(seed), "--ledger", str(ledger), "--client-id", name, "--connections", "8",
                    "--progress-s", "0.25",
                ],
                env={"PYTHONPATH": str(CHECKOUT)},
                stdout=subprocess.PIPE,
            )  # fmt: skip
            self._processes[name] = process
            reader = threading.Thread(target=self._read, args=(name, process), daemon=True)
            reader.start()
            self._readers.append(reader)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def stop(self) -> None:
        """Let them finish what is in flight, and end."""
        for process in self._processes.values():
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes.values():
            try:
                process.wait(STOP_DEADLINE_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        for reader in self._readers:
            reader.join(STOP_DEADLINE_S)
        for process in self._processes.values():
            if process.stdout is not None:
                process.stdout.close()
        self._processes.clear()

    def pulse(self) -> Pulse:
        """The last known totals."""
        latest = list(self._latest.values())
        members = [str(one["member"]) for one in latest if one.get("member")]
        return Pulse(
            acked=_sum(latest, "acked"),
            unknown=_sum(latest, "unknown"),
            failed=_sum(latest, "failed"),
            rate_per_s=sum(float(str(one.get("rate_per_s", 0.0))) for one in latest),
            member=max(set(members), key=members.count) if members else "",
        )

    def last_write_age_s(self) -> float:
        """How long ago a write of any client was acknowledged; as far as their last reports tell."""
        times = [float(str(one.get("last_write_ns", 0))) for one in self._latest.values()]
        return time.monotonic() - max(times, default=0.0) / 1e9

    def broken(self) -> str:
        """Which client has ended by itself; empty when all run."""
        ended = [
            f"{name} (exit {process.poll()})" for name, process in self._processes.items() if process.poll() is not None
        ]
        return ", ".join(ended)

    def _dsn(self, first: str | None) -> str:
        return self._lab.group_dsn(first=first)

    def _read(self, name: str, process: subprocess.Popen[str]) -> None:
        assert process.stdout is not None, "opened with a pipe"
        for line in process.stdout:
            try:
                said = json.loads(line)
            except ValueError:
                continue
            if said.get("t") == "progress":
                self._latest[name] = said


def _sum(latest: Sequence[dict[str, object]], key: str) -> int:
    return sum(int(str(one.get(key, 0))) for one in latest)
