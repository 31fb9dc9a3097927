"""Real ZooKeeper servers from Debian's package, on loopback, in a folder of their own."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from drctl.model.topology import Address

CLASSPATH = "/usr/share/java/zookeeper.jar:/usr/share/java/log4j-1.2.jar:/usr/share/java/slf4j-log4j12.jar"
LOGGING = """\
log4j.rootLogger=INFO, CONSOLE
log4j.appender.CONSOLE=org.apache.log4j.ConsoleAppender
log4j.appender.CONSOLE.layout=org.apache.log4j.PatternLayout
log4j.appender.CONSOLE.layout.ConversionPattern=%d{ISO8601} %-5p [%t:%C{1}@%L] %m%n
"""
# As docs/reference/zoo.cfg recommends it.
TIMING = "tickTime=500\nsyncLimit=4\ninitLimit=30\nminSessionTimeout=1000\ncnxTimeout=500\n"
START_DEADLINE_S = 40.0


@dataclass(slots=True)
class Server:
    """One server, ended by its pid."""

    folder: Path
    port: int
    number: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> Address:
        return Address(host="127.0.0.1", port=self.port)

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                [
                    "java",
                    "-Xmx128m",
                    "-Xss512k",
                    "-XX:+UseSerialGC",
                    "-XX:TieredStopAtLevel=1",
                    "-XX:-UsePerfData",
                    "-Dzookeeper.jmx.log4j.disable=true",
                    "-cp",
                    f"{self.folder}:{CLASSPATH}",
                    "org.apache.zookeeper.server.quorum.QuorumPeerMain",
                    str(self.folder / "zoo.cfg"),
                ],
                stdout=log,
                stderr=log,
                stdin=subprocess.DEVNULL,
            )

    def serves(self) -> bool:
        return "Mode: " in self.ask("srvr")

    def leads(self) -> bool:
        return "Mode: leader" in self.ask("srvr")

    def ask(self, word: str) -> str:
        try:
            with socket.create_connection(("127.0.0.1", self.port), timeout=0.5) as link:
                link.sendall(word.encode())
                parts = []
                while part := link.recv(4096):
                    parts.append(part)
                return b"".join(parts).decode()
        except OSError:
            return ""

    def freeze(self) -> None:
        self._signal(signal.SIGSTOP)

    def thaw(self) -> None:
        self._signal(signal.SIGCONT)

    def kill(self) -> None:
        self._signal(signal.SIGKILL)
        if self.process is not None:
            self.process.wait(10)

    def _signal(self, number: signal.Signals) -> None:
        if self.process is not None and self.process.poll() is None:
            os.kill(self.process.pid, number)


@dataclass(slots=True)
class Servers:
    """An ensemble of one or three."""

    folder: Path
    count: int
    members: list[Server] = field(default_factory=list)

    def __enter__(self) -> Self:
        ports = free_ports(3 * self.count)
        lines = "".join(
            f"server.{n + 1}=127.0.0.1:{ports[self.count + n]}:{ports[2 * self.count + n]}\n" for n in range(self.count)
        )
        for number in range(1, self.count + 1):
            folder = self.folder / f"zookeeper-{number}"
            (folder / "data").mkdir(parents=True)
            (folder / "data" / "myid").write_text(f"{number}\n")
            (folder / "log4j.properties").write_text(LOGGING)
            port = ports[number - 1]
            (folder / "zoo.cfg").write_text(
                f"{TIMING}dataDir={folder / 'data'}\nclientPort={port}\nclientPortAddress=127.0.0.1\n"
                f"admin.enableServer=false\npreAllocSize=1024\n4lw.commands.whitelist=*\n"
                + (lines if self.count > 1 else "")
            )
            self.members.append(Server(folder=folder, port=port, number=number))
        for server in self.members:
            server.start()
        self.wait_serving()
        return self

    def __exit__(self, *_: object) -> None:
        for server in self.members:
            server.kill()

    def wait_serving(self) -> None:
        wait_until(lambda: all(server.serves() for server in self.members), START_DEADLINE_S, "ZooKeeper serves")

    @property
    def hosts(self) -> tuple[Address, ...]:
        return tuple(server.address for server in self.members)


def free_ports(count: int) -> list[int]:
    """Ports that nobody listens on; held together, so that none comes twice."""
    held = [socket.socket() for _ in range(count)]
    try:
        for one in held:
            one.bind(("127.0.0.1", 0))
        return [one.getsockname()[1] for one in held]
    finally:
        for one in held:
            one.close()


def wait_until(condition, deadline_s: float, what: str, poll_s: float = 0.01) -> float:
    """Seconds until it held. Fails the test when it does not in time."""
    began_s = time.monotonic()
    while not condition():
        assert time.monotonic() - began_s < deadline_s, f"not within {deadline_s:g} s: {what}"
        time.sleep(poll_s)
    return time.monotonic() - began_s


class MonotonicClock:
    """Real time."""

    def now_s(self) -> float:
        return time.monotonic()

    def utc(self) -> str:
        return "2026-01-01T00:00:00.000Z"
