"""A center's ZooKeeper server: Debian's package, our recommended configuration."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from chaos.lab.errors import LabError
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping

    from chaos.lab.host import Host

KIND = "zookeeper"
CLIENT_PORT = 2181
ENSEMBLE_DEADLINE_S = 30.0
# What users are told to copy is what the lab runs.
TEMPLATE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "zoo.cfg"
LOGGING = """\
log4j.rootLogger=INFO, CONSOLE
log4j.appender.CONSOLE=org.apache.log4j.ConsoleAppender
log4j.appender.CONSOLE.layout=org.apache.log4j.PatternLayout
log4j.appender.CONSOLE.layout.ConversionPattern=%d{ISO8601} %-5p [%t:%C{1}@%L] %m%n
"""
# A server of the lab keeps a few kilobytes: it starts sooner with the simplest collector and compiler. Without
# performance data no file for `jps` stays in /tmp when it is killed.
JAVA_OPTIONS = (
    "-Xmx128m",
    "-Xss512k",
    "-XX:+UseSerialGC",
    "-XX:TieredStopAtLevel=1",
    "-XX:-UsePerfData",
    "-Djava.net.preferIPv4Stack=true",
    "-Dzookeeper.jmx.log4j.disable=true",
)
JARS = tuple(f"/usr/share/java/{name}.jar" for name in ("zookeeper", "log4j-1.2", "slf4j-log4j12"))
MAIN = "org.apache.zookeeper.server.quorum.QuorumPeerMain"
PEER_PORTS = "2888:3888"

Role = Literal["leader", "follower", "standalone"]
ROLES: dict[str, Role] = {"leader": "leader", "follower": "follower", "standalone": "standalone"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ZooKeeper:
    """One server of the ensemble."""

    host: Host
    number: int
    servers: Mapping[int, str]
    """Number and address of every server, this one included."""

    @property
    def folder(self) -> Path:
        """Its configuration and data."""
        return self.host.folder / "zookeeper"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "zookeeper.log"

    @property
    def address(self) -> str:
        """Where clients connect."""
        return f"{self.host.address}:{CLIENT_PORT}"

    def prepare(self) -> None:
        """Write its configuration and its number."""
        data = self.folder / "data"
        data.mkdir(parents=True)
        (data / "myid").write_text(f"{self.number}\n")
        (self.folder / "log4j.properties").write_text(LOGGING)
        changes = {
            "dataDir": str(data),
            "clientPortAddress": self.host.address,
            # The log file is preallocated in steps of this many kilobytes; 64 MB a server is too much for a lab.
            "preAllocSize": "1024",
        } | {f"server.{number}": f"{address}:{PEER_PORTS}" for number, address in self.servers.items()}
        (self.folder / "zoo.cfg").write_text(with_changes(TEMPLATE.read_text(), changes))

    def start(self) -> None:
        """Start it; nothing happens when it runs."""
        if self.running:
            return
        classpath = ":".join([str(self.folder), *JARS])
        self.host.daemon(
            ["java", *JAVA_OPTIONS, "-cp", classpath, MAIN, self.folder / "zoo.cfg"], kind=KIND, log=self.log
        )

    def kill(self) -> None:
        """SIGKILL; return when it is gone."""
        self.host.cgroup.child(KIND).kill()

    @property
    def running(self) -> bool:
        """Whether its process lives, frozen or not."""
        return self.host.runs(KIND)

    def wait_serving(self, *, deadline_s: float = ENSEMBLE_DEADLINE_S) -> None:
        """Return when it takes part in an ensemble with a leader. Raises LabError when it ends instead, or too late."""
        wait_until(
            lambda: self.role() is not None,
            deadline_s=deadline_s,
            what=f"ZooKeeper of {self.host.name} serves",
            hopeless=lambda: not self.running,
            log=self.log,
            poll_s=0.1,
        )

    def role(self, *, timeout_s: float = 0.5) -> Role | None:
        """Its part in the ensemble; None when it does not answer or does not serve."""
        try:
            answer = self.ask("srvr", timeout_s=timeout_s)
        except OSError:
            return None
        for line in answer.splitlines():
            if line.startswith("Mode: "):
                return ROLES.get(line.removeprefix("Mode: ").strip())
        return None

    def ask(self, word: str, *, timeout_s: float = 0.5) -> str:
        """The answer to a four letter word, asked from the server's own host. Raises OSError."""
        with self.host.connect(self.host.address, CLIENT_PORT, timeout_s=timeout_s) as link:
            link.sendall(word.encode())
            parts = []
            while part := link.recv(4096):
                parts.append(part)
        return b"".join(parts).decode(errors="replace")


def with_changes(template: str, changes: Mapping[str, str]) -> str:
    """The template with the values of some keys replaced where they stand; keys that it lacks come at the end."""
    left = dict(changes)
    lines = []
    for line in template.splitlines():
        key = line.partition("=")[0].strip()
        lines.append(f"{key}={left.pop(key)}" if key in left else line)
    return "\n".join([*lines, *(f"{key}={value}" for key, value in left.items())]) + "\n"


def leader(ensemble: Mapping[str, ZooKeeper]) -> str | None:
    """The center whose server leads; None while there is no leader."""
    for center, server in ensemble.items():
        if server.role() == "leader":
            return center
    return None


def wait_leader(ensemble: Mapping[str, ZooKeeper], *, deadline_s: float = ENSEMBLE_DEADLINE_S) -> str:
    """The center whose server leads, as soon as there is one. Raises DeadlineMissed."""
    found: list[str] = []

    def look() -> bool:
        center = leader(ensemble)
        if center is not None:
            found.append(center)
        return bool(found)

    wait_until(look, deadline_s=deadline_s, what="ZooKeeper has a leader", poll_s=0.1)
    if not found:
        raise LabError("ZooKeeper has no leader")
    return found[0]
