"""What the command line takes from the composition root, imported when a command needs it and not before."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import AbstractContextManager
from importlib import import_module
from typing import Protocol, cast

from drctl.config import Configuration
from drctl.model.check import BusinessCheck, CheckVerdict
from drctl.model.identity import CenterName, GroupName, MemberName, RunId
from drctl.model.request import Request, RequestAnswer
from drctl.model.run import Run
from drctl.model.takeover import AdminAccess, Finding, Takeover
from drctl.ports import ChainStore


class CoordinatorClient(Protocol):
    """The part of the Coordinator that an operator's command needs."""

    @property
    def chain(self) -> ChainStore:
        """The audit chain."""

    def submit(self, request: Request, *, deadline_s: float) -> Request:
        """Store a request, and return it with its id."""

    def answered(self, request: Request, *, deadline_s: float) -> RequestAnswer | None:
        """The answer; None while it is open."""

    def run(self, run: RunId, *, deadline_s: float) -> Run | None:
        """A run, current or finished; None when it is not known."""


class Bootstrap(Protocol):
    """`drctl.bootstrap`."""

    def coordinator_client(self, configuration: Configuration) -> AbstractContextManager[CoordinatorClient]:
        """A connection to the coordinator for one command. Raises Unreachable."""

    def run_controller(self, configuration: Configuration, center: CenterName) -> None:
        """Watch and act until SIGTERM or SIGINT."""

    def examine(self, configuration: Configuration, group: GroupName, access: AdminAccess) -> Takeover:
        """What stands in the way of protecting a group, and what would be done; changes nothing."""

    def initialise(
        self, configuration: Configuration, takeover: Takeover, access: AdminAccess, progress: Callable[[str], None]
    ) -> None:
        """Do what `takeover` says; `progress` is told each thing that is done. Raises EffectRefused, EffectUnknown."""

    def doctor(
        self, configuration: Configuration, groups: tuple[GroupName, ...], access: AdminAccess | None = None
    ) -> tuple[Finding, ...]:
        """Every prerequisite and every risk; changes nothing. With `access` also what only an administrator may see."""

    def run_checks(
        self, configuration: Configuration, member: MemberName, checks: Sequence[BusinessCheck]
    ) -> tuple[CheckVerdict, ...]:
        """Run business checks on a member, one after the other. Raises Unreachable."""


def bootstrap() -> Bootstrap:
    """The composition root."""
    # It imports kazoo, paramiko and psycopg, which take longer than `drctl list` may.
    return cast("Bootstrap", import_module("drctl.bootstrap"))
