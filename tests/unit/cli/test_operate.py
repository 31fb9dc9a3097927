"""Asking for something: the conversation, its refusals, its exit codes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.cli import follow, pause, wish
from drctl.cli.exit_codes import ExitCode, of_error, of_run
from drctl.model.errors import (
    EffectRefused,
    EffectUnknown,
    InvalidInput,
    LeadershipLost,
    StaleEpoch,
    Unreachable,
)
from drctl.model.identity import RunId
from drctl.model.request import RequestAnswer, RequestKind
from drctl.model.run import Outcome, StepRecord, StepStatus
from drctl.model.run_picture import picture_run
from tests.unit.cli.conftest import Deployment
from tests.unit.telemetry.example import NOW_UTC, A, B, C, picture, run

RUN = RunId("lis-8")


def accepted(run_id: RunId | None = RUN) -> RequestAnswer:
    return RequestAnswer(request="r1", accepted=True, message="switching lis over", run=run_id)


def ended(outcome: Outcome) -> object:
    steps = tuple(
        StepRecord(id=step, status=StepStatus.DONE, started_utc=NOW_UTC, ended_utc=NOW_UTC)
        for step in ("seal", "promote")
    )
    return picture_run(run(outcome=outcome, ended_utc=NOW_UTC, candidate=B, steps=steps), now_utc=NOW_UTC)


def tell_run(deployment: Deployment, outcome: Outcome) -> None:
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), history=(ended(outcome),)))


def test_a_switchover_is_shown_asked_for_followed_and_shown_again(deployment: Deployment) -> None:
    deployment.coordinator.default = accepted()
    tell_run(deployment, Outcome.DONE)
    result = deployment.drctl("switchover", "--candidate", B, "--reason", "new disks", "--yes")
    assert result.exit_code == 0, result.output
    (request,) = deployment.coordinator.submitted
    assert (request.kind, request.group, request.candidate, request.reason) == ("switchover", "lis", B, "new disks")
    assert "@" in request.operator
    assert result.output.count("Cluster lab") == 2, "before and after"
    assert "done" in result.output
    assert "Promote the heir" in result.output
    assert deployment.coordinator.closed


@pytest.mark.parametrize(
    ("outcome", "code"),
    [
        (Outcome.DONE, 0),
        (Outcome.DEGRADED, 4),
        (Outcome.REFUSED, 1),
        (Outcome.ROLLED_BACK, 1),
        (Outcome.FAILED, 5),  # the point of no return was passed
        (Outcome.SUPERSEDED, 5),
    ],
)
def test_how_a_run_ends_is_the_exit_code(deployment: Deployment, outcome: Outcome, code: int) -> None:
    deployment.coordinator.default = accepted()
    tell_run(deployment, outcome)
    assert deployment.drctl("switchover", "--yes").exit_code == code
    assert deployment.drctl("watch", RUN).exit_code == code


def test_a_run_that_failed_before_the_point_of_no_return_changed_nothing() -> None:
    before = picture_run(run(outcome=Outcome.FAILED, ended_utc=NOW_UTC), now_utc=NOW_UTC)
    assert of_run(before) is ExitCode.REFUSED


def test_the_exit_code_of_an_error_is_what_is_known_of_the_effect() -> None:
    assert [of_error(kind("x")) for kind in (InvalidInput, Unreachable, StaleEpoch, EffectRefused)] == [2, 3, 1, 1]
    assert [of_error(kind("x")) for kind in (EffectUnknown, LeadershipLost)] == [5, 5]


def test_a_refusal_says_why_and_never_exits_0(deployment: Deployment) -> None:
    deployment.coordinator.default = RequestAnswer(request="r1", accepted=False, message="lis-fuyang is 3 GiB behind")
    result = deployment.drctl("switchover", "--candidate", C, "--yes")
    assert result.exit_code == 1
    assert "refused: lis-fuyang is 3 GiB behind" in result.stderr


def test_a_request_that_nobody_answers_is_unknown(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wish, "ANSWER_TIMEOUT_S", 0.05)
    deployment.coordinator.default = None
    result = deployment.drctl("switchback", "--yes")
    assert result.exit_code == 5
    assert "a leader that comes may still fulfil it" in result.stderr


def test_a_request_that_cannot_be_stored_changed_nothing(deployment: Deployment) -> None:
    deployment.coordinator.refuse = "64 requests wait already"
    assert deployment.drctl("switchover", "--yes").exit_code == 1


def test_no_is_an_answer(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(wish, "at_terminal", lambda: True)
    result = deployment.drctl("switchover", input="n\n")
    assert result.exit_code == 1
    assert "nothing was done" in result.output
    assert deployment.drctl("switchover", input="y\n").exit_code == 0
    assert len(deployment.coordinator.submitted) == 1


def test_without_a_terminal_and_without_yes_nothing_is_done(deployment: Deployment) -> None:
    result = deployment.drctl("switchover")
    assert result.exit_code == 2
    assert "add --yes when it is meant" in result.stderr
    assert deployment.coordinator.submitted == []


def test_a_dry_run_says_what_would_be_asked_for(deployment: Deployment) -> None:
    result = deployment.drctl("failover", "--candidate", B, "--dry-run")
    assert result.exit_code == 0
    assert "would ask for: failover of lis to lis-yuecheng" in result.output
    assert deployment.coordinator.submitted == []


def test_emptying_a_center_moves_the_groups_that_are_led_there(deployment: Deployment) -> None:
    assert deployment.drctl("switchover", "--from", "zhaohui", "--yes").exit_code == 0
    assert [request.kind for request in deployment.coordinator.submitted] == [RequestKind.EVACUATE]
    assert [request.group for request in deployment.coordinator.submitted] == ["lis"]
    nothing = deployment.drctl("switchover", "--from", "fuyang", "--yes")
    assert nothing.exit_code == 2
    assert "no group has its primary in fuyang" in nothing.stderr
    assert "name one of" in deployment.drctl("switchover", "--from", "fuyan", "--yes").stderr
    assert deployment.drctl("switchover", "--from", "zhaohui", "lis").exit_code == 2


def test_a_scheduled_switchover_is_stored_in_utc_and_not_waited_for(deployment: Deployment) -> None:
    deployment.coordinator.default = None
    result = deployment.drctl("switchover", "--scheduled", "2999-03-01T02:00+08:00", "--yes")
    assert result.exit_code == 0, result.output
    assert deployment.coordinator.submitted[0].not_before_utc == "2999-02-28T18:00:00.000+00:00"
    assert "scheduled for 2999-02-28T18:00:00.000+00:00" in result.output
    assert "has passed" in deployment.drctl("switchover", "--scheduled", "2020-01-01T00:00Z", "--yes").stderr
    assert "is no time" in deployment.drctl("switchover", "--scheduled", "soon", "--yes").stderr


def test_accepting_loss_needs_a_reason_and_the_groups_name(deployment: Deployment) -> None:
    assert "needs a reason" in deployment.drctl("failover", "--accept-data-loss").stderr
    wrong = deployment.drctl("failover", "--accept-data-loss", "--reason", "fire", input="yes\n")
    assert wrong.exit_code == 2
    assert deployment.coordinator.submitted == []
    right = deployment.drctl("failover", "--accept-data-loss", "--reason", "fire", input="lis\n")
    assert right.exit_code == 0
    assert deployment.coordinator.submitted[0].accept_data_loss


def test_a_member_is_rejoined_or_built_anew_by_name(deployment: Deployment) -> None:
    assert deployment.drctl("rejoin", A, "--yes").exit_code == 0
    assert deployment.drctl("reinit", C, "--yes").exit_code == 0
    assert [(one.kind, one.candidate) for one in deployment.coordinator.submitted] == [("rejoin", A), ("reinit", C)]
    assert deployment.drctl("rejoin", "nobody", "--yes").exit_code == 2


def test_pause_waits_until_every_controller_knows(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pause, "POLL_S", 0.01)
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), paused=True))
    deployment.stop("fuyang")
    result = deployment.drctl("pause", "--wait", "--yes")
    assert result.exit_code == 0, result.output
    assert deployment.coordinator.submitted[0].kind is RequestKind.PAUSE
    assert "known to the controllers in yuecheng, zhaohui; not reached: fuyang" in result.output


def test_a_pause_that_a_controller_does_not_see_is_not_done(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pause, "POLL_S", 0.01)
    monkeypatch.setattr(pause, "WAIT_TIMEOUT_S", 0.05)
    deployment.controllers["yuecheng"].tell(replace(picture(), paused=True))
    result = deployment.drctl("pause", "lis", "--wait", "--yes")
    assert result.exit_code == 5
    assert "not known yet in" in result.stderr
    assert deployment.drctl("resume", "lis", "--yes").exit_code == 0


def test_ctrl_c_detaches_and_says_how_to_attach_again(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    deployment.coordinator.default = accepted()
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), run=picture_run(run(), now_utc=NOW_UTC)))

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(follow.time, "sleep", interrupt)
    result = deployment.drctl("watch", RUN)
    assert result.exit_code == 5
    assert f"to attach again: drctl --config {deployment.file} watch lis-8" in result.output


def test_a_run_is_followed_through_the_journal_when_no_controller_knows_it(deployment: Deployment) -> None:
    deployment.coordinator.default = accepted()
    deployment.coordinator.runs[RUN] = run(outcome=Outcome.DONE, ended_utc=NOW_UTC)
    assert deployment.drctl("switchover", "--yes").exit_code == 0


def test_a_run_that_nobody_knows_is_told_as_such(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follow, "UNKNOWN_MAX_S", 0.05)
    result = deployment.drctl("watch", "lis-99")
    assert result.exit_code == 2
    assert "run lis-99 is not known" in result.stderr


def test_several_runs_are_followed_at_once(deployment: Deployment) -> None:
    first, second = ended(Outcome.DONE), replace(ended(Outcome.DEGRADED), id=RunId("lis-9"))  # type: ignore[type-var]
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), history=(first, second)))
    result = deployment.drctl("watch", "lis-8", "lis-9")
    assert result.exit_code == 4
    assert "lis-9 failover of lis: degraded" in result.output
