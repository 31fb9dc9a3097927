"""The faults of the table, each as something that is done to a lab and undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from chaos.lab.errors import LabError

if TYPE_CHECKING:
    from chaos.lab.lab import Lab


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchFault:
    """One row of the table."""

    name: str
    inject: Callable[[Lab, str], None]
    """Given the lab and the primary's member name."""
    heal: Callable[[Lab, str], None]
    moves: bool
    """Whether the primary is expected to move."""
    zookeeper_leader_with_it: bool | None = None
    """Whether ZooKeeper's leader must be in the primary's center; None when it does not matter."""
    lasts_s: float = 0.0
    """How long the fault stays before it is healed, when service does not wait for that."""
    median_max_s: float
    """Required of the median."""
    max_max_s: float | None
    """Required of the greatest; None when only the median is."""


def _center(lab: Lab, primary: str) -> str:
    return lab.member(primary).center


def _standby_center(lab: Lab, primary: str) -> str:
    return next(name for name in lab.centers if name != _center(lab, primary))


def _switch(lab: Lab, primary: str) -> None:
    done = lab.drctl("switchover", lab.member(primary).group, "--yes", "--reason", "bench")
    if done.returncode != 0:
        raise LabError(f"drctl switchover ended with {done.returncode}: {done.stderr[-300:]}")


def _lose_quorum(lab: Lab, primary: str) -> None:
    for name in [name for name in lab.centers if name != _center(lab, primary)]:
        lab.faults.kill_zookeeper(name)


def _restore_quorum(lab: Lab, primary: str) -> None:
    for name in [name for name in lab.centers if name != _center(lab, primary)]:
        lab.faults.start_zookeeper(name)


def _nothing(_lab: Lab, _primary: str) -> None:
    """There is nothing to heal."""


def _power_on(lab: Lab, primary: str) -> None:
    lab.power_on(_center(lab, primary))


FAULTS: Mapping[str, BenchFault] = {
    fault.name: fault
    for fault in (
        BenchFault(
            name="postmaster_killed",
            inject=lambda lab, primary: void(lab.faults.kill_postmaster(primary)),
            heal=_nothing,
            moves=True,
            median_max_s=1.0,
            max_max_s=1.5,
        ),
        BenchFault(
            name="center_off",
            inject=lambda lab, primary: lab.power_off(_center(lab, primary)),
            heal=_power_on,
            moves=True,
            zookeeper_leader_with_it=False,
            median_max_s=3.5,
            max_max_s=5.0,
        ),
        BenchFault(
            name="center_off_zk_leader",
            inject=lambda lab, primary: lab.power_off(_center(lab, primary)),
            heal=_power_on,
            moves=True,
            zookeeper_leader_with_it=True,
            median_max_s=5.0,
            max_max_s=7.0,
        ),
        BenchFault(
            name="center_isolated",
            inject=lambda lab, primary: void(lab.faults.isolate(_center(lab, primary))),
            heal=lambda lab, primary: lab.faults.heal(_center(lab, primary)),
            moves=True,
            zookeeper_leader_with_it=False,
            median_max_s=3.5,
            max_max_s=5.0,
        ),
        BenchFault(
            name="database_frozen",
            inject=lambda lab, primary: void(lab.faults.freeze(primary)),
            heal=lambda lab, primary: lab.faults.thaw(primary),
            moves=True,
            median_max_s=5.0,
            max_max_s=7.0,
        ),
        BenchFault(
            name="standby_lost",
            inject=lambda lab, primary: lab.power_off(_standby_center(lab, primary)),
            heal=lambda lab, primary: void(lab.power_on(_standby_center(lab, primary))),
            moves=False,
            lasts_s=8.0,
            median_max_s=0.3,
            max_max_s=None,
        ),
        BenchFault(
            name="zk_quorum_lost",
            inject=_lose_quorum,
            heal=_restore_quorum,
            moves=False,
            lasts_s=45.0,
            median_max_s=0.3,
            max_max_s=None,
        ),
        BenchFault(name="switchover", inject=_switch, heal=_nothing, moves=True, median_max_s=0.7, max_max_s=1.2),
    )
}


def void(_result: object) -> None:
    """Drop a result that nobody needs here."""
