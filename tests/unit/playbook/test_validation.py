"""What is refused of a hospital's own steps, and what is not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from drctl.config import ConfigurationInvalid
from drctl.config.playbooks import parse_playbook
from drctl.playbook.catalogue import CATALOGUE
from tests.house.source import ROOT
from tests.unit.playbook.transcript import changed

SQL = {"id": "own", "uses": "sql", "with": {"on": "primary", "query": "SELECT 1"}, "timeout": "5s"}
TELL = {"id": "own", "uses": "http", "with": {"url": "https://lis.example/x"}, "timeout": "5s"}
WAIT = {"id": "own", "uses": "wait_until", "with": {"on": "primary", "condition": "answers"}, "timeout": "5s"}


def said(kind: str = "switchover", after: str = "ready", *steps: dict[str, Any], **more: Any) -> list[str]:
    try:
        changed({"kind": kind, "after": after, "steps": list(steps), "budget": "30h", **more})
    except ConfigurationInvalid as error:
        return [f"{'.'.join(map(str, problem.path))}: {problem.message}" for problem in error.problems]
    return []


@pytest.mark.parametrize("step", [SQL, TELL, WAIT], ids=["sql", "http", "wait_until"])
@pytest.mark.parametrize("on_failure", ["abort", "ask", "continue"])
def test_before_the_middle_everything_is_allowed(step: dict[str, Any], on_failure: str) -> None:
    assert said("switchover", "ready", step | {"on_failure": on_failure, "approval": {"timeout": "10m"}}) == []
    assert said("switchover", "commit", step | {"on_failure": on_failure, "approval": {"timeout": "10m"}}) == []


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        (SQL, "the old primary may be stopped here, and an abort would leave it so"),
        (SQL | {"on_failure": "ask"}, "nobody may be asked here: service is away, or two rules stand"),
        (
            SQL | {"on_failure": "rollback", "approval": {"timeout": "1m"}},
            "nobody may be waited for here: service is away, or two rules stand",
        ),
    ],
)
def test_between_the_stop_and_the_promotion_nothing_may_stand_still(step: dict[str, Any], problem: str) -> None:
    assert said("switchover", "seal", step) == [f"steps.5: {problem}"]


@pytest.mark.parametrize("on_failure", ["rollback", "continue"])
def test_between_the_stop_and_the_promotion_a_step_goes_back_or_goes_on(on_failure: str) -> None:
    assert said("switchover", "seal", SQL | {"on_failure": on_failure}) == []


@pytest.mark.parametrize("on_failure", ["abort", "ask"])
def test_after_the_promotion_only_the_protocol_may_stop_the_run(on_failure: str) -> None:
    assert "steps.8: after the promotion nothing but the protocol itself may stop the run" in said(
        "switchover", "promote", SQL | {"on_failure": on_failure, "needs": ["promote"]}
    )


def test_a_step_beside_the_promotion_counts_as_after_it() -> None:
    beside = SQL | {"needs": ["ready"], "on_failure": "abort"}
    problems = said("switchover", "record", beside, change={"promote": {"needs": ["record"]}})
    assert any("after the promotion nothing but the protocol" in problem for problem in problems), problems


def test_people_may_agree_before_the_first_seal_of_a_failover_and_not_after_it() -> None:
    first = {"seal": {"approval": {"timeout": "10m"}}}
    assert said("failover", "commit", change=first) == []
    late = {"promote": {"approval": {"timeout": "10m"}}}
    assert said("failover", "commit", change=late) == [
        "steps.4: nobody may be waited for here: service is away, or two rules stand"
    ]


def test_a_handover_whose_stop_aborts_is_refused() -> None:
    assert said("switchover", "commit", change={"stop": {"on_failure": "abort"}}) == [
        "steps.3: the old primary may be stopped here, and an abort would leave it so"
    ]


@pytest.mark.parametrize(
    ("step", "problem"),
    [
        ({"with": {"query": "SELECT 1"}}, "with.on: is missing: sql needs it"),
        ({"with": {"on": "primary"}}, "with.query: is missing: sql needs it"),
        ({"with": {"on": "primary", "query": ""}}, "with.query: must be a text"),
        ({"with": {"on": "primary", "query": "x" * 5000}}, "with.query: has 5000 characters"),
        ({"with": {"on": "the primary", "query": "x"}}, "with.on: 'the primary' is no name"),
        ({"with": {"on": "primary", "query": "x", "expect": [1]}}, "with.expect: must be a text, a number"),
        ({"timeout": "20m"}, "timeout: must be at most 600 s for sql"),
        ({"answer_within": "5m"}, "answer_within: is only for on_failure: ask"),
        ({"id": "9 lives"}, "id: is '9 lives'"),
        ({"uses": "command"}, "with.query: is not known"),
    ],
)
def test_a_mistake_in_a_step_is_told_at_its_place(step: dict[str, Any], problem: str) -> None:
    assert any(found.startswith(f"steps.1.{problem}") for found in said("switchover", "ready", SQL | step)), said(
        "switchover", "ready", SQL | step
    )


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"url": "lis.example/x"}, "with.url: 'lis.example/x' is no address of a web server"),
        ({"url": "ftp://lis.example/x"}, "with.url: 'ftp://lis.example/x' is no address"),
        ({"url": "https://lis.example:0x/y"}, "with.url: 'https://lis.example:0x/y' is no address"),
        ({"url": "https://mei:secret@lis.example/"}, "with.url: holds a password"),
        ({"url": "https://lis.example/", "body": "{}"}, ": a GET has no `body`"),
        ({"url": "https://lis.example/", "method": "PUT"}, "with.method: must be one of GET, POST"),
        ({"url": "https://lis.example/", "expect": -1}, "with.expect: must be a whole number"),
    ],
)
def test_a_request_that_cannot_be_meant_is_refused(given: dict[str, Any], problem: str) -> None:
    found = said("switchover", "ready", TELL | {"with": given})
    assert any(problem in each for each in found), found


@pytest.mark.parametrize(
    ("given", "problem"),
    [
        ({"condition": "in_snyc"}, "with.condition: must be one of answers"),
        ({"condition": "lag_below"}, "steps.1: lag_below needs `lag`"),
        ({"condition": "in_sync", "lag": "1MiB"}, "steps.1: in_sync has no use for `lag`"),
        ({"condition": "lag_below", "lag": "1MB"}, "with.lag: must be a size"),
    ],
)
def test_a_wait_that_makes_no_sense_is_refused(given: dict[str, Any], problem: str) -> None:
    found = said("switchover", "ready", WAIT | {"with": {"on": "primary", **given}})
    assert any(problem in each for each in found), found


def test_the_heir_is_known_only_after_the_choice_except_in_a_handover() -> None:
    about = WAIT | {"with": {"on": "heir", "condition": "answers"}}
    assert said("switchover", "ready", about) == []
    assert said("failover", "commit", about) == []
    assert said("failover", "fence", about) == [
        "steps.1: on: heir: the heir is not known before the step that uses choose"
    ]
    assert said("rejoin", "checkpoint", about) == ["steps.1: on: heir: there is no heir in a rejoin"]
    assert said("rejoin", "checkpoint", WAIT | {"with": {"on": "returning", "condition": "host_answers"}}) == []
    assert said("failover", "commit", WAIT | {"with": {"on": "returning", "condition": "answers"}}) == [
        "steps.10: nobody returns in a failover"
    ]


def test_a_condition_is_one_of_the_list_perhaps_with_a_not() -> None:
    assert said("switchover", "ready", SQL | {"when": "not heir_in_home"}) == []
    assert said("switchover", "ready", SQL | {"when": "not at night"}) == [
        "steps.1.when: there is no condition 'at night'"
    ]
    assert sorted(said("failover", "commit", change={"marker": {"when": "planned"}})) == [
        "steps.6: marker belongs to the protocol and is always done when its turn comes",
        "steps.9: commit is not safe unless marker has succeeded before it",
    ]


def test_an_approve_step_is_all_approval() -> None:
    agree = {"id": "own", "uses": "approve", "with": {"min": 2, "roles": ["dba"]}, "timeout": "30m"}
    assert said("switchover", "ready", agree) == []
    book = changed({"kind": "switchover", "after": "ready", "steps": [agree], "budget": "24h"})
    approval = book.step("own").approval
    assert approval is not None
    assert (approval.min, approval.roles, approval.timeout_s) == (2, ("dba",), 1800.0)
    assert book.step("own").worst_s == 1801.0
    assert said("switchover", "ready", agree | {"retries": 2}) == [
        "steps.1.retries: makes no sense for `uses: approve`"
    ]
    assert said("switchover", "ready", agree | {"with": {"min": 0}}) == [
        "steps.1.with.min: must be a whole number, at least 1, at most 20"
    ]


def test_the_worst_path_counts_approvals_answers_and_the_longest_of_a_parallel() -> None:
    both = {"parallel": [SQL | {"id": "one"}, SQL | {"id": "two", "timeout": "60s"}]}
    asking = SQL | {"approval": {"timeout": "10m"}, "on_failure": "ask", "answer_within": "5m"}
    assert said("switchover", "ready", both, asking, budget="1451s") == [
        "budget: its worst path takes 1452.4 s, and its budget is 1451 s"
    ]


def test_the_steps_of_a_parallel_need_what_is_before_it_and_the_next_needs_them_all() -> None:
    both = {"parallel": [SQL | {"id": "one"}, TELL | {"id": "two"}]}
    book = changed({"kind": "switchover", "after": "ready", "steps": [both]})
    assert [book.needs(book.step(name)) for name in ("one", "two", "checkpoint")] == [
        ("ready",),
        ("ready",),
        ("one", "two"),
    ]


def test_a_parallel_may_begin_the_run() -> None:
    both = {"parallel": [SQL | {"id": "one"}, TELL | {"id": "two"}]}
    book = changed({"kind": "switchover", "after": "", "steps": [both]})
    assert [book.needs(book.step(name)) for name in ("one", "two", "ready")] == [(), (), ("one", "two")]


def test_steps_that_begin_together_cannot_need_each_other() -> None:
    both = {"parallel": [SQL | {"id": "one"}, TELL | {"id": "two", "needs": ["one"]}]}
    assert said("switchover", "ready", both) == ["steps.1.parallel.1.needs: 'one' is no step before this one"]


@pytest.mark.parametrize("way", [{"on_failure": "rollback"}, {"on_failure": "ask"}, {"approval": {"timeout": "1m"}}])
def test_nothing_waits_for_people_or_turns_back_on_the_way_back(way: dict[str, Any]) -> None:
    text = (ROOT / "playbooks" / "switchover.yaml").read_text(encoding="utf-8")
    head, _, back = text.partition("rollback:\n")
    words = "\n".join(
        f"    {key}: {{timeout: 1m}}" if key == "approval" else f"    {key}: {value}" for key, value in way.items()
    )
    with pytest.raises(ConfigurationInvalid, match="way back"):
        parse_playbook(
            f"{head}rollback:\n{back.replace('    timeout: 60s', f'    timeout: 60s{chr(10)}{words}', 1)}", "x.yaml"
        )


def test_the_way_forward_is_about_the_heir_and_the_way_back_about_the_old_primary() -> None:
    """A commit of the old primary's rule would forget the heir, which may be promoted already; and the other way round."""
    assert said("switchover", "commit", change={"commit": {"with": {"on": "primary"}}}) == [
        "steps.12: on the way forward commit is about the heir"
    ]
    text = (ROOT / "playbooks" / "switchover.yaml").read_text(encoding="utf-8")
    head, _, back = text.partition("rollback:\n")
    with pytest.raises(ConfigurationInvalid, match="on the way back follow is about the old primary") as caught:
        parse_playbook(f"{head}rollback:\n{back.replace('    with: {on: primary}', '')}", "x.yaml")
    assert len(caught.value.problems) == 3


def test_an_operation_without_what_ends_it_is_refused() -> None:
    with pytest.raises(
        ConfigurationInvalid, match="does not come to its end without steps that use choose, record, promote"
    ):
        parse_playbook(
            "name: x\nkind: failover\nbudget: 1h\nsteps:\n  - {id: seal, uses: seal, timeout: 1s}\n", "x.yaml"
        )


def test_an_action_of_another_operation_is_refused() -> None:
    rejoin = {"id": "own", "uses": "rejoin", "timeout": "5s"}
    assert said("switchover", "ready", rejoin) == ["steps.1: rejoin makes no sense in a switchover"]


def test_a_file_that_every_run_would_have_to_carry_is_bounded() -> None:
    long = [SQL | {"id": f"own{n}", "with": {"on": "primary", "query": "x" * 3900}} for n in range(20)]
    assert any("every run keeps a copy of it" in problem for problem in said("switchover", "ready", *long))


def test_what_the_how_to_adds_to_a_playbook_is_valid() -> None:
    page = (ROOT / "docs" / "how-to" / "own-steps.md").read_text(encoding="utf-8")
    before, stopped, done = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    text = (ROOT / "playbooks" / "switchover.yaml").read_text(encoding="utf-8").replace("budget: 9m", "budget: 1h")
    for steps, follows in ((before, "  - id: checkpoint"), (stopped, "  - id: choose"), (done, "rollback:")):
        assert text.count(follows) == 1
        text = text.replace(follows, f"{steps}\n{follows}")
    book = parse_playbook(text, "switchover.yaml")
    assert [step.id for step in book.steps if CATALOGUE[step.uses].own] == [
        "agree",
        "announce",
        "outbox",
        "storage",
        "settled",
        "tell",
    ]
