"""A command of the host's own list: no shell, no words from the wire, bounded, ended by a higher epoch."""

from __future__ import annotations

import json
import threading
import time
from pathlib import Path

import pytest

from drctl.host import epoch as epochs
from drctl.host.commands import answer
from drctl.host.config import HostConfig, parse
from drctl.host.deadline import Deadline
from drctl.host.faults import Invalid, Refused, StaleEpoch, Unknown
from drctl.host.wire import Request
from tests.unit.host.test_config import GOOD

COMMANDS = {
    "tell": ["/usr/bin/printenv", "DRCTL_MEMBER", "DRCTL_GROUP", "DRCTL_EPOCH", "DRCTL_RUN", "DRCTL_STEP"],
    "literal": ["/bin/echo", "$HOME; ls *"],
    "fails": ["/bin/sh", "-c", "echo half done; echo no room >&2; exit 3"],
    "babbles": ["/bin/sh", "-c", "head -c 100000 /dev/zero | tr '\\0' x; echo the end"],
    "sleeps": ["/bin/sleep", "30"],
    "absent": ["/nowhere/at/all"],
}


@pytest.fixture
def config(tmp_path: Path) -> HostConfig:
    found = parse({**GOOD, "state_dir": str(tmp_path), "commands": COMMANDS}, Path("/etc/drctl/host.json"))
    assert [member.name for member in found.members] == ["lis-zhaohui"]
    return found


def ask(config: HostConfig, allowed: str, *, epoch: int = 7, deadline_s: float = 5.0) -> dict[str, object]:
    args = {"allowed": allowed, "run": "lis-7", "step": "tell"}
    request = Request(1, "command", "lis-zhaohui", epoch, args, deadline_s)
    return dict(answer(config, request))


def test_it_runs_and_is_told_what_it_is_about(config: HostConfig) -> None:
    said = ask(config, "tell")
    assert said == {"code": 0, "output": "lis-zhaohui\nlis\n7\nlis-7\ntell"}


def test_no_shell_reads_its_words(config: HostConfig) -> None:
    assert ask(config, "literal")["output"] == "$HOME; ls *"


def test_what_is_not_on_the_list_is_refused_with_what_is(config: HostConfig) -> None:
    with pytest.raises(Invalid, match=r"allows no command 'rm' \(allowed: absent, babbles, "):
        ask(config, "rm")


def test_an_exit_code_is_an_answer_with_what_was_said(config: HostConfig) -> None:
    assert ask(config, "fails") == {"code": 3, "output": "half done\nno room"}


def test_of_much_that_is_said_the_end_is_kept(config: HostConfig) -> None:
    output = str(ask(config, "babbles")["output"])
    assert len(output) <= 2000
    assert len(json.dumps(output)) < 10_000


def test_a_program_that_is_not_there_certainly_did_nothing(config: HostConfig) -> None:
    with pytest.raises(Refused, match="absent could not be started: /nowhere/at/all"):
        ask(config, "absent")


def test_one_that_does_not_end_is_killed_and_its_effect_is_unknown(config: HostConfig) -> None:
    began_s = time.monotonic()
    with pytest.raises(Unknown, match="sleeps did not end in time"):
        ask(config, "sleeps", deadline_s=0.5)
    assert time.monotonic() - began_s < 3.0


def test_an_epoch_that_is_over_runs_nothing(config: HostConfig) -> None:
    ask(config, "tell", epoch=8)
    with pytest.raises(StaleEpoch):
        ask(config, "tell", epoch=7)


def test_a_higher_epoch_ends_it_at_once_and_does_not_wait_for_it(config: HostConfig) -> None:
    caught: list[BaseException] = []

    def long() -> None:
        try:
            ask(config, "sleeps", epoch=7, deadline_s=30.0)
        except StaleEpoch as error:
            caught.append(error)

    thread = threading.Thread(target=long)
    folder = config.members[0].state_dir
    thread.start()
    for _ in Deadline(5.0).polls(0.01):
        if (folder / "epoch.json").exists():
            break
    began_s = time.monotonic()
    epochs.admit(folder, 8, Deadline(1.0))
    thread.join(5.0)
    assert not thread.is_alive()
    assert len(caught) == 1
    assert time.monotonic() - began_s < 3.0


@pytest.mark.parametrize(
    ("commands", "said"),
    [
        ({"tell": ["echo"]}, "'tell' must be a list of words, the first of them the absolute path"),
        ({"tell": None}, "'tell' must be a list of words"),
        ({"tell": "/bin/echo hello"}, "'tell' must be null or a list of words"),
        ({"tell me": ["/bin/echo"]}, "'tell me' is no name of a command"),
        (["/bin/echo"], "'commands' must be an object"),
    ],
)
def test_a_list_that_makes_no_sense_is_refused(commands: object, said: str) -> None:
    with pytest.raises(Invalid) as caught:
        parse({**GOOD, "commands": commands}, Path("/etc/drctl/host.json"))
    assert said in caught.value.message
