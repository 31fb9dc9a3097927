"""A center's sshd: its own host key, drctl's key alone, and one forced command behind it."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.lab.host import DATABASE_USER
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from chaos.lab.host import Host

KIND = "sshd"
PORT = 22
PROGRAM = "/usr/sbin/sshd"
START_DEADLINE_S = 10.0
SHADOW = Path("/etc/shadow")
CONFIG = """\
Port {port}
ListenAddress {address}
HostKey {folder}/host_key
PidFile none
AuthorizedKeysFile {folder}/authorized_keys
# The keys lie in the lab's folder, not in the user's home.
StrictModes no
AllowUsers {user}
PubkeyAuthentication yes
PasswordAuthentication no
KbdInteractiveAuthentication no
# PAM would hand the session, and the PostgreSQL that is started in it, to systemd: out of the center's control group.
UsePAM no
UseDNS no
PermitUserRC no
AllowTcpForwarding no
X11Forwarding no
PrintMotd no
LogLevel VERBOSE
LoginGraceTime 10
MaxSessions 50
MaxStartups 50:30:100
# A controller that lost its power never says goodbye.
ClientAliveInterval 5
ClientAliveCountMax 3
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sshd:
    """The way of the controllers to drctl-host."""

    host: Host

    @property
    def folder(self) -> Path:
        """Its key and configuration."""
        return self.host.folder / "sshd"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "sshd.log"

    def prepare(self, *, client_key: str, forced_command: str) -> str:
        """Write its configuration and make its host key; return its line for known_hosts."""
        self.folder.mkdir(parents=True)
        (self.folder / "sshd_config").write_text(
            CONFIG.format(port=PORT, address=self.host.address, folder=self.folder, user=DATABASE_USER)
        )
        public = make_key(self.folder / "host_key", comment=f"{self.host.lab}-{self.host.name}")
        (self.folder / "authorized_keys").write_text(f'command="{forced_command}",restrict {client_key}\n')
        kind, body, *_ = public.split()
        return f"{self.host.address} {kind} {body}\n"

    def start(self) -> None:
        """Start it and return when it listens; nothing happens when it runs."""
        if not self.running:
            # sshd refuses to start without the folder that it locks its unprivileged half into.
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
            argv = [PROGRAM, "-D", "-e", "-f", str(self.folder / "sshd_config")]
            self.host.daemon([*self._with_unlocked_account(), *argv], kind=KIND, log=self.log)
        wait_until(
            lambda: self.host.listens(PORT),
            deadline_s=START_DEADLINE_S,
            what=f"sshd of {self.host.name} listens",
            hopeless=lambda: not self.running,
            log=self.log,
        )

    def kill(self) -> None:
        """SIGKILL it and every session in it, but not the PostgreSQL that a session started."""
        children = [pid for pid in self.host.pids(KIND) if _is_ours(pid)]
        for pid in children:
            self.host.cgroup.child(f"{KIND}-dying").create().add(pid)
        self.host.cgroup.child(f"{KIND}-dying").kill()

    @property
    def running(self) -> bool:
        """Whether the listening process lives."""
        return any(_is_ours(pid) for pid in self.host.pids(KIND))

    def _with_unlocked_account(self) -> list[str]:
        """What to run sshd through, so that it accepts a key for an account whose password is locked.

        Debian makes the user postgres with the password `!`, which sshd without PAM takes for "no entry at all". sshd
        and its children see a copy of that one line with `*`, "no password fits"; the machine's file is not touched.
        """
        entry = next((line for line in SHADOW.read_text().splitlines() if line.startswith(f"{DATABASE_USER}:")), "")
        if not entry.startswith(f"{DATABASE_USER}:!"):
            return []
        _, _, *rest = entry.split(":")
        copy = self.folder / "shadow"
        copy.write_text(":".join([DATABASE_USER, "*", *rest]) + "\n")
        copy.chmod(0o600)
        return [
            *("unshare", "--mount", "--propagation", "slave"),
            *("sh", "-c", f'mount --bind "$0" {SHADOW} && exec "$@"', str(copy)),
        ]


def make_key(path: Path, *, comment: str) -> str:
    """Make a key pair without a passphrase; the public line."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", comment, "-f", path],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        check=True,
        timeout=10,
    )
    return path.with_suffix(path.suffix + ".pub").read_text().strip()


def _is_ours(pid: int) -> bool:
    """Whether a process is sshd itself or a session's drctl-host, and not a database that was started through it."""
    try:
        program = Path(f"/proc/{pid}/exe").readlink().name
    except OSError:
        return False
    return not program.startswith("postgres")
