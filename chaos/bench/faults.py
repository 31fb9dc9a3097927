"""The faults of the table, each as something that is done to a lab and undone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from chaos.bench.system import System


@dataclass(frozen=True, slots=True, kw_only=True)
class BenchFault:
    """One row of the table."""

    name: str
    inject: Callable[[System, str], None]
    """Given the system and the name of the member that was primary."""
    heal: Callable[[System, str], None]
    interrupts: bool
    """Whether service is expected to stop for a moment; otherwise the longest gap is what is measured."""
    zookeeper_leader_with_it: bool | None = None
    """Whether ZooKeeper's leader must be in the primary's center; None when it does not matter."""
    watched_s: float = 3.0
    """Some faults take a moment to bite; service that has not stopped by then is not going to."""
    heals_after_s: float | None = None
    """How long the fault lasts whatever becomes of service; None: until service is back, or is given up."""
    median_max_s: float
    """Required of the median."""
    max_max_s: float | None
    """Required of the greatest; None when only the median is."""


def _center(system: System, primary: str) -> str:
    return system.lab.member(primary).center


def _others(system: System, primary: str) -> list[str]:
    return [name for name in system.lab.centers if name != _center(system, primary)]


def _power_off_primary(system: System, primary: str) -> None:
    system.lab.power_off(_center(system, primary))


def _power_on_primary(system: System, primary: str) -> None:
    system.power_on(_center(system, primary))


def _isolate(system: System, primary: str) -> None:
    system.lab.faults.isolate(_center(system, primary))


def _heal_network(system: System, primary: str) -> None:
    system.lab.faults.heal(_center(system, primary))


def _kill_postmaster(system: System, primary: str) -> None:
    system.lab.faults.kill_postmaster(primary)


def _freeze(system: System, primary: str) -> None:
    system.lab.faults.freeze(primary)


def _thaw(system: System, primary: str) -> None:
    system.lab.faults.thaw(primary)


def _power_off_standby(system: System, primary: str) -> None:
    system.lab.power_off(_others(system, primary)[0])


def _power_on_standby(system: System, primary: str) -> None:
    system.power_on(_others(system, primary)[0])


def _lose_quorum(system: System, primary: str) -> None:
    for name in _others(system, primary):
        system.lab.faults.kill_zookeeper(name)


def _restore_quorum(system: System, primary: str) -> None:
    for name in _others(system, primary):
        system.lab.faults.start_zookeeper(name)


def _switch(system: System, _primary: str) -> None:
    system.switchover()


def _nothing(_system: System, _primary: str) -> None:
    """There is nothing to heal."""


FAULTS: Mapping[str, BenchFault] = {
    fault.name: fault
    for fault in (
        BenchFault(
            name="postmaster_killed",
            inject=_kill_postmaster,
            heal=_nothing,
            interrupts=True,
            median_max_s=1.0,
            max_max_s=1.5,
        ),
        BenchFault(
            name="center_off",
            inject=_power_off_primary,
            heal=_power_on_primary,
            interrupts=True,
            zookeeper_leader_with_it=False,
            median_max_s=3.5,
            max_max_s=5.0,
        ),
        BenchFault(
            name="center_off_zk_leader",
            inject=_power_off_primary,
            heal=_power_on_primary,
            interrupts=True,
            zookeeper_leader_with_it=True,
            median_max_s=5.0,
            max_max_s=7.0,
        ),
        BenchFault(
            name="center_isolated",
            inject=_isolate,
            heal=_heal_network,
            interrupts=True,
            zookeeper_leader_with_it=False,
            median_max_s=3.5,
            max_max_s=5.0,
        ),
        BenchFault(
            name="database_frozen",
            inject=_freeze,
            heal=_thaw,
            interrupts=True,
            median_max_s=5.0,
            max_max_s=7.0,
        ),
        BenchFault(
            name="standby_lost",
            inject=_power_off_standby,
            heal=_power_on_standby,
            interrupts=False,
            watched_s=8.0,
            median_max_s=0.3,
            max_max_s=None,
        ),
        BenchFault(
            name="zk_quorum_lost",
            inject=_lose_quorum,
            heal=_restore_quorum,
            interrupts=False,
            watched_s=45.0,
            heals_after_s=45.0,
            median_max_s=0.3,
            max_max_s=None,
        ),
        BenchFault(name="switchover", inject=_switch, heal=_nothing, interrupts=True, median_max_s=0.7, max_max_s=1.2),
    )
}
