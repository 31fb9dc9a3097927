"""A center's HAProxy, with the configuration that `drctl routing haproxy` writes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.lab.waiting import wait_until
from drctl.config import load
from drctl.model.identity import CenterName
from drctl.routing.doors import doors
from drctl.routing.haproxy import haproxy

if TYPE_CHECKING:
    from chaos.lab.host import Host

KIND = "haproxy"
WRITE_PORT = 5000
"""Of the first group; see `drctl routing haproxy --help`."""
READ_PORT = 5001
START_DEADLINE_S = 10.0


@dataclass(frozen=True, slots=True, kw_only=True)
class HAProxy:
    """The way of a center's clients to the primary."""

    host: Host

    @property
    def configuration(self) -> Path:
        """Its configuration; it is there in a lab that has HAProxy."""
        return self.host.folder / "haproxy.cfg"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.host.folder / "haproxy.log"

    @property
    def enabled(self) -> bool:
        """Whether this lab has it."""
        return self.configuration.exists()

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.host.runs(KIND)

    def prepare(self, cluster_yaml: Path) -> None:
        """Write its configuration."""
        topology = load(cluster_yaml).topology
        text = haproxy(topology, doors(topology), center=CenterName(self.host.name), bind=self.host.address)
        self.configuration.write_text(text)

    def start(self) -> None:
        """Start it; nothing happens when it runs, or when this lab has none."""
        if self.enabled and not self.running:
            # It speaks of every check that changes its mind; -db keeps it in the foreground.
            self.host.daemon(["haproxy", "-db", "-f", self.configuration], kind=KIND, log=self.log)

    def wait_serving(self) -> None:
        """Return when it accepts. Raises LabError when it ends instead, or too late."""
        wait_until(
            lambda: self.host.listens(WRITE_PORT),
            deadline_s=START_DEADLINE_S,
            what=f"HAProxy of {self.host.name} listens on port {WRITE_PORT}",
            hopeless=lambda: not self.running,
            log=self.log,
        )
