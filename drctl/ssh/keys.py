"""Are drctl's key and the hosts' keys where they must be, before anything depends on them? For `drctl doctor`."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterable, Iterator
from pathlib import Path

import paramiko

from drctl.model.takeover import Finding, FindingSeverity

SUBJECT = "ssh"
LOOSE = stat.S_IRWXG | stat.S_IRWXO


def check_keys(*, identity: Path, known_hosts: Path, port: int, hosts: Iterable[str]) -> Iterator[Finding]:
    """What is wrong with the files of `ssh:`. Reads them, and asks no host."""
    yield from _identity(identity)
    yield from _known_hosts(known_hosts, port, sorted(set(hosts)))


def _identity(identity: Path) -> Iterator[Finding]:
    try:
        status = identity.stat()
        if not os.access(identity, os.R_OK):
            raise PermissionError(f"{identity} may not be read by this user")
    except OSError as error:
        yield _error(
            f"drctl's key cannot be read: {error}",
            "no host can be told anything: neither sealed nor promoted",
            f"ls -l {identity}; or make one: ssh-keygen -t ed25519 -N '' -f {identity}",
        )
        return
    if status.st_mode & LOOSE:
        yield _error(
            f"drctl's key {identity} is open to others (mode {stat.S_IMODE(status.st_mode):04o})",
            "whoever reads it can do on every database host what drctl can do",
            f"chmod 600 {identity}",
        )
        return
    yield Finding(
        severity=FindingSeverity.OK, subject=SUBJECT, what=f"drctl's key {identity} is readable by its owner alone"
    )


def _known_hosts(known_hosts: Path, port: int, hosts: list[str]) -> Iterator[Finding]:
    try:
        known = paramiko.HostKeys(str(known_hosts))
        loose = known_hosts.stat().st_mode & (stat.S_IWGRP | stat.S_IWOTH)
    except (OSError, paramiko.SSHException) as error:
        yield _error(
            f"the hosts' keys cannot be read: {error}",
            "a host whose key is not known is refused: none can be told anything",
            f"ssh-keyscan -p {port} {' '.join(hosts)} > {known_hosts}; then compare every key with the host's own",
        )
        return
    if loose:
        yield _error(
            f"{known_hosts} may be written by others",
            "who writes it can let another machine pass for a database host",
            f"chmod go-w {known_hosts}",
        )
    unknown = [host for host in hosts if known.lookup(host if port == 22 else f"[{host}]:{port}") is None]
    for host in unknown:
        yield _error(
            f"the key of {host} is not in {known_hosts}",
            "it is refused: its member could be neither sealed nor promoted",
            f"ssh-keyscan -p {port} {host} >> {known_hosts}; then compare with: ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub",
        )
    if not unknown:
        yield Finding(
            severity=FindingSeverity.OK, subject=SUBJECT, what=f"the keys of all {len(hosts)} hosts are known"
        )


def _error(what: str, why: str, remedy: str) -> Finding:
    return Finding(severity=FindingSeverity.ERROR, subject=SUBJECT, what=what, why=why, remedy=remedy)
