from __future__ import annotations

import pytest

from drctl.config.business_checks import checks_in_force, parse_check
from drctl.config.problem import ConfigurationInvalid
from drctl.model.check import CheckScope, Expectation

GOOD = """\
name: count
title: 计数
timeout: 5s
steps:
  - id: one
    sql: SELECT count(*) FROM lis_sample;
    expect: {rows: 1, value: true, within: 300ms}
"""


def problems(text):
    with pytest.raises(ConfigurationInvalid) as found:
        parse_check(text, "checks/count.yaml")
    return [str(problem) for problem in found.value.problems]


def test_a_check_is_read():
    check = parse_check(GOOD, "checks/count.yaml")
    assert check.scope is CheckScope.ROLLED_BACK
    assert check.steps[0].sql == "SELECT count(*) FROM lis_sample"
    assert check.steps[0].expect == Expectation(rows=1, value="t", within_s=0.3)


@pytest.mark.parametrize(
    ("before", "after", "place", "words"),
    [
        ("timeout: 5s", "timeout: 5", ":3:", "must be a duration"),
        ("title:", "titel:", ":2:", "did you mean `title`?"),
        ("SELECT count(*) FROM lis_sample;", "/* now */ commit", ":6:", "begins with COMMIT"),
        ("SELECT count(*) FROM lis_sample;", "DROP TABLE lis_sample", ":6:", "begins with DROP"),
        ("SELECT count(*) FROM lis_sample;", "SELECT 1 \\\\! id", ":6:", "backslash"),
        ("rows: 1", "row: 1", ":7:", "did you mean `rows`?"),
        ("id: one", "id: One", ":5:", "is no name"),
    ],
)
def test_what_is_wrong_is_told_with_its_place_and_what_to_write(before, after, place, words):
    [problem] = problems(GOOD.replace(before, after))
    assert place in problem
    assert words in problem


def test_a_schema_of_its_own_may_be_built_up():
    text = GOOD.replace("timeout", "scope: own_schema\ntimeout").replace(
        "SELECT count(*)", "CREATE TABLE t AS SELECT *"
    )
    assert parse_check(text, "f").scope is CheckScope.OWN_SCHEMA


def test_those_that_are_shipped_are_read_and_a_hospital_s_own_replaces_one_by_its_name(tmp_path):
    shipped = {one.check.name for one in checks_in_force(tmp_path / "none")}
    assert {"lis-register", "lis-query", "lis-correct"} <= shipped
    (tmp_path / "mine.yaml").write_text(GOOD.replace("name: count", "name: lis-query"))
    found = {one.check.name: one for one in checks_in_force(tmp_path)}
    assert found["lis-query"].check.title == "计数"
    assert set(found) == shipped
