"""Taking a group over, and looking after it: what was found, what would be changed."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.identity import GroupName, MemberName


class FindingSeverity(StrEnum):
    """What a finding means for going on."""

    OK = "ok"
    WARNING = "warning"
    """It works, and something will be worse than it could be."""
    ERROR = "error"
    """Nothing is done until this is put right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing that was looked at."""

    severity: FindingSeverity
    subject: str
    """A member, a host, a center, or the group."""
    what: str
    """What was found."""
    why: str = ""
    """What it means; empty when `what` says it."""
    remedy: str = ""
    """The command to type; empty when nothing is to be done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminAccess:
    """How `drctl init` reaches the primary with the rights to create a role and a schema."""

    user: str = "postgres"
    dsn: str = ""
    """A libpq string, used as it is; empty means the member's address and `user`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Takeover:
    """What was found of a group that drctl is to protect, and what would be changed."""

    group: GroupName
    primary: MemberName | None
    """None when no member, or more than one, is a primary."""
    findings: tuple[Finding, ...]
    changes: tuple[str, ...]
    """What would be done, a sentence each, in order; empty when there is nothing to do."""

    @property
    def ready(self) -> bool:
        """Whether nothing forbids to go on."""
        return not any(finding.severity is FindingSeverity.ERROR for finding in self.findings)
