"""The systems that the bench can bring up, by name."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from chaos.bench.patroni import DEFAULT, FASTEST, PatroniSystem
from chaos.bench.system import DrctlSystem, System

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

SYSTEMS: Mapping[str, Callable[[str, str | None], System]] = {
    DrctlSystem.name: DrctlSystem,
    DEFAULT.name: partial(PatroniSystem, DEFAULT),
    FASTEST.name: partial(PatroniSystem, FASTEST),
}
"""Each takes the lab's name and the folder of PostgreSQL's programs, None for the lab's own."""
