"""What is shown while it changes."""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import replace

import pytest
from rich.console import Console

from drctl.cli import follow, observe, watch
from drctl.cli.exit_codes import ExitCode
from drctl.cli.invocation import Invocation
from drctl.model.errors import Unreachable
from drctl.model.identity import RunId
from drctl.model.run import Outcome, StepRecord, StepStatus
from drctl.model.run_picture import picture_run
from drctl.model.snapshot import RunSnapshot
from tests.unit.cli.conftest import Deployment
from tests.unit.telemetry.example import NOW_UTC, B, picture, run

BEGAN = "2026-01-02T03:04:00.000+00:00"


def at(seal: StepStatus, promote: StepStatus, outcome: Outcome | None = None) -> RunSnapshot:
    """The run when its two steps stand so."""

    def record(step: str, status: StepStatus) -> StepRecord:
        begun = status is not StepStatus.PENDING
        ended = status is StepStatus.DONE
        return StepRecord(
            id=step, status=status, started_utc=BEGAN if begun else "", ended_utc=NOW_UTC if ended else ""
        )

    return picture_run(
        run(
            steps=(record("seal", seal), record("promote", promote)),
            outcome=outcome,
            ended_utc=NOW_UTC if outcome else "",
            candidate=B,
        ),
        now_utc=NOW_UTC,
    )


FILM = (
    at(StepStatus.RUNNING, StepStatus.PENDING),
    at(StepStatus.DONE, StepStatus.RUNNING),
    at(StepStatus.DONE, StepStatus.DONE, Outcome.DONE),
)


def after(times: int, act: Callable[[], None]) -> Callable[[float], None]:
    """A sleep that does `act` each time, and is interrupted after so many."""
    slept = [0]

    def sleep(_: float) -> None:
        slept[0] += 1
        act()
        if slept[0] >= times:
            raise KeyboardInterrupt

    return sleep


def test_each_step_is_printed_once_when_it_has_ended(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    film = list(FILM)
    deployment.stop("yuecheng", "fuyang")

    def next_picture(_: float = 0.0) -> None:
        shot = film.pop(0)
        ended = shot.outcome is not None
        deployment.zhaohui.tell(replace(picture(), run=None if ended else shot, history=(shot,) if ended else ()))

    next_picture()
    monkeypatch.setattr(follow.time, "sleep", next_picture)
    result = deployment.drctl("watch", "lis-8")
    assert result.exit_code == 0, result.output
    assert result.output.count("Seal the standbys") == 1
    assert result.output.count("Promote the heir") == 1
    assert "lis-8 failover of lis: running" in result.output
    assert "lis-8 failover of lis: done" in result.output


def test_a_terminal_shows_the_step_that_is_under_way_beside_the_promise(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    invocation = Invocation()
    invocation.config_path = deployment.file
    screen = io.StringIO()
    invocation._console = Console(file=screen, force_terminal=True, width=150, highlight=False)
    for controller in deployment.controllers.values():
        controller.tell(replace(picture(), run=FILM[1]))
    monkeypatch.setattr(follow.time, "sleep", after(3, lambda: None))
    assert follow.follow(invocation, [RunId("lis-8")]) is ExitCode.UNKNOWN
    assert "Promote the heir (5.0 s of at most 30.0 s); 9 min 55 s of the promise left" in screen.getvalue()


def test_controllers_that_are_gone_for_a_moment_do_not_end_the_following(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers: list[RunSnapshot | Exception] = [FILM[0], Unreachable("nobody answers"), Unreachable("nobody"), FILM[2]]

    def ask(*_: object) -> RunSnapshot:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    monkeypatch.setattr(follow, "ask_run", ask)
    assert deployment.drctl("watch", "lis-8").exit_code == 0


def test_a_run_of_which_nothing_is_heard_any_more_ends_the_following_with_the_reason(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(follow, "UNKNOWN_MAX_S", 0.05)
    deployment.stop("zhaohui", "yuecheng", "fuyang")
    result = deployment.drctl("watch", "lis-8")
    assert result.exit_code == 3
    assert "no controller answers" in result.stderr


def test_the_cluster_is_watched_until_ctrl_c_also_while_nobody_answers(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployment.stop("yuecheng", "fuyang")
    deployment.zhaohui.tell(replace(picture(), run=FILM[0]))
    monkeypatch.setattr(watch.time, "sleep", after(2, lambda: deployment.stop("zhaohui")))
    result = deployment.drctl("watch")
    assert result.exit_code == 0, result.output
    assert "no controller answers" in result.output


def test_list_repeats_itself_when_asked_to(deployment: Deployment, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(observe.time, "sleep", after(3, lambda: None))
    result = deployment.drctl("list", "-w", "0.5")
    assert result.exit_code == 0
    assert result.output.count("Cluster lab") == 3
