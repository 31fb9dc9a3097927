"""A center's drctl controller, and the cluster.yaml that all of them share."""

from __future__ import annotations

import json
import sys
from dataclasses import dataclass
from http import HTTPStatus
from http.client import HTTPException, HTTPResponse
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chaos.lab import sshd
from chaos.lab.drctl_host import CHECKOUT
from chaos.lab.host import DATABASE_USER
from chaos.lab.postgres import REPLICATOR
from chaos.lab.topology import CENTERS
from chaos.lab.waiting import wait_until
from chaos.lab.zookeeper import CLIENT_PORT
from drctl.routing.doors import FIRST_PORT
from drctl.routing.pgbouncer import LISTEN_PORT

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from chaos.lab.host import Host
    from chaos.lab.postgres import Member
    from chaos.lab.topology import GroupPlan

KIND = "controller"
HTTP_PORT = 8008
START_DEADLINE_S = 15.0
CLUSTER = "lab"
PROBE_USER = "drctl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Controller:
    """The daemon of one center."""

    host: Host
    cluster_yaml: Path
    argv: tuple[str, ...] = ("drctl", "controller")
    """The Python module and its command."""

    @property
    def log(self) -> Path:
        """Its log, one JSON document a line."""
        return self.host.folder / "controller.log"

    def start(self, env: Mapping[str, str] | None = None) -> None:
        """Start it without waiting; nothing happens when it runs. `env` carries crash points and the like."""
        if not self.running:
            argv = [
                sys.executable,
                "-m",
                *self.argv,
                "--config",
                str(self.cluster_yaml),
                "--center",
                self.host.name,
            ]
            self.host.daemon(argv, kind=KIND, log=self.log, env=self._env | dict(env or {}))

    @property
    def _env(self) -> dict[str, str]:
        # As systemd gives it.
        return {"PYTHONPATH": str(CHECKOUT), "STATE_DIRECTORY": str(self.host.folder / "drctl")}

    def wait_serving(self, *, deadline_s: float = START_DEADLINE_S) -> None:
        """Return when its HTTP port listens. Raises LabError when it ends instead, or too late."""
        wait_until(
            lambda: self.host.listens(HTTP_PORT),
            deadline_s=deadline_s,
            what=f"the controller of {self.host.name} listens on port {HTTP_PORT}",
            hopeless=lambda: not self.running,
            log=self.log,
            poll_s=0.1,
        )

    def ask(self, path: str, *, timeout_s: float = 1.0) -> tuple[int, str]:
        """Status and body of its answer on its HTTP port, asked from its own host: isolation does not hide it.

        Raises OSError, HTTPException.
        """
        with self.host.connect(self.host.address, HTTP_PORT, timeout_s=timeout_s) as link:
            link.sendall(f"GET {path} HTTP/1.0\r\nHost: {self.host.address}\r\n\r\n".encode())
            with HTTPResponse(link) as answer:
                answer.begin()
                return answer.status, answer.read().decode()

    def guarantees(self, group: str) -> bool:
        """Whether it knows that no acknowledged commit of a group can be lost now; False when it does not answer."""
        try:
            status, body = self.ask("/cluster")
            groups = json.loads(body)["groups"] if status == HTTPStatus.OK else []
        except (OSError, HTTPException, ValueError):
            return False
        return any(one["name"] == group and one["rpo_guaranteed"] for one in groups)

    @property
    def enabled(self) -> bool:
        """Whether it starts with its center: it does once it was started."""
        return self.log.exists()

    def kill(self) -> None:
        """SIGKILL; return when it is gone."""
        self.host.cgroup.child(KIND).kill()

    @property
    def running(self) -> bool:
        """Whether its process lives, frozen or not."""
        return self.host.runs(KIND)


def cluster_document(
    groups: Sequence[GroupPlan],
    members: Mapping[str, Member],
    addresses: Mapping[str, str],
    *,
    keys: Path,
    policy: Mapping[str, str | int],
    pools: bool = False,
) -> str:
    """The text of cluster.yaml. `addresses` are the centers'; `keys` holds drctl's key and the hosts' public keys.

    With `pools` the first group has a PgBouncer in each center, before that center's HAProxy.
    """
    document: dict[str, Any] = {
        "cluster": CLUSTER,
        "zookeeper": {"root": "/drctl", "session_timeout": "1500ms"},
        "centers": {
            center.name: {
                "label": center.label,
                "zookeeper": f"{addresses[center.name]}:{CLIENT_PORT}",
                "http": f"{addresses[center.name]}:{HTTP_PORT}",
            }
            for center in CENTERS
        },
        "ssh": {
            "user": DATABASE_USER,
            "port": sshd.PORT,
            "identity": str(keys / "id_ed25519"),
            "known_hosts": str(keys / "known_hosts"),
        },
        "database": {"user": PROBE_USER, "dbname": "postgres", "sslmode": "prefer"},
        "replication": {"user": REPLICATOR},
        "groups": {
            group.name: {
                "home": group.home,
                "members": {
                    name: {"center": member.center, "host": member.host.address, "port": member.port}
                    for name, member in members.items()
                    if member.group == group.name
                },
            }
            for group in groups
        },
        "policy": dict(policy),
    }
    if pools:
        document["groups"][groups[0].name]["pgbouncers"] = {
            name: {"host": address, "port": LISTEN_PORT, "route": f"{address}:{FIRST_PORT}"}
            for name, address in addresses.items()
        }
    return yaml.safe_dump(document, allow_unicode=True, sort_keys=False)
