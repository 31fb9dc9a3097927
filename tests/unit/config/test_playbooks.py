"""playbooks/*.yaml: what is read, and what is said of every mistake, with its place."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from drctl.config import ConfigurationInvalid
from drctl.config.playbook_reader import STEP_KEYS
from drctl.config.playbook_schema import playbook_schema
from drctl.config.playbooks import load_playbook, load_playbooks, parse_playbook, playbooks_in_force
from drctl.model.errors import InvalidInput
from drctl.model.playbook import OnFailure, RunKind
from drctl.playbook.catalogue import CATALOGUE
from tests.house.source import ROOT

VALID = """\
name: mine
kind: drill
version: 2
targets: {rto: 5m, rpo: 0}
budget: 2m
steps:
  - id: stop
    uses: stop
    timeout: 10s
    retries: 2
    delay: 500ms
    on_failure: rollback

  - id: follow
    uses: follow
    with: {on: primary}
    needs: [stop]
    timeout: 10s
    wait: false
    always: true
rollback:
  - id: back
    uses: start
    timeout: 5s
"""


def problems_of(text: str) -> list[str]:
    """What is said, a line a problem: line, key path, message, remedy."""
    with pytest.raises(ConfigurationInvalid) as caught:
        parse_playbook(text, "mine.yaml")
    return [
        f"{problem.line} {'.'.join(map(str, problem.path))}: {problem.message} | {problem.remedy}"
        for problem in caught.value.problems
    ]


def changed(old: str, new: str) -> str:
    assert VALID.count(old) == 1, old
    return VALID.replace(old, new)


def test_everything_that_the_file_says_is_read() -> None:
    book = parse_playbook(VALID, "mine.yaml")
    assert (book.name, book.kind, book.version) == ("mine", RunKind.DRILL, 2)
    assert (book.rto_s, book.rpo_bytes, book.budget_s) == (300.0, 0, 120.0)
    stop, follow = book.steps
    assert (stop.timeout_s, stop.retries, stop.delay_s, stop.on_failure) == (10.0, 2, 0.5, OnFailure.ROLLBACK)
    assert stop.name == "Stop the old primary cleanly", "the action's own words"
    assert (follow.needs, dict(follow.params), follow.waited_for, follow.always) == (
        ("stop",),
        {"on": "primary"},
        False,
        True,
    )
    assert book.step("back").uses == "start"


def test_the_digest_is_of_the_file_as_it_is() -> None:
    assert parse_playbook(VALID, "a").digest == parse_playbook(VALID, "b").digest
    assert parse_playbook(VALID, "a").digest != parse_playbook(VALID + "# a word\n", "a").digest


@pytest.mark.parametrize(
    ("old", "new", "said"),
    [
        ("budget: 2m", "bugdet: 2m", "5 bugdet: is not known | did you mean `budget`?"),
        ("    retries: 2", "    retrys: 2", "10 steps.0.retrys: is not known | did you mean `retries`?"),
        ("uses: follow", "uses: folow", "15 steps.1.uses: there is no action 'folow' | did you mean `uses: follow`?"),
        ("{on: primary}", "{onn: primary}", "16 steps.1.with.onn: is not known | did you mean `on`?"),
        ("{on: primary}", "{on: prim}", "16 steps.1.with.on: must be one of primary | write e.g. `on: primary`"),
        (
            "id: follow",
            "id: stop",
            "14 steps.1.id: 'stop' is the id of an earlier step | give every step an id of its own",
        ),
        ("id: back", "id: stop", "22 rollback.0.id: 'stop' is the id of an earlier step"),
        ("needs: [stop]", "needs: [back]", "17 steps.1.needs: 'back' is no step before this one | known: stop"),
        ("needs: [stop]", "needs: [follow]", "17 steps.1.needs: 'follow' is no step before this one"),
        ("needs: [stop]", "needs: []", "17 steps.1.needs: names no step"),
        ("kind: drill", "kind: drlil", "2 kind: must be one of failover,"),
        ("budget: 2m", "budget: 120", "5 budget: must be a duration"),
        ("delay: 500ms", "delay: 0s", "11 steps.0.delay: must be a duration"),
        ("retries: 2", "retries: 1000", "10 steps.0.retries: must be a whole number"),
        ("on_failure: rollback", "on_failure: retry", "12 steps.0.on_failure: must be one of abort,"),
        ("wait: false", "wait: no", "19 steps.1.wait: must be true or false"),
        ("    timeout: 5s\n", "", "22 rollback.0.timeout: must be a duration; there is no wait without a limit"),
        ("budget: 2m", "budget: 30s", "5 budget: its worst path takes 36 s, and its budget is 30 s"),
        ("  - id: back\n    uses: start\n    timeout: 5s\n", "  []\n", "21 rollback: must be a list of steps"),
        (
            "    always: true",
            "    when: planed",
            "20 steps.1.when: there is no condition 'planed' | did you mean `when: planned`?",
        ),
    ],
)
def test_a_mistake_is_told_with_its_line_and_what_to_write(old: str, new: str, said: str) -> None:
    assert [problem for problem in problems_of(changed(old, new)) if problem.startswith(said)] != [], problems_of(
        changed(old, new)
    )


def test_all_mistakes_are_told_at_once_in_the_order_of_the_file() -> None:
    text = (
        changed("version: 2", "version: two").replace("uses: stop", "uses: stopp").replace("timeout: 5s", "timeout: x")
    )
    found = problems_of(text)
    assert [problem.split(":")[0] for problem in found] == [
        "3 version",
        "8 steps.0.uses",
        "24 rollback.0.timeout",
    ], "the step that needs the wrong one is not wrong for that"


def test_a_flaw_in_the_order_is_told_at_the_step() -> None:
    found = problems_of(changed("uses: follow\n    with: {on: primary}", "uses: commit"))
    assert any(one.startswith("14 steps.1: commit is not safe unless marker") for one in found), found


def test_the_message_says_how_to_check_again() -> None:
    with pytest.raises(ConfigurationInvalid) as caught:
        parse_playbook(changed("kind: drill", "kind: x"), "/p/mine.yaml")
    assert caught.value.remedy == "edit /p/mine.yaml, then type: drctl playbook validate /p/mine.yaml"
    assert "/p/mine.yaml:2:1: kind: must be one of" in caught.value.message


@pytest.mark.parametrize("text", ["", "steps", "- a\n- b\n", "name: [", "steps: [1, 2]\n", "steps: {a: b}\n"])
def test_what_is_no_playbook_at_all_is_told_too(text: str) -> None:
    assert problems_of(text) != []


def test_two_files_of_one_kind_in_a_folder_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(VALID, encoding="utf-8")
    (tmp_path / "b.yaml").write_text(VALID, encoding="utf-8")
    with pytest.raises(ConfigurationInvalid) as caught:
        load_playbooks(tmp_path)
    (problem,) = caught.value.problems
    assert (problem.file, problem.line) == (str(tmp_path / "b.yaml"), 2)
    assert str(tmp_path / "a.yaml") in problem.message


def test_a_file_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    with pytest.raises(InvalidInput, match="cannot read"):
        load_playbook(tmp_path / "none.yaml")
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    with pytest.raises(InvalidInput, match="UTF-8"):
        load_playbook(tmp_path / "latin.yaml")


def test_the_published_schema_is_the_one_of_the_code() -> None:
    published = json.loads((ROOT / "docs" / "reference" / "playbook.schema.json").read_text(encoding="utf-8"))
    assert published == playbook_schema(), "type: drctl playbook schema > docs/reference/playbook.schema.json"


def test_the_schema_knows_every_key_and_every_action_that_the_reader_knows() -> None:
    step = playbook_schema()["$defs"]["step"]
    assert set(step["properties"]) == set(STEP_KEYS)
    assert {action["const"] for action in step["properties"]["uses"]["oneOf"]} == set(CATALOGUE)


def test_a_hospitals_file_replaces_the_one_of_its_kind_and_no_other(tmp_path: Path) -> None:
    text = (ROOT / "playbooks" / "rejoin.yaml").read_text(encoding="utf-8")
    (tmp_path / "ours.yaml").write_text(text.replace("name: rejoin", "name: ours"), encoding="utf-8")
    found = playbooks_in_force(tmp_path)
    assert found[RunKind.REJOIN].playbook.name == "ours"
    assert found[RunKind.FAILOVER].file == ROOT / "playbooks" / "failover.yaml"
    assert set(RunKind) - set(found) == {RunKind.DRILL}, "every operation has a playbook"
    assert playbooks_in_force(tmp_path / "nowhere")[RunKind.REJOIN].playbook.name == "rejoin"
