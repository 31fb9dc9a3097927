"""The rules of the house that no other tool checks."""

from __future__ import annotations

import ast
import re
import tomllib
from pathlib import Path

import pytest

from tests.house.source import ROOT, files, name, product, text, tree

LINES_MAX = 400
LONG_FOR_A_REASON = {
    "chaos/simulation/host.py": "every command of drctl-host, simulated, read beside one another",
    "drctl/controller/actions.py": "one plan and one judgement for every action of the catalogue, read side by side",
    "drctl/controller/driver.py": "the one place where a run, its journal and its effects meet",
    "drctl/controller/tick.py": "observe, decide and act once, told in their order",
    "tests/integration/host_fixture.py": "real servers in every state that a host can be found in",
    "tests/integration/test_host.py": "every command of drctl-host against real PostgreSQL",
    "tests/integration/test_lab.py": "every fault of the lab, seen to take effect and to heal",
    "tests/integration/test_zookeeper.py": "the coordinator against real ZooKeeper",
}

SLEEPS_FOR_A_REASON = {
    "chaos/run/actions.py": "faults have a pace, and last for a time",
    "chaos/run/play.py": "faults come at times, and a load must last for a time",
    "chaos/faults/crashpoint.py": "a zombie sleeps: that is the fault",
    "chaos/bench/outage.py": "the phase of a fault is a time, and a load must last for a time",
    "chaos/demo/story.py": "watches the cluster at a fixed pace, until a deadline",
    "chaos/lab/cli.py": "the pace of a picture that is shown live",
    "chaos/lab/waiting.py": "the lab's polling: a condition and a deadline",
    "chaos/oracles/dump.py": "polls until every member has replayed, with a deadline",
    "drctl/cli/follow.py": "the pace at which a run is followed",
    "drctl/cli/observe.py": "the pace of a picture that is shown live",
    "drctl/cli/pause.py": "polls for the effect of a request, with a deadline",
    "drctl/cli/watch.py": "the pace of a picture that is shown live",
    "drctl/cli/wish.py": "polls for the answer to a request, with a deadline",
    "drctl/host/commands.py": "polls a job for a moment, so that a quick one is answered at once",
    "drctl/postgres/knock.py": "knocks again, a few times, where a queue of dead connections is in the way",
    "drctl/host/deadline.py": "drctl-host's polling: a condition and a deadline",
}

CATCHES_ALL_FOR_A_REASON = {
    "chaos/lab/network.py": "handed to the caller's thread",
    "drctl/cli/main.py": "the last line of defence of the command line: the traceback goes into a file",
    "drctl/controller/loop.py": "a broken invariant in a worker must end the whole controller",
    "drctl/host/state.py": "whatever is wrong with the file, the member stays down",
    "drctl/zookeeper/session.py": "the client is thrown away, whatever it says",
}

# The first letter in brackets matches itself, and keeps a pattern from matching the line that it stands in.
UNFINISHED = re.compile(r"\b(?:[T]ODO|[F]IXME|[X]XX)\b")
OUTSIDE = re.compile(
    r"\b[s]hared/\w+\.md|[/]work/|[/]tmp/brief|\b(?:[c]laude|[a]nthropic|[c]hatgpt|[o]penai|[c]opilot)\b", re.IGNORECASE
)
"""What is not in the project and must not be leant on."""


def places(pattern: re.Pattern[str], paths: tuple[Path, ...]) -> list[str]:
    return [
        f"{name(path)}:{number}: {line.strip()}"
        for path in paths
        for number, line in enumerate(text(path).splitlines(), 1)
        if pattern.search(line)
    ]


def words() -> tuple[Path, ...]:
    return tuple(
        path
        for path in files()
        if path.suffix in {".py", ".md", ".yaml", ".yml", ".toml", ".cfg", ".json", ".pml", ".svg", ".sh", ""}
        and path.name != "requirements.lock"
    )


def test_files_are_short_enough_to_be_read():
    long = {name(path): len(text(path).splitlines()) for path in files(".py")}
    assert {at: lines for at, lines in long.items() if lines > LINES_MAX and at not in LONG_FOR_A_REASON} == {}


@pytest.mark.parametrize("reasons", [LONG_FOR_A_REASON, SLEEPS_FOR_A_REASON, CATCHES_ALL_FOR_A_REASON])
def test_exceptions_are_of_files_that_exist(reasons):
    assert [at for at in reasons if not (ROOT / at).is_file()] == []


def test_every_module_says_in_its_first_line_what_it_is():
    silent = [name(path) for path in product() if not (ast.get_docstring(tree(path)) or "").partition("\n")[0].strip()]
    assert silent == []


def test_nothing_sleeps_and_hopes():
    sleeping = [
        f"{name(path)}:{node.lineno}"
        for path in product()
        if name(path) not in SLEEPS_FOR_A_REASON
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "time.sleep"
    ]
    assert sleeping == [], "poll for a condition with a deadline instead"


def test_nothing_swallows_what_it_does_not_know():
    swallowing = [
        f"{name(path)}:{node.lineno}"
        for path in product()
        if name(path) not in CATCHES_ALL_FOR_A_REASON
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ExceptHandler) and catches_all(node) and not raises_again(node)
    ]
    assert swallowing == []


def catches_all(handler: ast.ExceptHandler) -> bool:
    return handler.type is None or ast.unparse(handler.type) in {"Exception", "BaseException"}


def raises_again(handler: ast.ExceptHandler) -> bool:
    return any(isinstance(node, ast.Raise) and node.exc is None for node in ast.walk(handler))


def test_what_the_types_cannot_say_names_the_error_that_it_silences():
    assert places(re.compile(r"#\s*type:\s*ignore(?!\[)"), files(".py")) == []


def test_what_the_linter_is_told_to_leave_names_its_rule():
    assert places(re.compile(r"#\s*noqa(?!:)"), files(".py")) == []


def test_nothing_is_left_for_later():
    assert places(UNFINISHED, words()) == []


def test_the_project_stands_on_its_own():
    assert places(OUTSIDE, words()) == []


def test_the_changelog_tells_of_the_version():
    version = tomllib.loads(text(ROOT / "pyproject.toml"))["project"]["version"]
    heads = re.findall(r"^## \[([^\]]+)\]", text(ROOT / "CHANGELOG.md"), re.MULTILINE)
    assert version in heads
