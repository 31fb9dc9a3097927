"""A database host as its operator reaches it: with the operator's own ssh, keys, agent and configuration."""

from __future__ import annotations

import json
import shlex
import subprocess
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Self

from drctl.model.errors import DrctlError, EffectRefused, EffectUnknown, Unreachable

CONNECT_TIMEOUT_S = 10
DEADLINE_S = 60.0
PYTHON = "/usr/bin/python3"
SSH_FAILED = 255
"""What ssh itself exits with; anything else is the remote command's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HostChange:
    """One file on the host that an installation changes."""

    path: str
    what: str
    why: str
    before: str
    """Empty when there is nothing yet."""
    after: str


@dataclass(slots=True, kw_only=True)
class OperatorHost:
    """One database host, over the OpenSSH client. A context manager: what it laid down there for the while is removed."""

    host: str
    login: str
    """The user that runs the database."""
    options: Sequence[str] = ()
    """More words for ssh, such as `-p 2222` or `-F FILE`."""
    _program: str = field(default="", init=False)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._program:
            # A file that stays in the temporary folder is no reason to hide what came of the installation.
            with suppress(DrctlError):
                self._run(f"rm -f -- {shlex.quote(self._program)}", b"")
            self._program = ""

    def plan(self, bundle: bytes, wish: Mapping[str, object]) -> tuple[HostChange, ...]:
        """What an installation would change. Raises Unreachable, EffectRefused."""
        return self._install(bundle, wish)

    def apply(self, bundle: bytes, wish: Mapping[str, object]) -> tuple[HostChange, ...]:
        """Install; what was changed. Raises Unreachable, EffectRefused, EffectUnknown when the line breaks meanwhile."""
        return self._install(bundle, wish, "--apply")

    def host_keys(self) -> tuple[str, ...]:
        """The host's own public SSH keys, `TYPE BASE64` each, as it says itself over a line that the operator trusts."""
        said = self._run("cat /etc/ssh/ssh_host_*_key.pub 2>/dev/null || true", b"").decode("utf-8", "replace")
        return tuple(" ".join(line.split()[:2]) for line in said.splitlines() if line.startswith(("ssh-", "ecdsa-")))

    def _install(self, bundle: bytes, wish: Mapping[str, object], *words: str) -> tuple[HostChange, ...]:
        if not self._program:
            self._program = self._run('t=$(mktemp) && cat > "$t" && echo "$t"', bundle).decode().strip()
        command = shlex.join([PYTHON, "-I", "-S", self._program, "install", *words])
        said = self._run(command, json.dumps(wish).encode(), may_fail=True)
        try:
            answer = json.loads(said)
            if "error" in answer:
                raise EffectRefused(f"{self.host}: {answer['error']}", remedy=str(answer["remedy"]))
            return tuple(HostChange(**change) for change in answer["changes"])
        except (ValueError, TypeError, KeyError) as error:
            raise EffectUnknown(
                f"{self.host}: what it answered cannot be understood: {said[:200]!r}", remedy="drctl host check MEMBER"
            ) from error

    def _run(self, command: str, stdin: bytes, *, may_fail: bool = False) -> bytes:
        words = ["ssh", "-o", "BatchMode=yes", "-o", f"ConnectTimeout={CONNECT_TIMEOUT_S}", *self.options]
        again = shlex.join(["ssh", *self.options, f"{self.login}@{self.host}"])
        try:
            done = subprocess.run(
                [*words, f"{self.login}@{self.host}", command],
                input=stdin,
                capture_output=True,
                timeout=DEADLINE_S,
                check=False,
            )
        except FileNotFoundError as error:
            raise Unreachable("there is no program ssh here", remedy="apt-get install openssh-client") from error
        except subprocess.TimeoutExpired as error:
            raise EffectUnknown(f"{self.host} did not answer within {DEADLINE_S:.0f} s", remedy=again) from error
        if done.returncode == SSH_FAILED:
            raise Unreachable(f"{self.host}: {done.stderr.decode('utf-8', 'replace').strip()}", remedy=again)
        if done.returncode != 0 and not may_fail:
            raise EffectRefused(f"{self.host}: {done.stderr.decode('utf-8', 'replace').strip()}", remedy=again)
        return done.stdout


def pinned(known_hosts: Path, host: str, port: int) -> frozenset[str]:
    """The keys, `TYPE BASE64` each, that `known_hosts` has for a host; none when there is no such file."""
    try:
        lines = known_hosts.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError:
        return frozenset()
    name = known_name(host, port)
    return frozenset(" ".join(line.split()[1:3]) for line in lines if name in line.split(" ", 1)[0].split(","))


def known_name(host: str, port: int) -> str:
    """How `known_hosts` names a host (OpenSSH, sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT")."""
    return host if port == 22 else f"[{host}]:{port}"
