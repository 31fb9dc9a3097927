"""When drills are due: cron expressions in local time, Chinese holidays and shifted workdays, freezes, windows."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from enum import StrEnum

import chinese_calendar
from cronsim import CronSim, CronSimError

from drctl.model.drill import DrillKind
from drctl.model.identity import CenterName, GroupName

CHINA = timezone(timedelta(hours=8), "+08:00")
"""There is no summer time there; a calendar that needs no time zone data is right on every host."""
TIMES_MAX = 5000
"""Looked at, at most, to find the next due time."""


class Days(StrEnum):
    """On which days an entry of the calendar holds."""

    ANY = "any"
    WORKDAYS = "workdays"
    """Working days by the calendar of the State Council, shifted ones included."""
    RESTDAYS = "restdays"
    """Weekends and holidays, without the weekend days that are worked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CalendarEntry:
    """A drill that comes again and again."""

    name: str
    kind: DrillKind
    group: GroupName
    at: str
    """A cron expression, in local time (+08:00)."""
    window_s: float
    """How long after its time it may still begin."""
    days: Days = Days.ANY
    to: CenterName | None = None
    """Where a live drill goes; None lets drctl choose."""
    stay_s: float = 600.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Freeze:
    """A time in which no drill of the calendar runs."""

    name: str
    first: date
    last: date

    def holds(self, day: date) -> bool:
        """Whether it covers a day; both ends belong to it."""
        return self.first <= day <= self.last


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """One drill of the calendar at one time."""

    entry: CalendarEntry
    at: datetime
    """In local time."""
    obstacle: str = ""
    """Why it will be skipped; empty when the calendar has nothing against it."""

    @property
    def key(self) -> str:
        """What makes it happen once only."""
        return f"{self.entry.name}@{self.at.astimezone(UTC):%Y-%m-%dT%H:%MZ}"


def cron_problem(expression: str) -> str:
    """What is wrong with a cron expression; empty when nothing is."""
    try:
        next(CronSim(expression, datetime(2026, 1, 1, tzinfo=CHINA)))
    except CronSimError as error:
        return str(error)
    except StopIteration:
        return "it never comes"
    return ""


def upcoming(
    entries: Sequence[CalendarEntry], freezes: Sequence[Freeze], *, after: datetime, until: datetime
) -> tuple[Due, ...]:
    """What is due in `(after, until]`, in order of time, at most TIMES_MAX of each entry."""
    found: list[Due] = []
    for entry in entries:
        times = CronSim(entry.at, after.astimezone(CHINA))
        for _, at in zip(range(TIMES_MAX), times, strict=False):
            if at > until:
                break
            found.append(Due(entry=entry, at=at, obstacle=obstacle(entry, freezes, at.date())))
    return tuple(sorted(found, key=lambda due: (due.at, due.entry.name)))


def obstacle(entry: CalendarEntry, freezes: Sequence[Freeze], day: date) -> str:
    """What the calendar has against a drill on `day`; empty when nothing."""
    frozen = next((freeze for freeze in freezes if freeze.holds(day)), None)
    if frozen is not None:
        return f"frozen from {frozen.first} to {frozen.last}: {frozen.name}"
    if entry.days is Days.ANY:
        return ""
    try:
        works = bool(chinese_calendar.is_workday(day))
    except NotImplementedError:
        return f"the holidays of {day.year} are not known to this version: install a newer chinesecalendar, or write days: any"
    if works == (entry.days is Days.WORKDAYS):
        return ""
    _, holiday = chinese_calendar.get_holiday_detail(day)
    kind = "a working day" if works else "a day of rest"
    return f"{day} is {kind}" + (f" ({holiday})" if holiday else "") + f", and it is only for {entry.days}"


def unknown_years(entries: Sequence[CalendarEntry], *, today: date) -> tuple[int, ...]:
    """The years, this one and the next, whose holidays are needed and not known."""
    if all(entry.days is Days.ANY for entry in entries):
        return ()
    unknown = []
    for year in (today.year, today.year + 1):
        try:
            chinese_calendar.is_workday(date(year, 6, 1))
        except NotImplementedError:
            unknown.append(year)
    return tuple(unknown)
