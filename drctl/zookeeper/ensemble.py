"""Is every voter of the ensemble there, and do they grant what was asked for? For `drctl doctor`."""

from __future__ import annotations

import re
import socket
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor

from drctl.model.identity import CenterName
from drctl.model.takeover import Finding, FindingSeverity
from drctl.model.topology import Address

ASK_TIMEOUT_S = 1.5
_MODE = re.compile(r"^Mode: (\w+)", re.MULTILINE)
_LATENCY = re.compile(r"^Latency min/avg/max: [\d.]+/([\d.]+)/([\d.]+)", re.MULTILINE)
SLOW_MS = 100.0
"""An average answer that takes longer than this costs every step of a run as much, several times."""


def check_voters(voters: Mapping[CenterName, Address], *, complaint: str) -> Iterator[Finding]:
    """What is wrong with the ensemble. `complaint` is what a session has to say of its timeout; empty when nothing."""
    with ThreadPoolExecutor(max(1, len(voters))) as pool:
        said = dict(zip(voters, pool.map(_ask, voters.values()), strict=True))
    yield from judge(voters, said)
    if complaint:
        yield Finding(
            severity=FindingSeverity.WARNING,
            subject="zookeeper",
            what=complaint,
            why="a session that lives longer than was meant delays the next leader, and a shorter one is lost for nothing",
            remedy="on each center, in zoo.cfg: tickTime=500, minSessionTimeout=1000; then restart the voters one by one",
        )


def judge(voters: Mapping[CenterName, Address], said: Mapping[CenterName, str]) -> Iterator[Finding]:
    """What the answers mean. An answer that begins with `!` says why there was none."""
    serving = [center for center, answer in said.items() if _MODE.search(answer)]
    mute = [center for center, answer in said.items() if "not in the whitelist" in answer]
    majority = len(voters) // 2 + 1
    for center, address in voters.items():
        answer = said[center]
        if center in mute:
            yield _finding(
                FindingSeverity.OK, center, f"ZooKeeper at {address} does not say how it is (srvr is not allowed there)"
            )
        elif center not in serving:
            lost = len(serving) + len(mute) < majority
            why = answer.removeprefix("!") if answer.startswith("!") else "it belongs to no ensemble with a leader"
            yield _finding(
                FindingSeverity.ERROR if lost else FindingSeverity.WARNING,
                center,
                f"ZooKeeper at {address} does not serve: {why}",
                "without a majority nothing can be changed: no failover"
                if lost
                else "the loss of one more stops all changes",
                f"on {address.host}: systemctl status zookeeper; echo srvr | nc {address.host} {address.port}",
            )
        else:
            yield from _well(center, address, answer)
    standalone = [center for center in serving if _mode(said[center]) == "standalone"]
    if standalone and len(voters) > 1:
        yield _finding(
            FindingSeverity.ERROR,
            "zookeeper",
            f"the servers of {', '.join(standalone)} stand alone: they are no ensemble",
            "two controllers may lead at once, each by its own server",
            "in zoo.cfg of each: server.1=..., server.2=..., server.3=...; and myid; then restart them",
        )
    leaders = [center for center in serving if _mode(said[center]) == "leader"]
    if len(leaders) > 1:
        yield _finding(
            FindingSeverity.ERROR,
            "zookeeper",
            f"{len(leaders)} servers say that they lead: {', '.join(leaders)}",
            "they belong to different ensembles",
            "compare the server.N lines of zoo.cfg in every center",
        )


def _well(center: CenterName, address: Address, answer: str) -> Iterator[Finding]:
    latency = _LATENCY.search(answer)
    average_ms = float(latency[1]) if latency else 0.0
    if average_ms > SLOW_MS:
        yield _finding(
            FindingSeverity.WARNING,
            center,
            f"ZooKeeper at {address} answers in {average_ms:.0f} ms on average",
            "every step of a failover waits for several of its answers",
            "give its dataLogDir a disk of its own; then: echo srst | nc " + f"{address.host} {address.port}",
        )
    else:
        yield _finding(FindingSeverity.OK, center, f"ZooKeeper at {address} serves as {_mode(answer)}")


def _mode(answer: str) -> str:
    found = _MODE.search(answer)
    return found[1] if found else ""


def _finding(severity: FindingSeverity, subject: str, what: str, why: str = "", remedy: str = "") -> Finding:
    return Finding(severity=severity, subject=subject, what=what, why=why, remedy=remedy)


def _ask(address: Address) -> str:
    try:
        with socket.create_connection((address.host, address.port), timeout=ASK_TIMEOUT_S) as link:
            link.sendall(b"srvr")
            said = b""
            while part := link.recv(4096):
                said += part
                if len(said) > 65536:
                    break
    except OSError as error:
        return f"!{error.strerror or error}"
    return said.decode(errors="replace")
