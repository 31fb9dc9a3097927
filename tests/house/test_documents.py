"""The documents say what the code does: made pages are equal, commands exist, every alarm has its runbook."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator

import click
import pytest

from chaos.cli import main as chaos_program
from docs.generate import REFERENCE, pages
from drctl.cli.main import program
from tests.house.source import ROOT, files, name, product, text, tree

COMMAND = re.compile(r"^\$ (.*)$", re.MULTILINE)
FENCE = re.compile(r"^```(?:console|sh)\n(.*?)^```", re.MULTILINE | re.DOTALL)
PROGRAMS = {("drctl",): program, ("python", "-m", "chaos"): chaos_program}


@pytest.mark.parametrize("page", pages())
def test_a_page_that_is_made_says_what_the_code_says(page):
    assert (REFERENCE / page).read_text(encoding="utf-8") == pages()[page], "type: python -m docs.generate"


def commands() -> Iterator[tuple[str, list[str]]]:
    """Every command that a document tells people to type, and the page that does."""
    for page in files(".md"):
        for fence in FENCE.findall(text(page)):
            for line in COMMAND.findall(fence.replace("\\\n", " ")):
                yield name(page), shlex.split(line, comments=True)


def test_every_command_of_a_document_exists_with_its_options():
    wrong = []
    for page, words in commands():
        for head, command in PROGRAMS.items():
            if tuple(words[: len(head)]) == head:
                wrong += [f"{page}: {' '.join(words)}: {problem}" for problem in problems(command, words[len(head) :])]
    assert wrong == []


def problems(command: click.Command, words: list[str]) -> Iterator[str]:
    """What is wrong with a command line; nothing is run."""
    try:
        context = command.make_context(command.name, list(words))
        while isinstance(context.command, click.Group):
            rest = [*context._protected_args, *context.args]
            called, below, left = context.command.resolve_command(context, rest)
            assert below is not None, rest
            context = below.make_context(called, left, parent=context)
    except click.UsageError as error:
        yield error.format_message()
    except click.exceptions.Exit:
        return


def test_every_alarm_has_a_runbook_and_every_runbook_an_alarm():
    codes = {
        keyword.value.value
        for path in product()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Call) and ast.unparse(node.func) in {"Alarm", "Exposure"}
        for keyword in node.keywords
        if keyword.arg == "code" and isinstance(keyword.value, ast.Constant)
    }
    written = {page.stem.replace("-", "_") for page in (ROOT / "docs" / "runbooks").glob("*.md")} - {"index"}
    assert written == codes
