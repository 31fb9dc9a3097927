"""A center's PgBouncer before its HAProxy, with the configuration that `drctl routing pgbouncer` writes."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from chaos.lab.host import DATABASE_USER, group_id, user_id
from chaos.lab.waiting import wait_until
from drctl.config import load
from drctl.routing.doors import doors
from drctl.routing.pgbouncer import LISTEN_PORT, pgbouncer

if TYPE_CHECKING:
    from chaos.lab.host import Host

KIND = "pgbouncer"
PORT = LISTEN_PORT
START_DEADLINE_S = 10.0
USERS = ("postgres", "drctl")


@dataclass(frozen=True, slots=True, kw_only=True)
class PgBouncer:
    """The pool of a center's clients."""

    host: Host

    @property
    def folder(self) -> Path:
        """Its files; they are there in a lab that has PgBouncer."""
        return self.host.folder / "pgbouncer"

    @property
    def log(self) -> Path:
        """What it says."""
        return self.folder / "pgbouncer.log"

    @property
    def running(self) -> bool:
        """Whether its process lives."""
        return self.host.runs(KIND)

    def prepare(self, cluster_yaml: Path, databases: tuple[str, ...]) -> None:
        """Write its configuration; the lab's roles need no password."""
        configuration = load(cluster_yaml)
        self.folder.mkdir()
        text = pgbouncer(
            doors(configuration.topology)[:1],
            databases,
            host=self.host.address,
            listen=self.host.address,
            listen_port=PORT,
            admin=configuration.database.user,
        )
        text = text.replace("auth_type = scram-sha-256", "auth_type = trust")
        text = text.replace("auth_file = /etc/pgbouncer/userlist.txt", f"auth_file = {self.folder}/userlist.txt")
        (self.folder / "pgbouncer.ini").write_text(text + "unix_socket_dir =\n")
        (self.folder / "userlist.txt").write_text("".join(f'"{user}" ""\n' for user in USERS))
        for path in (self.folder, *self.folder.iterdir()):
            shutil.chown(path, user_id(DATABASE_USER), group_id(DATABASE_USER))

    def start(self) -> None:
        """Start it; nothing happens when it runs, or when this lab has none."""
        if self.folder.exists() and not self.running:
            argv = ["pgbouncer", str(self.folder / "pgbouncer.ini")]
            self.host.daemon(argv, kind=KIND, log=self.log, as_user=DATABASE_USER)

    def wait_serving(self) -> None:
        """Return when it accepts. Raises LabError when it ends instead, or too late."""
        wait_until(
            lambda: self.host.listens(PORT),
            deadline_s=START_DEADLINE_S,
            what=f"PgBouncer of {self.host.name} listens on port {PORT}",
            hopeless=lambda: not self.running,
            log=self.log,
        )
