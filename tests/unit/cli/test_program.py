"""The program around its commands: errors, help, completion, init, doctor, controller, config."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from click.testing import CliRunner

from drctl.cli.main import _COMMANDS, program
from drctl.config.schema import json_schema
from drctl.model.identity import GroupName
from drctl.model.takeover import AdminAccess, Finding, FindingSeverity, Takeover
from tests.unit.cli.conftest import Deployment
from tests.unit.telemetry.example import LIS, A


def test_every_command_explains_itself(deployment: Deployment) -> None:
    for command in _COMMANDS:
        result = deployment.drctl(command, "--help")
        assert result.exit_code == 0, command
        assert "Usage: drctl" in result.output
    listed = deployment.drctl("--help").output
    assert all(command in listed for command in _COMMANDS)
    assert "Exit codes" in listed


def test_a_mistyped_command_is_answered_with_the_nearest(deployment: Deployment) -> None:
    result = deployment.drctl("swichover")
    assert result.exit_code == 2
    assert "Did you mean switchover?" in result.stderr


def test_a_wrong_configuration_is_told_without_a_traceback(deployment: Deployment) -> None:
    text = deployment.file.read_text(encoding="utf-8").replace("home: zhaohui", "home: zaohui")
    deployment.file.write_text(text, encoding="utf-8")
    result = deployment.drctl("list")
    assert result.exit_code == 2
    assert "expected the name of a center of this file" in result.stderr
    assert "Traceback" not in result.stderr
    assert deployment.drctl("config", "validate").exit_code == 2


def test_the_configuration_may_be_named_by_the_environment_or_after_the_command(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    after = CliRunner().invoke(program, ["list", "--config", str(deployment.file)], prog_name="drctl")
    assert after.exit_code == 0
    monkeypatch.setenv("DRCTL_CONFIG", str(deployment.file))
    assert CliRunner().invoke(program, ["list"], prog_name="drctl").exit_code == 0
    monkeypatch.setenv("DRCTL_CONFIG", "/nonexistent/cluster.yaml")
    nothing = CliRunner().invoke(program, ["list"], prog_name="drctl")
    assert nothing.exit_code == 2
    assert "there is no configuration at /nonexistent/cluster.yaml" in nothing.stderr


def test_a_fault_of_drctl_itself_is_one_line_and_a_file(
    deployment: Deployment, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))

    def break_down(*_: object) -> None:
        raise ZeroDivisionError("nobody divides by zero")

    monkeypatch.setattr(deployment.bootstrap, "examine", break_down)
    result = deployment.drctl("init", "--yes")
    assert result.exit_code == 5
    assert "drctl itself failed" in result.stderr
    assert "ZeroDivisionError: nobody divides by zero" in result.stderr
    assert "Traceback" not in result.stderr
    (kept,) = tmp_path.glob("drctl-error-*.txt")
    assert "Traceback" in kept.read_text(encoding="utf-8")
    debug = deployment.drctl("--debug", "init", "--yes")
    assert isinstance(debug.exception, ZeroDivisionError)


def test_the_controller_is_started_for_a_center_that_exists(deployment: Deployment) -> None:
    assert deployment.drctl("controller", "--center", "fuyang").exit_code == 0
    assert deployment.bootstrap.controllers == ["fuyang"]
    wrong = deployment.drctl("controller", "--center", "fuyan")
    assert wrong.exit_code == 2
    assert "name one of: zhaohui, yuecheng, fuyang" in wrong.stderr


def found(severity: FindingSeverity, remedy: str = "") -> Finding:
    return Finding(severity=severity, subject=A, what="wal_log_hints is off", why="no rewind", remedy=remedy)


def test_init_takes_over_what_is_ready_and_says_what_it_does(deployment: Deployment) -> None:
    deployment.bootstrap.takeover = Takeover(
        group=LIS, primary=A, findings=(found(FindingSeverity.OK),), changes=("create role drctl",)
    )
    dry = deployment.drctl("init", "--dry-run")
    assert dry.exit_code == 0
    assert "will create role drctl" in dry.output
    assert deployment.bootstrap.initialised == []
    result = deployment.drctl("init", "lis", "--yes", "--admin-user", "dba", "--admin-dsn", "host=x")
    assert result.exit_code == 0
    assert deployment.bootstrap.initialised == [GroupName("lis")]
    assert "created role drctl" in result.output
    assert deployment.bootstrap.access is not None
    assert (deployment.bootstrap.access.user, deployment.bootstrap.access.dsn) == ("dba", "host=x")


def test_init_of_a_group_that_is_not_healthy_changes_nothing(deployment: Deployment) -> None:
    finding = found(FindingSeverity.ERROR, "psql -c 'ALTER SYSTEM SET wal_log_hints = on'")
    deployment.bootstrap.takeover = Takeover(group=LIS, primary=A, findings=(finding,), changes=("create role drctl",))
    result = deployment.drctl("init", "--yes")
    assert result.exit_code == 1
    assert "> psql -c 'ALTER SYSTEM SET wal_log_hints = on'" in result.output
    assert "nothing was changed" in result.stderr
    assert deployment.bootstrap.initialised == []


def test_init_of_a_group_that_is_protected_already_has_nothing_to_do(deployment: Deployment) -> None:
    deployment.bootstrap.takeover = Takeover(group=LIS, primary=A, findings=(), changes=())
    result = deployment.drctl("init")
    assert result.exit_code == 0
    assert "is under drctl's protection already" in result.output


@pytest.mark.parametrize(
    ("severities", "code"),
    [((), 0), (("ok",), 0), (("ok", "warning"), 4), (("warning", "error"), 1)],
)
def test_the_doctors_exit_code_is_the_worst_finding(
    deployment: Deployment, severities: tuple[str, ...], code: int
) -> None:
    deployment.bootstrap.findings = tuple(found(FindingSeverity(severity), "do it") for severity in severities)
    result = deployment.drctl("doctor")
    assert result.exit_code == code
    assert f"{len(severities) + 3} checks" in result.output, "and one of each center's controller"
    told = json.loads(deployment.drctl("doctor", "-f", "json").output)
    assert len(told) == sum(severity != "ok" for severity in severities)


def test_the_doctor_looks_as_an_administrator_only_when_told(deployment: Deployment) -> None:
    deployment.drctl("doctor")
    assert deployment.bootstrap.access is None
    deployment.drctl("doctor", "--admin-user", "dba")
    assert deployment.bootstrap.access == AdminAccess(user="dba")
    deployment.drctl("doctor", "--admin-dsn", "sslmode=require")
    assert deployment.bootstrap.access == AdminAccess(dsn="sslmode=require")


def test_the_configuration_is_shown_with_its_defaults(deployment: Deployment) -> None:
    output = deployment.drctl("config", "show").output
    assert "groups.lis.policy.suspicion" in output
    told = json.loads(deployment.drctl("config", "show", "-f", "json").output)
    assert told["groups.lis.policy.suspicion"] == "1500ms"
    assert "3 centers, 1 group, 3 members" in deployment.drctl("config", "validate").output
    assert json.loads(deployment.drctl("config", "schema").output) == json_schema()


def test_differences_between_centers_are_named(deployment: Deployment) -> None:
    effective = dict(deployment.configuration.effective)
    for controller in deployment.controllers.values():
        controller.configuration.update(effective)
        controller._answers._configuration.update(effective)
    same = deployment.drctl("config", "diff")
    assert same.exit_code == 0, same.output
    deployment.controllers["fuyang"]._answers._configuration["groups.lis.policy.suspicion"] = "3s"
    differs = deployment.drctl("config", "diff")
    assert differs.exit_code == 1
    assert "groups.lis.policy.suspicion: '1500ms' here, '3s' in controller fuyang" in differs.output
    deployment.stop("yuecheng")
    assert deployment.drctl("config", "diff").exit_code == 3


def test_two_files_are_compared_by_what_they_mean(deployment: Deployment, tmp_path: Path) -> None:
    other = tmp_path / "other.yaml"
    text = deployment.file.read_text(encoding="utf-8")
    other.write_text(text + "# the same\n", encoding="utf-8")
    assert deployment.drctl("config", "diff", str(other)).exit_code == 0
    other.write_text(text + "policy: {stuck: 9s}\n", encoding="utf-8")
    result = deployment.drctl("config", "diff", str(other))
    assert result.exit_code == 1
    assert "groups.lis.policy.stuck: '5s' here, '9s' in" in result.output


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_completion_scripts_are_printed(deployment: Deployment, shell: str) -> None:
    result = deployment.drctl("completion", shell)
    assert result.exit_code == 0, result.output
    assert "_DRCTL_COMPLETE" in result.output


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        ("drctl sw", {"switchover", "switchback"}),
        ("drctl switchover ", {"lis"}),
        ("drctl rejoin lis-f", {"lis-fuyang"}),
        ("drctl controller --center ", {"zhaohui", "yuecheng", "fuyang"}),
    ],
)
def test_words_are_completed_from_the_configuration(deployment: Deployment, words: str, expected: set[str]) -> None:
    environment = {
        **os.environ,
        "DRCTL_CONFIG": str(deployment.file),
        "_DRCTL_COMPLETE": "bash_complete",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1),
    }
    code = "from drctl.cli.main import program; program(prog_name='drctl')"
    found = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, timeout=30, check=False
    )
    assert {line.partition(",")[2] for line in found.stdout.splitlines()} == expected, found.stderr


def test_python_dash_m_drctl_is_the_program() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "drctl", "--help"], capture_output=True, text=True, timeout=30, check=True
    )
    assert found.stdout.startswith("Usage: drctl")
