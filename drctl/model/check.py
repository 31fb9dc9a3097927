"""A business check: what a hospital does all day, as SQL with expectations, and what came of it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.identity import MemberName


class CheckScope(StrEnum):
    """What keeps a check's writes out of the hospital's data."""

    ROLLED_BACK = "rolled_back"
    """All steps in one transaction, which is rolled back."""
    OWN_SCHEMA = "own_schema"
    """Each step commits, in the schema `drctl_check`, which is made before and dropped after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What a statement must give. A part that is None expects nothing."""

    rows: int | None = None
    """Exactly so many."""
    rows_min: int | None = None
    value: str | None = None
    """The first column of the first row, as text; true and false are `t` and `f`."""
    within_s: float | None = None
    """How long it may take."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckStep:
    """One statement."""

    id: str
    sql: str
    expect: Expectation


@dataclass(frozen=True, slots=True, kw_only=True)
class BusinessCheck:
    """A file of `checks/`."""

    name: str
    title: str
    """What people call it."""
    scope: CheckScope
    timeout_s: float
    """For all its steps together."""
    database: str = ""
    """Empty means that of `drills.dbname`."""
    groups: tuple[str, ...] = ()
    """The groups that it is for; empty means all."""
    steps: tuple[CheckStep, ...]
    digest: str
    """SHA-256 of the file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepAnswer:
    """What a server gave for a statement."""

    id: str
    rows: int = 0
    value: str | None = None
    elapsed_s: float = 0.0
    error: str = ""
    """Why it gave nothing; empty when it did."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StepVerdict:
    """A step, judged."""

    id: str
    passed: bool
    elapsed_s: float
    rows: int = 0
    value: str = ""
    problem: str = ""
    """What was expected and did not come; empty when it passed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckVerdict:
    """A business check, judged."""

    name: str
    title: str
    digest: str
    member: MemberName
    passed: bool
    elapsed_s: float
    at_utc: str
    steps: tuple[StepVerdict, ...]
    problem: str = ""
    """Of the first step that failed; empty when all passed."""
