"""A drill: a record that the leader drives from phase to phase, and the next leader after it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

from drctl.model.check import CheckVerdict
from drctl.model.identity import CenterName, GroupName, MemberName, RunId


class DrillKind(StrEnum):
    """How near to the real thing."""

    LIVE = "live"
    """The group is moved to another center, and back."""
    BUBBLE = "bubble"
    """A copy of a standby is recovered and promoted in isolation; nothing that serves is touched."""
    TABLETOP = "tabletop"
    """People go through the plan, and confirm their parts."""


class DrillPhase(StrEnum):
    """Where a drill stands."""

    CHECKING = "checking"
    """Whether the group is ready."""
    LEAVING = "leaving"
    """The group moves to the other center."""
    PROVING = "proving"
    """Business checks on the new primary."""
    STAYING = "staying"
    RETURNING = "returning"
    VERIFYING = "verifying"
    """Business checks at home, and full protection."""
    COPYING = "copying"
    """A standby's host copies, recovers, checks and removes."""
    GATHERING = "gathering"
    """People confirm."""
    ENDED = "ended"


class DrillOutcome(StrEnum):
    """How a drill ended."""

    PASSED = "passed"
    FAILED = "failed"
    """It was carried through, or broken off and brought home, and something was not as it should be."""
    ABORTED = "aborted"
    """Ended before its end by a person or a criterion; the group is where it was."""
    REFUSED = "refused"
    """The group was not ready: nothing was done."""
    SKIPPED = "skipped"
    """It was due by the calendar, and did not begin."""
    STRANDED = "stranded"
    """The group is not where it was: a person is needed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillNote:
    """Something that happened."""

    at_utc: str
    what: str
    by: str
    """The controller that saw or did it, or the person."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillAbort:
    """Why a drill is to end now."""

    by: str
    """A person, or `criterion`."""
    reason: str
    at_utc: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Confirmation:
    """Who confirmed what, on the sheet of a tabletop drill."""

    item: str
    by: str
    at_utc: str
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class SheetItem:
    """A line of the sheet of a tabletop drill."""

    id: str
    words: str
    members: tuple[MemberName, ...] = ()
    usual_s: float | None = None
    """What it took before, the median; None when it never was done."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MoveMeasure:
    """One way of a live drill, measured."""

    run: RunId
    run_s: float
    """From the beginning of the run to its end."""
    gap_s: float | None
    """Between the last acknowledged marker before and the first after; None when it could not be measured."""
    gap_why: str = ""
    """What makes it unmeasurable; empty when it is measured."""
    discarded: int = 0
    """Commits that the old primary had and the heir had not."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How production fared at one moment."""

    at_utc: str
    commits_per_s: float | None
    """None when it could not be read."""
    marker_s: float | None
    """How long the newest acknowledged marker took; None when none was."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BubbleMeasure:
    """What a host told of the copy. Seconds."""

    member: MemberName
    phase: str = ""
    state: str = "running"
    """running, done or failed."""
    detail: str = ""
    bytes: int = 0
    copy_s: float | None = None
    recover_s: float | None = None
    """From the start of the copied server until it took writes."""
    timeline: int = 0
    removed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Drill:
    """One drill of one group."""

    id: str
    """`<group>-drill-<number>`."""
    group: GroupName
    kind: DrillKind
    request: str
    """Of the request, or the calendar's key, that it fulfils: none is fulfilled twice."""
    requested_by: str
    reason: str = ""
    to: CenterName | None = None
    stay_s: float = 0.0
    started_utc: str
    started_s: float
    """Seconds since 1970: a drill outlives the clock of one controller."""
    phase: DrillPhase = DrillPhase.CHECKING
    phase_s: float
    """When the phase began, since 1970."""
    owner: str = ""
    home: MemberName | None = None
    """The primary before; None until it was ready."""
    target: MemberName | None = None
    """The member that a live drill moves to, or that a bubble copies."""
    attempt: int = 0
    """How often the move of this phase was asked for."""
    again_s: float = 0.0
    """Not before this moment, since 1970."""
    out: MoveMeasure | None = None
    back: MoveMeasure | None = None
    checks: tuple[CheckVerdict, ...] = ()
    samples: tuple[Sample, ...] = ()
    bubble: BubbleMeasure | None = None
    sheet: tuple[SheetItem, ...] = ()
    confirmations: tuple[Confirmation, ...] = ()
    notes: tuple[DrillNote, ...] = ()
    trouble: tuple[str, ...] = ()
    """What was not as it should be; a drill with any does not pass."""
    abort: DrillAbort | None = None
    outcome: DrillOutcome | None = None
    """None while it goes on."""
    ended_utc: str = ""
    ended_s: float | None = None
    version: int = -1
    """Of the znode that was read."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DrillWish:
    """What a person asks of drills, beside what every request says."""

    kind: DrillKind = DrillKind.LIVE
    to: CenterName | None = None
    stay_s: float = 600.0
    item: str = ""
    """The line of the sheet that is confirmed."""
