"""drctl-host as one file: it starts alone, fast, and says what it may."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys

import pytest

import drctl.host
from drctl.host import bundle, state
from drctl.host.wire import Request, decode_answer, encode_request
from tests.unit.host.test_config import GOOD

OLDER = [found for name in ("python3.9", "python3.10", "python3.12", "python3.13") if (found := shutil.which(name))]


@pytest.fixture(scope="module")
def program(tmp_path_factory):
    out = tmp_path_factory.mktemp("bundle") / "drctl-host"
    bundle.build(out)
    return out


@pytest.fixture
def config(tmp_path):
    value = json.loads(json.dumps(GOOD).replace("/var/lib/drctl-host", str(tmp_path / "state")))
    (tmp_path / "host.json").write_text(json.dumps(value))
    return tmp_path / "host.json"


def serve(program, config, lines, python=sys.executable):
    argv = [python, "-I", "-S", program, "serve", "--config", config]
    done = subprocess.run(argv, input=lines, capture_output=True, timeout=20, check=False, cwd="/")
    assert done.returncode == 0, done.stderr
    return [decode_answer(line) for line in done.stdout.splitlines()]


def test_the_same_sources_make_the_same_file(program, tmp_path):
    bundle.build(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == program.read_bytes()


def test_it_replaces_nothing_but_a_file(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ValueError, match="is no file"):
        bundle.build(tmp_path / "pipe")
    assert (tmp_path / "pipe").is_fifo()


def test_it_runs_alone_and_answers(program, config):
    (answer,) = serve(program, config, encode_request(Request(1, "hello", None, None, {}, 1.0)))
    assert answer.evidence is not None
    assert answer.evidence["members"] == ["lis-zhaohui"]
    assert answer.evidence["version"] == drctl.host.VERSION


@pytest.mark.parametrize("python", OLDER)
def test_it_runs_on_other_pythons(program, config, python):
    if subprocess.run([python, "-V"], check=False, capture_output=True).returncode != 0:
        pytest.skip("a name without a Python behind it")
    lines = encode_request(Request(1, "hello", None, None, {}, 1.0)) + encode_request(
        Request(2, "inspect", "lis-zhaohui", None, {}, 5.0)
    )
    answers = {answer.id: answer for answer in serve(program, config, lines, python)}
    assert answers[2].evidence is not None
    assert answers[2].evidence["postmaster"] == "down"


def test_a_bad_request_does_not_end_the_channel(program, config):
    good = encode_request(Request(2, "hello", None, None, {}, 1.0))
    answers = serve(program, config, b"nonsense\n\n" + good)
    kinds = {answer.id: answer.failure.kind if answer.failure else "ok" for answer in answers}
    assert kinds == {0: "invalid", 2: "ok"}


@pytest.mark.parametrize(
    ("request_", "kind"),
    [
        (Request(1, "dance", "lis-zhaohui", 1, {}, 1.0), "invalid"),
        (Request(1, "seal", None, 1, {}, 1.0), "invalid"),
        (Request(1, "seal", "his-zhaohui", 1, {}, 1.0), "invalid"),
        (Request(1, "seal", "lis-zhaohui", None, {}, 1.0), "invalid"),
        (Request(1, "promote", "lis-zhaohui", 1, {"count": 1}, 1.0), "invalid"),
        (Request(1, "fence", "lis-zhaohui", 1, {"mode": "smart"}, 1.0), "invalid"),
        (Request(1, "promote", "lis-zhaohui", 1, {"count": 1, "members": ["a"]}, 1.0), "refused"),
    ],
)
def test_what_cannot_be_done_is_refused_with_what_is_known(program, config, request_, kind):
    (answer,) = serve(program, config, encode_request(request_))
    assert answer.failure is not None
    assert answer.failure.kind == kind, answer.failure


def test_the_init_system_is_told_what_may_start(program, config):
    argv = [sys.executable, "-I", "-S", program, "may-start", "lis-zhaohui", "--config", config]
    assert subprocess.run(argv, check=False).returncode == 0
    state.put_up_fence(config.parent / "state" / "lis-zhaohui", 5)
    assert subprocess.run(argv, check=False).returncode == 1
    wrong = subprocess.run([*argv[:5], "his", *argv[6:]], check=False, capture_output=True, text=True)
    assert wrong.returncode == 2
    assert "it has: lis-zhaohui" in wrong.stderr


def test_wrong_usage_is_told(program):
    done = subprocess.run([sys.executable, "-I", "-S", program], check=False, capture_output=True, text=True)
    assert done.returncode == 2
    assert "may-start" in done.stderr
