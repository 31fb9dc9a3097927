"""drctl-host in a center: the program on the database host, and what it is told about its members."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.lab.errors import LabError
from chaos.lab.host import DATABASE_USER, group_id, user_id
from chaos.lab.postgres import REPLICATOR, SUPERUSER

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chaos.lab.host import Host
    from chaos.lab.postgres import Member

# Debian's own, as on a database host: the checkout's environment is not there.
PYTHON = "/usr/bin/python3"
CHECKOUT = Path(__file__).resolve().parents[2]
BUNDLE_DEADLINE_S = 30.0
MUST_NOT_START = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class DrctlHost:
    """The installation in one center."""

    host: Host
    program: Path

    @property
    def folder(self) -> Path:
        """Its configuration and state."""
        return self.host.folder / "drctl-host"

    @property
    def config(self) -> Path:
        """What it is told about its members."""
        return self.folder / "host.json"

    @property
    def installed(self) -> bool:
        """Whether the lab has it at all: a lab may be brought up without drctl."""
        return self.program.exists()

    @property
    def forced_command(self) -> str:
        """What drctl's key may run."""
        return f"{PYTHON} -I -S {self.program} serve --config {self.config}"

    def prepare(self, members: Mapping[str, Member], peers: Iterable[Member]) -> None:
        """Write its configuration for the members that live here; `peers` are all members of all groups."""
        state = self.folder / "state"
        state.mkdir(parents=True)
        shutil.chown(state, user_id(DATABASE_USER), group_id(DATABASE_USER))
        everyone = list(peers)
        document = {
            "version": 1,
            "state_dir": str(state),
            "members": {name: _facts(member, everyone) for name, member in members.items()},
        }
        self.config.write_text(json.dumps(document, indent=1) + "\n")

    def may_start(self, member: str) -> bool:
        """Whether a member may be started, by drctl-host's own word: a fenced one may not.

        Raises LabError when it cannot say. Without drctl-host everything may start.
        """
        if not self.installed:
            return True
        done = self.host.run(
            [PYTHON, "-I", "-S", self.program, "may-start", member, "--config", self.config],
            as_user=DATABASE_USER,
            check=False,
            timeout_s=10,
        )
        if done.returncode not in {0, MUST_NOT_START}:
            raise LabError(
                f"drctl-host of {self.host.name} cannot say whether {member} may start: {done.stderr.strip()}"
            )
        return done.returncode == 0


def install(program: Path) -> None:
    """Write drctl-host as one file. Raises LabError."""
    made = subprocess.run(
        [sys.executable, "-m", "drctl.host.bundle", program],
        capture_output=True,
        text=True,
        check=False,
        cwd=CHECKOUT,
        timeout=BUNDLE_DEADLINE_S,
    )
    if made.returncode != 0:
        raise LabError(f"drctl-host cannot be bundled: {made.stderr.strip()}")
    program.chmod(0o755)


def _facts(member: Member, everyone: Iterable[Member]) -> dict[str, object]:
    return {
        "group": member.group,
        "pgdata": str(member.pgdata),
        "bindir": str(member.programs.bindir),
        "port": member.port,
        "socket_dir": str(member.socket_dir),
        "superuser": SUPERUSER,
        "log": str(member.log),
        "start": None,
        "stop": None,
        "replication": {"user": REPLICATOR, "passfile": None, "options": "sslmode=prefer"},
        "rewind_user": SUPERUSER,
        "peers": {
            peer.name: {"host": peer.host.address, "port": peer.port}
            for peer in everyone
            if peer.group == member.group and peer.name != member.name
        },
    }
