"""Saying something to a run that is under way."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.model.request import RequestAnswer
from drctl.model.run import Outcome, StepRecord, StepStatus
from drctl.model.run_picture import picture_run
from tests.unit.cli.conftest import Deployment
from tests.unit.telemetry.example import NOW_UTC, picture, run

WAITING = StepRecord(id="seal", status=StepStatus.WAITING, started_utc=NOW_UTC, note="0 of 2 agreed")


@pytest.fixture(autouse=True)
def under_way(deployment: Deployment) -> None:
    """lis-8 waits for people."""
    shown = picture_run(run(steps=(WAITING, StepRecord(id="promote"))), now_utc=NOW_UTC)
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), run=shown))


@pytest.mark.parametrize("word", ["approve", "reject", "continue", "abort"])
def test_a_word_reaches_the_leader_with_the_run_and_the_reason(deployment: Deployment, word: str) -> None:
    deployment.coordinator.default = RequestAnswer(request="r1", accepted=True, message="seal: 1 of 2 agreed (wang)")
    result = deployment.drctl("run", word, "lis-8", "--reason", "announced", "--yes")
    assert result.exit_code == 0, result.output
    (request,) = deployment.coordinator.submitted
    assert (request.kind, request.group, request.run, request.step) == (word, "lis", "lis-8", "")
    assert request.reason == "announced"
    assert "waiting" in result.output
    assert "0 of 2 agreed" in result.output
    assert "seal: 1 of 2 agreed (wang)" in result.output
    assert "watch lis-8" in result.output


def test_a_step_can_be_named_when_several_wait(deployment: Deployment) -> None:
    assert deployment.drctl("run", "approve", "lis-8", "--step", "seal", "--yes").exit_code == 0
    assert deployment.coordinator.submitted[0].step == "seal"


def test_what_the_run_does_not_heed_exits_1_and_says_why(deployment: Deployment) -> None:
    message = "mei asked for lis-8: somebody else must decide about it"
    deployment.coordinator.default = RequestAnswer(request="r1", accepted=False, message=message)
    result = deployment.drctl("run", "approve", "lis-8", "--yes")
    assert result.exit_code == 1
    assert message in result.stderr


def test_nobody_is_asked_without_a_terminal_and_nothing_is_said_then(deployment: Deployment) -> None:
    assert deployment.drctl("run", "abort", "lis-8").exit_code == 2
    assert deployment.coordinator.submitted == []


def test_a_run_that_has_ended_hears_nothing_more(deployment: Deployment) -> None:
    shown = picture_run(run(outcome=Outcome.DONE, ended_utc=NOW_UTC), now_utc=NOW_UTC)
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), history=(shown,)))
    result = deployment.drctl("run", "abort", "lis-8", "--yes")
    assert result.exit_code == 1
    assert "lis-8 has ended (done)" in result.stderr
    assert deployment.coordinator.submitted == []


def test_a_run_that_nobody_knows_is_a_mistake_of_the_command_line(deployment: Deployment) -> None:
    assert deployment.drctl("run", "abort", "lis-99", "--yes").exit_code == 2
