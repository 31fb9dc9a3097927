"""Patroni in the lab: the same namespaces, ZooKeeper, PostgreSQL and settings; one Patroni a center instead of drctl.

A development dependency only: drctl does not know it. What Patroni documents as its limits is respected: ttl 20 s,
loop_wait 1 s and retry_timeout 3 s are the least that it takes. Sources: patroni/config.py (limits and their adjustment),
its documentation "Dynamic Configuration Settings", "Replication modes" and "DCS Failsafe Mode".
"""

from __future__ import annotations

import json
import shutil
import sys
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from chaos.bench.system import Phases
from chaos.lab import network, zookeeper
from chaos.lab.errors import LabError
from chaos.lab.host import DATABASE_USER, group_id, user_id
from chaos.lab.lab import Lab
from chaos.lab.postgres import REPLICATOR, SUPERUSER
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from chaos.lab.center import Center
    from chaos.lab.postgres import Member

KIND = "patroni"
HTTP_PORT = 8008
ASK_TIMEOUT_S = 2.0
SWITCHOVER_TIMEOUT_S = 60.0
START_DEADLINE_S = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Timings:
    """How a Patroni cluster is set up."""

    name: str
    dynamic: Mapping[str, str | int | bool]
    """Its dynamic configuration beside what both have."""
    zookeeper_session_max_ms: int | None
    """What the servers cap sessions at; None leaves the lab's value, which is above Patroni's ttl."""
    quorum: bool
    """Whether any one standby may acknowledge, as with drctl, or one that is named."""


DEFAULT = Timings(
    name="patroni_default",
    dynamic={"ttl": 30, "loop_wait": 10, "retry_timeout": 10, "synchronous_mode": "on"},
    zookeeper_session_max_ms=None,
    quorum=False,
)
FASTEST = Timings(
    name="patroni_fastest",
    dynamic={
        "ttl": 20,
        "loop_wait": 1,
        "retry_timeout": 3,
        "synchronous_mode": "quorum",
        "failsafe_mode": True,
        "primary_start_timeout": 0,
    },
    # ZooKeeper's own default of 20 ticks: it halves the shortest ttl that Patroni takes, in its favour.
    zookeeper_session_max_ms=10_000,
    quorum=True,
)


class PatroniSystem:
    """Three Patronis that took over a running group, as their documentation describes it."""

    def __init__(self, timings: Timings, lab_name: str, pg_bindir: str | None) -> None:
        self._timings = timings
        self.name = timings.name
        self.lab = Lab.up(lab_name, pg_bindir=pg_bindir, controllers=False)
        self.group = self.lab.groups[0].name
        self._members = self.lab.group_members(self.group)
        self._askers = ThreadPoolExecutor(len(self._members), thread_name_prefix="patroni")
        try:
            self._cap_sessions()
            self._take_over()
        except BaseException:
            self.lab.down()
            raise

    def primary(self) -> str | None:
        """The leader, by the word of any Patroni."""
        return next((str(one["name"]) for one in self._cluster() if one["role"] == "leader"), None)

    def protected(self) -> bool:
        """Whether both standbys stream, and all that should may acknowledge."""
        members = self._cluster()
        roles = [one["role"] for one in members]
        streaming = [one for one in members if one["role"] != "leader" and one["state"] == "streaming"]
        acknowledging = roles.count("quorum_standby") == 2 if self._timings.quorum else "sync_standby" in roles
        leads = any(one["role"] == "leader" and one["state"] == "running" for one in members)
        return leads and len(streaming) == len(self._members) - 1 and acknowledging

    def switchover(self, candidate: str | None = None) -> None:
        """By its REST API: quicker than its command line."""
        primary = self.primary()
        if primary is None:
            raise LabError("patroni names no leader")
        wish = {"leader": primary} | ({"candidate": candidate} if candidate else {})
        request = urllib.request.Request(
            f"http://{self.lab.member(primary).host.address}:{HTTP_PORT}/switchover",
            data=json.dumps(wish).encode(),
            headers={"Content-Type": "application/json"},
            method="POST",
        )
        try:
            with urllib.request.urlopen(request, timeout=SWITCHOVER_TIMEOUT_S) as answer:  # noqa: S310
                answer.read()
        except urllib.error.HTTPError as error:
            raise LabError(f"patroni refused the switchover: {error.read().decode(errors='replace')}") from error
        except OSError as error:
            raise LabError(f"patroni did not answer to the switchover: {error}") from error

    def power_on(self, center: str) -> None:
        """As an init system that starts ZooKeeper and Patroni, never PostgreSQL."""
        one = self.lab.centers[center]
        network.set_link(one.netns, up=True)
        one.zookeeper.start()
        self._start(one)

    def phases(self, injected_utc: datetime) -> Phases:  # noqa: ARG002 -- it keeps no journal of steps
        """Patroni does not tell."""
        return Phases()

    def close(self) -> None:
        """Take the lab down."""
        self._askers.shutdown(wait=False, cancel_futures=True)
        self.lab.down()

    def _cluster(self) -> list[Mapping[str, Any]]:
        """`/cluster` of the first Patroni that answers and knows a leader; empty when none does."""
        answers = self._askers.map(_ask, [member.host.address for member in self._members.values()])
        for members in answers:
            if any(one["role"] == "leader" for one in members):
                return members
        return []

    def _cap_sessions(self) -> None:
        if self._timings.zookeeper_session_max_ms is None:
            return
        servers = {name: center.zookeeper for name, center in self.lab.centers.items()}
        for server in servers.values():
            server.kill()
            config = server.folder / "zoo.cfg"
            changed = {"maxSessionTimeout": str(self._timings.zookeeper_session_max_ms)}
            config.write_text(zookeeper.with_changes(config.read_text(), changed))
            server.start()
        zookeeper.wait_leader(servers)

    def _take_over(self) -> None:
        home = self._members[self.lab.groups[0].home]
        for center in self.lab.centers.values():
            self._write_config(self._members[center.name])
        self._start(self.lab.centers[home.center])
        wait_until(
            lambda: self.primary() == home.name,
            deadline_s=START_DEADLINE_S,
            what=f"patroni leads with {home.name}",
            log=_log(home),
        )
        for center in self.lab.centers.values():
            self._start(center)
        wait_until(self.protected, deadline_s=START_DEADLINE_S, what="patroni protects the group", log=_log(home))

    def _start(self, center: Center) -> None:
        if center.host.runs(KIND):
            return
        member = self._members[center.name]
        program = Path(sys.executable).with_name("patroni")
        center.host.daemon(
            [program, _folder(member) / "patroni.yml"], kind=KIND, log=_log(member), as_user=DATABASE_USER
        )

    def _write_config(self, member: Member) -> None:
        folder = _folder(member)
        folder.mkdir()
        config = folder / "patroni.yml"
        config.write_text(yaml.safe_dump(self._config(member), sort_keys=False))
        for path in (folder, config):
            shutil.chown(path, user_id(DATABASE_USER), group_id(DATABASE_USER))

    def _config(self, member: Member) -> dict[str, object]:
        addresses = [center.zookeeper.address for center in self.lab.centers.values()]
        dynamic = dict(self._timings.dynamic) | {
            "postgresql": {
                "use_pg_rewind": True,
                # Patroni gives these on PostgreSQL's command line, where they would win over the lab's settings.
                "parameters": {"max_connections": 200, "wal_log_hints": "on", "max_wal_senders": 10},
            }
        }
        address = member.host.address
        return {
            "scope": self.group,
            "name": member.name,
            "restapi": {"listen": f"{address}:{HTTP_PORT}", "connect_address": f"{address}:{HTTP_PORT}"},
            "zookeeper": {"hosts": addresses},
            "watchdog": {"mode": "off"},
            "bootstrap": {"dcs": dynamic},
            "postgresql": {
                "listen": f"{address}:{member.port}",
                "connect_address": f"{address}:{member.port}",
                "data_dir": str(member.pgdata),
                "bin_dir": str(member.programs.bindir),
                "pgpass": str(_folder(member) / "pgpass"),
                "use_unix_socket": True,
                "authentication": {
                    "superuser": {"username": SUPERUSER},
                    "replication": {"username": REPLICATOR},
                    "rewind": {"username": SUPERUSER},
                },
                "parameters": {"unix_socket_directories": str(member.socket_dir)},
            },
        }


def _folder(member: Member) -> Path:
    return member.host.folder / "patroni"


def _log(member: Member) -> Path:
    return _folder(member) / "patroni.log"


def _ask(address: str) -> list[Mapping[str, Any]]:
    try:
        with urllib.request.urlopen(f"http://{address}:{HTTP_PORT}/cluster", timeout=ASK_TIMEOUT_S) as answer:
            members: list[Mapping[str, Any]] = json.load(answer)["members"]
            return members
    except (OSError, ValueError, KeyError):
        return []
