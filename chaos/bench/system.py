"""What the bench asks of a system that moves primaries: the same questions to drctl and to Patroni."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

from chaos.demo.sight import Sight
from chaos.lab.errors import LabError
from chaos.lab.lab import Lab

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

PLACES_MAX = 4
"""So many switchovers bring the primary wherever a fault wants it, also where one standby at a time may take over."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Phases:
    """Where the seconds of one outage went; None where the system does not say, or where nothing of the kind happened."""

    detect_s: float | None = None
    """From the injection to the moment when someone began to act."""
    seal_s: float | None = None
    promote_s: float | None = None
    marker_s: float | None = None
    """Until a first commit of its own was acknowledged on the new primary."""


class System(Protocol):
    """A cluster of three members in a lab, whoever looks after it."""

    @property
    def name(self) -> str:
        """As in the table."""

    @property
    def lab(self) -> Lab:
        """Where it runs."""

    @property
    def group(self) -> str:
        """The group that is measured."""

    def primary(self) -> str | None:
        """The member that leads, by the system's own word; None while it names none."""

    def protected(self) -> bool:
        """Whether both standbys stream and commits wait for one as they should."""

    def switchover(self, candidate: str | None = None) -> None:
        """Hand over. Raises LabError with what the system said when it refuses."""

    def power_on(self, center: str) -> None:
        """Give a center its power back, as its init system would."""

    def phases(self, injected_utc: datetime) -> Phases:
        """What the system itself tells about the outage that began then."""

    def close(self) -> None:
        """Take everything down."""


class DrctlSystem:
    """drctl as shipped; the number of failovers an hour alone is not limited, because the bench makes many."""

    name = "drctl"

    def __init__(self, lab_name: str, pg_bindir: str | None) -> None:
        self.lab = Lab.up(lab_name, pg_bindir=pg_bindir, policy={"failovers_per_hour": 1000})
        self.group = self.lab.groups[0].name
        self._sight = Sight(self.lab)

    def primary(self) -> str | None:
        """The member that leads."""
        picture = self._sight.group(self.group)
        return None if picture is None else str(picture["primary"])

    def protected(self) -> bool:
        """By the leader's word."""
        picture = self._sight.group(self.group)
        return (
            picture is not None
            and picture["run"] is None
            and picture["protection"] == "protected"
            and len(picture["sync_members"]) == len(self.lab.group_members(self.group)) - 1
        )

    def switchover(self, candidate: str | None = None) -> None:
        """By the command line, as a person does it."""
        wanted = ["--candidate", candidate] if candidate else []
        done = self.lab.drctl("switchover", self.group, *wanted, "--yes", "--reason", "bench")
        if done.returncode != 0:
            said = f"{done.stdout[-1500:]}\n{done.stderr[-1500:]}".strip()
            raise LabError(f"drctl switchover ended with {done.returncode} and said:\n{said}")

    def power_on(self, center: str) -> None:
        """Give a center its power back."""
        self.lab.power_on(center)

    def phases(self, injected_utc: datetime) -> Phases:
        """From the journal of the run that followed the injection."""
        run = self._run_after(injected_utc)
        if run is None:
            return Phases()
        return Phases(
            detect_s=_seconds_between(injected_utc, run["started_utc"]),
            seal_s=_step_s(run, "seal"),
            promote_s=_step_s(run, "promote"),
            marker_s=_step_s(run, "marker"),
        )

    def close(self) -> None:
        """Take the lab down."""
        self._sight.close()
        self.lab.down()

    def _run_after(self, injected_utc: datetime) -> Mapping[str, Any] | None:
        picture = self._sight.group(self.group)
        for head in picture["history"] if picture else ():
            later = _seconds_between(injected_utc, head["started_utc"]) > 0
            if later and head["kind"] in {"failover", "switchover", "restart"}:
                return self._sight.run(head["id"])
        return None


def place(system: System, fits: Callable[[str], bool], await_protected: Callable[[], None]) -> None:
    """Move the primary until its center fits; a candidate that may not take over now is reached by way of another."""
    for _ in range(PLACES_MAX):
        primary = system.primary()
        if primary is not None and fits(system.lab.member(primary).center):
            return
        members = system.lab.group_members(system.group).values()
        wanted = [member.name for member in members if member.name != primary and fits(member.center)]
        try:
            system.switchover(wanted[0] if wanted else None)
        except LabError:
            system.switchover()
        await_protected()
    raise LabError(f"{system.name}: the primary cannot be placed where this fault wants it")


def _step_s(run: Mapping[str, Any], step_id: str) -> float | None:
    for step in run["steps"]:
        if step["id"] == step_id:
            elapsed_s: float | None = step["elapsed_s"]
            return elapsed_s
    return None


def _seconds_between(begin: datetime, end_utc: str) -> float:
    return (datetime.fromisoformat(end_utc) - begin).total_seconds()
