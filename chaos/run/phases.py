"""Where a play stands: is the lab in its steady state, do writes flow, has the phase come that a step waits for."""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from chaos.faults.crashpoint import CrashFile
from chaos.lab.errors import DeadlineMissed
from chaos.lab.waiting import wait_until

if TYPE_CHECKING:
    from chaos.demo.clients import Clients
    from chaos.lab.lab import Lab
    from chaos.run.scenario import When
    from chaos.run.watch import Watch

FLOWING_S = 0.5
"""Writes flow when the last one was acknowledged within this time."""
HEIR_DEADLINE_S = 3.0
"""A run tells of its heir when it has chosen it, and those who look see it a moment later."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Looks at a lab, its controllers and its clients, and waits."""

    lab: Lab
    watch: Watch
    clients: Clients

    def steady(self) -> bool:
        """Whether nothing at all is missing."""
        return self.watch.protected() and all(
            center.controller.running and center.zookeeper.role() is not None for center in self.lab.centers.values()
        )

    def primary(self) -> str:
        """The recorded primary; empty when no controller has answered of late."""
        picture = self.watch.picture()
        return str(picture["primary"] or "") if picture is not None else ""

    def flows(self) -> bool:
        """Whether writes are acknowledged."""
        return self.clients.last_write_age_s() < FLOWING_S

    def struck(self) -> bool:
        """Whether the crash point that was armed has struck."""
        return CrashFile(self.lab.folder).strike() is not None

    def roles(self) -> dict[str, str]:
        """Who has the roles that change; empty where nobody has one."""
        picture = self.watch.picture() or {}
        primary = str(picture.get("primary") or "")
        strike = CrashFile(self.lab.folder).strike()
        run = self.watch.runs.get(strike.run) if strike is not None else picture.get("run")
        heir = str((run or {}).get("heir") or "")
        center = {one.name: one.center for one in self.lab.members.values()}
        return {
            "current-primary": primary,
            "current-primary-center": center.get(primary, ""),
            "heir": heir,
            "heir-center": center.get(heir, ""),
            "drctl-leader": self.watch.leader,
            "zookeeper-leader": self.lab.zookeeper_leader() or "",
        }

    def roles_for(self, target: str) -> dict[str, str]:
        """The same, after a moment's patience where the target is the heir."""
        if target.startswith("heir"):
            with contextlib.suppress(DeadlineMissed):
                wait_until(lambda: bool(self.roles()["heir"]), deadline_s=HEIR_DEADLINE_S, what="the heir is known")
        return self.roles()

    def wait_for(self, when: When, *, since_ns: int) -> None:
        """Return when the phase has come; runs count that ended after `since_ns`. Raises DeadlineMissed."""
        if when.before:
            wait_until(self.struck, deadline_s=when.within, what=f"drctl comes to {when.before}")
        elif when.run:
            kind = when.run
            wait_until(
                lambda: self._ended_since(kind, since_ns), deadline_s=when.within, what=f"a {kind} ends", poll_s=0.05
            )
        elif when.service:
            wait_until(self.flows, deadline_s=when.within, what="writes are acknowledged again", poll_s=0.05)
        elif when.protected:
            wait_until(self.watch.protected, deadline_s=when.within, what="full protection", poll_s=0.05)
        elif when.leaderless:
            wait_until(
                lambda: all(center.zookeeper.role() is None for center in self.lab.centers.values()),
                deadline_s=when.within,
                what="no ZooKeeper server serves",
                poll_s=0.05,
            )

    def setting_restored_s(self, primary: str, *, within_s: float) -> float | None:
        """How long until a member's `synchronous_standby_names` names all others again; None: not in that time."""
        began_s, member = time.monotonic(), self.lab.member(primary)
        wanted = {one.name for one in self.lab.group_members(self.watch.group).values()} - {primary}

        def restored() -> bool:
            shown = str(member.query("show synchronous_standby_names")[0][0])
            return all(f'"{name}"' in shown for name in wanted)

        try:
            wait_until(restored, deadline_s=within_s, what="the setting is put back")
        except DeadlineMissed:
            return None
        return time.monotonic() - began_s

    def words(self) -> str:
        """How the group stands, for a complaint."""
        picture = self.watch.picture()
        missing = [
            f"{center.name} without {what}"
            for center in self.lab.centers.values()
            for what, there in (
                ("controller", center.controller.running),
                ("ZooKeeper", center.zookeeper.role() is not None),
            )
            if not there
        ]
        if picture is None:
            return ", ".join(["no controller answers", *missing])
        members = [f"{one['name']} {one['state']} {one.get('detail', '')}".strip() for one in picture["members"]]
        run = picture["run"]
        under_way = [f"{run['kind']} {run['id']} under way"] if run else []
        rules = f"{len(picture['rules'])} rules"
        return ", ".join([f"{picture['protection_text']}", rules, *under_way, *members, *missing])

    def _ended_since(self, kind: str, since_ns: int) -> bool:
        ago_s = (time.monotonic_ns() - since_ns) / 1e9
        return any(_age_s(str(run["ended_utc"])) < ago_s for run in self.watch.ended(kind))


def _age_s(utc: str) -> float:
    return (datetime.now(UTC) - datetime.fromisoformat(utc)).total_seconds()
