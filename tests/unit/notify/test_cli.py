"""`drctl notify`: what it sends from here, and how it ends."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from drctl.cli.main import program
from tests.unit.notify.receivers import receiver
from tests.unit.routing.test_routing import CONFIGURATION


@pytest.fixture
def drctl(tmp_path: Path):
    def run(notifications: str, *arguments: str):
        file = tmp_path / "cluster.yaml"
        file.write_text(CONFIGURATION + notifications)
        return CliRunner().invoke(program, ["--config", str(file), "notify", *arguments])

    return run


def hook(tmp_path: Path, url: str) -> str:
    (tmp_path / "url").write_text(url)
    return f"notifications:\n  webhooks:\n    platform: {{url: 'file:{tmp_path}/url', severity: alarm, language: en}}\n"


def test_a_test_goes_through_whatever_its_severity(drctl, tmp_path):
    with receiver() as told:
        done = drctl(hook(tmp_path, told.url), "test")
    assert done.exit_code == 0, done.output
    assert "platform: handed over" in done.output
    assert told.got[0]["code"] == "test"


def test_a_channel_that_refuses_is_said_so_and_ends_with_1(drctl, tmp_path):
    with receiver((403, "who are you?")) as told:
        done = drctl(hook(tmp_path, told.url), "test")
    assert done.exit_code == 1
    assert "platform: answered 403: who are you?" in done.output


def test_what_is_not_configured_is_refused(drctl, tmp_path):
    assert drctl("", "test").exit_code == 2
    done = drctl(hook(tmp_path, "http://127.0.0.1:1/"), "test", "nobody")
    assert done.exit_code == 2
    assert "name one of: platform" in done.output


def test_channels_are_listed(drctl, tmp_path):
    assert drctl(hook(tmp_path, "http://127.0.0.1:1/"), "list").output == "platform  webhook  alarm and above  en\n"


def test_a_secret_in_the_file_itself_is_refused_and_not_repeated(drctl):
    done = drctl("notifications:\n  wecom:\n    duty: {url: 'https://example.com/?key=abc'}\n", "list")
    assert done.exit_code == 2
    assert "abc" not in done.output
