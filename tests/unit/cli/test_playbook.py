"""Playbooks: `playbook list|show|validate|plan`."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from drctl.model.explanation import Explanation
from drctl.model.identity import RunId
from drctl.model.run import Outcome, StepRecord, StepStatus
from drctl.model.run_picture import picture_run
from drctl.model.snapshot import RunSnapshot
from tests.house.source import ROOT
from tests.unit.cli.conftest import Deployment
from tests.unit.telemetry.example import NOW_UTC, A, B, C, picture, run

SHIPPED = ROOT / "playbooks"


@pytest.fixture(autouse=True)
def hospital(tmp_path: Path, deployment: Deployment) -> Path:
    """The hospital's own folder, empty, before the one that comes with drctl."""
    folder = tmp_path / "own"
    folder.mkdir()
    deployment.file.write_text(f"{deployment.file.read_text()}playbooks: {folder}\n")
    return folder


def later(seconds: float) -> str:
    return (datetime.fromisoformat(NOW_UTC) + timedelta(seconds=seconds)).isoformat()


def failover_that_took(seal_s: float) -> RunSnapshot:
    """A failover of the past whose seal took so long, and whose promotion failed."""
    ended = run(
        outcome=Outcome.FAILED,
        ended_s=130.0,
        ended_utc=NOW_UTC,
        steps=(
            StepRecord(
                id="seal",
                status=StepStatus.DONE,
                started_s=100.0,
                ended_s=100.0 + seal_s,
                started_utc=NOW_UTC,
                ended_utc=later(seal_s),
            ),
            StepRecord(id="promote", status=StepStatus.FAILED, started_s=101.0, ended_s=131.0, started_utc=NOW_UTC),
        ),
    )
    return replace(picture_run(ended, now_utc=later(31.0)), id=RunId(f"lis-{seal_s:g}"))


def steps_of(deployment: Deployment, *args: str) -> dict[str, dict[str, object]]:
    result = deployment.drctl("playbook", "plan", *args, "-f", "json")
    assert result.exit_code == 0, result.output
    return {step["id"]: step for step in json.loads(result.output)}


def test_the_list_names_what_is_in_force_and_where_it_is_from(deployment: Deployment, hospital: Path) -> None:
    own = hospital / "mine.yaml"
    own.write_text((SHIPPED / "rejoin.yaml").read_text().replace("name: rejoin", "name: ours"))
    told = json.loads(deployment.drctl("playbook", "list", "-f", "json").output)
    by_kind = {book["kind"]: book for book in told}
    assert set(by_kind) == {"evacuate", "failover", "switchover", "switchback", "syncset", "rejoin", "restart"}
    assert (by_kind["rejoin"]["name"], by_kind["rejoin"]["file"]) == ("ours", str(own))
    assert by_kind["failover"]["file"] == str(SHIPPED / "failover.yaml")
    assert "failover" in deployment.drctl("playbook", "list").output


def test_show_tells_every_step_and_the_way_back(deployment: Deployment) -> None:
    result = deployment.drctl("playbook", "show", "switchover")
    assert result.exit_code == 0, result.output
    assert "Promote the candidate" in result.output
    told = json.loads(deployment.drctl("playbook", "show", "switchover", "-f", "json").output)
    assert [step["id"] for step in told if step["part"] == "rollback"] == ["restart", "refollow", "remark", "restore"]
    (promote,) = (step for step in told if step["id"] == "promote")
    assert (promote["no_return"], promote["timeout_s"], promote["on_failure"]) == (True, 30.0, "abort")


def test_the_source_of_a_playbook_is_its_file_to_be_copied(deployment: Deployment) -> None:
    shown = deployment.drctl("playbook", "show", "switchover", "--source").output
    assert shown == (SHIPPED / "switchover.yaml").read_text()


def test_without_a_file_all_that_are_in_force_are_checked(deployment: Deployment, hospital: Path) -> None:
    assert deployment.drctl("playbook", "validate").output.count(" is valid: ") == 7
    (hospital / "mine.yaml").write_text("name: mine\nkind: rejoin\n")
    result = deployment.drctl("playbook", "validate")
    assert result.exit_code == 2
    assert f"{hospital / 'mine.yaml'}:1:1: steps: must be a list of steps" in result.output


def test_every_file_is_checked_although_one_is_wrong(deployment: Deployment, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yaml"
    wrong.write_text("name: mine\n")
    result = deployment.drctl("playbook", "validate", str(wrong), str(SHIPPED / "rejoin.yaml"))
    assert result.exit_code == 2
    assert "rejoin.yaml is valid" in result.output


def test_the_schema_is_json(deployment: Deployment) -> None:
    assert json.loads(deployment.drctl("playbook", "schema").output)["title"] == "drctl playbook"


def test_show_of_what_does_not_exist_names_what_does(deployment: Deployment) -> None:
    result = deployment.drctl("playbook", "show", "nothing")
    assert result.exit_code == 2
    assert "name one of: evacuate, failover, rejoin" in result.output


def test_a_valid_file_is_said_to_be_so(deployment: Deployment) -> None:
    result = deployment.drctl("playbook", "validate", str(SHIPPED / "failover.yaml"))
    assert result.exit_code == 0, result.output
    assert "is valid: failover, 10 steps; its worst path takes 148.9 s of 300 s" in result.output


def test_all_errors_of_a_file_are_told_with_their_lines_and_the_exit_code_is_2(
    deployment: Deployment, tmp_path: Path
) -> None:
    file = tmp_path / "mine.yaml"
    text = (SHIPPED / "failover.yaml").read_text()
    file.write_text(text.replace("uses: seal", "uses: sael").replace("budget: 5m", "bugdet: 5m"))
    result = deployment.drctl("playbook", "validate", str(file))
    assert result.exit_code == 2
    lines = {line.split(":")[1] for line in result.output.splitlines() if line.startswith(f"{file}:")}
    assert len(lines) >= 2
    assert "did you mean `uses: seal`?" in result.output
    assert "did you mean `budget`?" in result.output
    assert f"then type: drctl playbook validate {file}" in result.output


def test_a_file_that_is_not_there_is_a_mistake_of_the_command_line(deployment: Deployment) -> None:
    assert deployment.drctl("playbook", "validate", "/nowhere.yaml").exit_code == 2


def test_a_plan_fills_in_the_members(deployment: Deployment) -> None:
    steps = steps_of(deployment, "failover")
    assert steps["fence"]["members"] == [A]
    assert steps["seal"]["members"] == [B, C]
    assert steps["promote"]["members"] == [B]
    assert (steps["follow"]["members"], steps["follow"]["towards"]) == ([C], B)
    assert steps["promote"]["no_return"] is True


def test_in_a_switchover_to_a_named_member_the_old_primary_follows_too(deployment: Deployment) -> None:
    steps = steps_of(deployment, "switchover", "lis", "--candidate", C)
    assert steps["ready"]["members"] == [C]
    assert steps["stop"]["members"] == [A]
    assert (steps["follow"]["members"], steps["follow"]["towards"]) == ([A, B], C)


def test_a_change_of_the_sync_set_is_about_the_primary(deployment: Deployment) -> None:
    assert steps_of(deployment, "syncset")["marker"]["members"] == [A]


def test_the_usual_time_is_the_median_of_what_ended_well(deployment: Deployment) -> None:
    past = tuple(failover_that_took(seconds) for seconds in (0.1, 0.3, 9.0))
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), history=past))
    steps = steps_of(deployment, "failover")
    assert steps["seal"]["usual_s"] == 0.3
    assert steps["promote"]["usual_s"] is None
    assert steps_of(deployment, "switchover")["seal"]["usual_s"] is None, "a failover's seal is no switchover's"
    shown = deployment.drctl("playbook", "plan", "failover").output
    (promote,) = (line for line in shown.splitlines() if line.strip().startswith("promote"))
    assert " - " in promote


def test_a_plan_without_an_heir_says_so(deployment: Deployment) -> None:
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), explanation=Explanation(would="nothing", missing=(B,))))
    result = deployment.drctl("playbook", "plan", "failover")
    assert result.exit_code == 0, result.output
    assert "candidate nobody can be named now" in result.output


def test_a_plan_of_a_group_that_is_not_protected_names_the_next_command(deployment: Deployment) -> None:
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), primary=None))
    result = deployment.drctl("playbook", "plan", "failover")
    assert result.exit_code == 2
    assert "init lis" in result.output


def test_a_plan_needs_a_controller(deployment: Deployment) -> None:
    deployment.stop("zhaohui", "yuecheng", "fuyang")
    assert deployment.drctl("playbook", "plan", "failover").exit_code == 3


def test_a_plan_names_the_members_of_a_hospitals_own_steps(deployment: Deployment, hospital: Path) -> None:
    own = """\
  - {id: tell, uses: http, with: {url: "https://lis.example/x"}, timeout: 5s, when: planned}
  - {id: old, uses: command, with: {run: announce, on: old_primary}, timeout: 5s}
  - {id: next, uses: sql, with: {query: SELECT 1, on: heir}, timeout: 5s}
  - {id: third, uses: wait_until, with: {condition: streaming, on: lis-fuyang}, timeout: 5s}
  - {id: other, uses: wait_until, with: {condition: answers, on: pacs-fuyang}, timeout: 5s}
"""
    text = (SHIPPED / "switchover.yaml").read_text()
    (hospital / "mine.yaml").write_text(text.replace("  - id: checkpoint", f"{own}  - id: checkpoint", 1))
    steps = steps_of(deployment, "switchover")
    assert [steps[name]["members"] for name in ("tell", "old", "next", "third", "other")] == [[], [A], [B], [C], []]
    assert steps["tell"]["when"] == "planned"
    assert "in all usually -, at most" in deployment.drctl("playbook", "plan", "switchover").output
