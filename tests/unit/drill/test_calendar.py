from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drctl.drill.calendar import CHINA, CalendarEntry, Days, Freeze, cron_problem, obstacle, unknown_years, upcoming
from drctl.model.drill import DrillKind
from drctl.model.identity import GroupName


def entry(at="0 2 * * *", days=Days.ANY):
    return CalendarEntry(
        name="monthly", kind=DrillKind.BUBBLE, group=GroupName("lis"), at=at, window_s=600.0, days=days
    )  # fmt: skip


def at(text):
    return datetime.fromisoformat(text).replace(tzinfo=CHINA)


def test_a_drill_is_due_in_local_time():
    [due] = upcoming([entry("30 2 * * 6#1")], [], after=at("2026-11-30"), until=at("2026-12-31"))
    assert due.at == at("2026-12-05T02:30")
    assert due.key == "monthly@2026-12-04T18:30Z"


@pytest.mark.parametrize(
    ("days", "day", "words"),
    [
        (Days.WORKDAYS, "2026-10-01", "a day of rest (National Day)"),
        (Days.WORKDAYS, "2026-10-10", ""),  # a Saturday that is worked
        (Days.RESTDAYS, "2026-10-10", "a working day"),
        (Days.RESTDAYS, "2026-10-01", ""),
        (Days.WORKDAYS, "2026-11-24", ""),
        (Days.ANY, "2026-10-01", ""),
        (Days.WORKDAYS, "2090-06-01", "the holidays of 2090 are not known"),
        (Days.ANY, "2090-06-01", ""),
    ],
)
def test_public_holidays_and_shifted_workdays_are_known_and_a_year_that_is_not_known_says_so(days, day, words):
    found = obstacle(entry(days=days), [], date.fromisoformat(day))
    assert (words in found) if words else found == ""


def test_a_freeze_covers_both_of_its_ends_and_says_what_it_is_for():
    freeze = Freeze(name="spring-festival", first=date(2027, 2, 5), last=date(2027, 2, 12))
    days = {day: obstacle(entry(), [freeze], date(2027, 2, day)) for day in (4, 5, 12, 13)}
    assert not days[4]
    assert not days[13]
    assert "spring-festival" in days[5]
    assert "spring-festival" in days[12]


def test_years_whose_holidays_are_needed_and_unknown_are_told_and_others_are_not():
    today = date(2088, 1, 1)
    assert unknown_years([entry(days=Days.WORKDAYS)], today=today) == (2088, 2089)
    assert unknown_years([entry()], today=today) == ()


@pytest.mark.parametrize("expression", ["", "61 * * * *", "0 2 30 2 *", "every day", "* * * *"])
def test_an_expression_that_never_comes_or_cannot_be_read_is_refused(expression):
    assert cron_problem(expression)


@given(
    minute=st.integers(0, 59),
    hour=st.integers(0, 23),
    start=st.integers(0, 24 * 900),
    hours=st.integers(1, 24 * 40),
)
def test_looking_in_two_halves_finds_each_time_exactly_once(minute, hour, start, hours):
    after = at("2024-01-01") + timedelta(hours=start)
    until = after + timedelta(hours=hours)
    middle = after + timedelta(hours=hours / 2)
    entries = [entry(f"{minute} {hour} * * *")]
    whole = upcoming(entries, [], after=after, until=until)
    halves = (*upcoming(entries, [], after=after, until=middle), *upcoming(entries, [], after=middle, until=until))
    assert whole == halves
