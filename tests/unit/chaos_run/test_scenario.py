"""Scenario files: what is understood, what is refused, and that those of this project can be played."""

from __future__ import annotations

import itertools
import textwrap

import pytest

from chaos.faults.mutants import MUTANTS
from chaos.lab.errors import LabError
from chaos.run.actions import known_actions
from chaos.run.scenario import load_scenarios
from chaos.run.suite import choose
from chaos.run.targets import Cast

SHORT = """
    name: short
    why: to try
    faults:
      - {do: power-off, target: primary-center, at: 300ms}
    expect: {failover: true, outage_max: 5s}
"""


def written(tmp_path, text):
    (tmp_path / "one.yaml").write_text(textwrap.dedent(text))
    return tmp_path


@pytest.fixture
def cast():
    return Cast.of(
        primary="lis-yuecheng",
        members={"zhaohui": "lis-zhaohui", "yuecheng": "lis-yuecheng", "fuyang": "lis-fuyang"},
    )


def test_durations_have_units_and_come_as_seconds(tmp_path):
    scenario = load_scenarios(written(tmp_path, SHORT))["short"]
    assert scenario.faults[0].at == pytest.approx(0.3)
    assert scenario.expect.outage_max == 5.0


@pytest.mark.parametrize(
    ("old", "new", "complaint"),
    [
        ("at: 300ms", "at: 300", "no duration"),
        ("failover: true", "failovr: true", "failovr"),
        ("why: to try", "", "why"),
        ("at: 300ms", "prepare: true", "only prepares"),
        ("failover: true", "failover: true, refused: true", "cannot be expected"),
    ],
)
def test_what_is_wrong_is_named_with_its_file(tmp_path, old, new, complaint):
    with pytest.raises(LabError, match=complaint) as error:
        load_scenarios(written(tmp_path, SHORT.replace(old, new)))
    assert "one.yaml" in str(error.value)


def test_two_scenarios_of_one_name_are_refused(tmp_path):
    with pytest.raises(LabError, match="already"):
        load_scenarios(written(tmp_path, f"{textwrap.dedent(SHORT)}---\n{textwrap.dedent(SHORT)}"))


def test_every_scenario_of_the_project_uses_known_words_and_roles(cast):
    live = dict.fromkeys(
        ("heir", "heir-center", "current-primary", "current-primary-center", "drctl-leader", "zookeeper-leader"), "x"
    )
    names = {*cast.roles.values(), "x"}
    for scenario in load_scenarios().values():
        for step in scenario.faults:
            assert step.do in known_actions(), f"{scenario.name}: {step.do}"
            if step.target:
                found = cast.name(step.target, live).partition("/")[0]
                assert found in names, f"{scenario.name}: {step.target}"


def test_every_rule_that_is_taken_out_has_the_scenario_that_must_notice():
    scenarios = load_scenarios()
    assert {mutant.scenario for mutant in MUTANTS.values()} <= scenarios.keys()


def test_a_scenario_that_nobody_knows_is_refused():
    with pytest.raises(LabError, match="no scenario nonsense"):
        choose(load_scenarios(), ["nonsense"], None)


def test_scenarios_of_one_policy_come_together_so_that_controllers_restart_seldom():
    chosen = choose(load_scenarios(), [], "p0")
    policies = [tuple(sorted(one.topology.policy.items())) for one in chosen]
    changes = sum(one != other for one, other in itertools.pairwise(policies))
    assert changes == len(set(policies)) - 1


def test_roles_are_those_of_the_primary_of_the_moment(cast):
    assert cast.name("primary", {}) == "lis-yuecheng"
    assert cast.name("standby", {}) == "lis-fuyang"
    assert cast.name("other-center/zookeeper", {}) == "zhaohui/zookeeper"
    assert cast.name("lis-zhaohui", {}) == "lis-zhaohui"


def test_a_role_that_nobody_has_now_is_an_error(cast):
    with pytest.raises(LabError, match="nobody is heir"):
        cast.name("heir", {"heir": ""})
