"""What an action is asked and what it answers: a situation in, a plan or a judgement out. All of it is data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from drctl.model.command import HostCommand, Query, TellPools, WebRequest
from drctl.model.evidence import Chosen, Evidence
from drctl.model.identity import MemberName
from drctl.model.playbook import Step
from drctl.model.rule import GroupRecord
from drctl.model.run import Run
from drctl.model.topology import Member
from drctl.model.view import GroupView

POLL_S = 0.5
"""Between two looks at something that takes its time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Situation:
    """All that an action may look at."""

    run: Run
    record: GroupRecord
    view: GroupView
    step: Step

    @property
    def members(self) -> Mapping[MemberName, Member]:
        """The group's members by name."""
        return {member.name: member for member in self.view.group.members}

    @property
    def target(self) -> MemberName:
        """The member that a step is about: the heir once one is chosen, unless the file says `on: primary`."""
        if self.step.params.get("on") == "primary":
            return self.record.primary
        chosen = self.chosen
        return chosen.heir if chosen else self.run.old_primary

    @property
    def chosen(self) -> Chosen | None:
        """The choice of the heir; None before it."""
        for _, evidence in reversed(self.run.evidence("choose")):
            if isinstance(evidence, Chosen):
                return evidence
        return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One command to one host, one query of its database, or with `command=None` a marker there; or words to what is outside."""

    member: MemberName | None
    """None exactly when it is a request to a server outside, or a word to the pools."""
    command: HostCommand | Query | WebRequest | TellPools | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """Make these calls at the same time."""

    calls: tuple[Call, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Instant:
    """Done by thinking alone."""

    evidence: Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """Change the record; done when it is stored."""

    record: GroupRecord


@dataclass(frozen=True, slots=True, kw_only=True)
class NotYet:
    """Look again in `after_s`."""

    note: str
    after_s: float = POLL_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Nothing:
    """There is nothing to do, and why."""

    note: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Impossible:
    """It cannot be done, and why."""

    note: str


Plan = Calls | Instant | Change | NotYet | Nothing | Impossible


@dataclass(frozen=True, slots=True, kw_only=True)
class Pending:
    """Calls are out; nothing can be said yet."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Succeeded:
    """The step is done."""

    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """The try failed."""

    note: str


Judgement = Pending | Succeeded | Broken | NotYet
