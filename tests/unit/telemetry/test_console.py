"""The console's files: all there, nothing else, nothing from outside, and words that are true."""

from __future__ import annotations

import re
from importlib.resources import files
from pathlib import Path

import click
import pytest
import yaml

from drctl.cli.main import program
from drctl.model.playbook import RunKind
from drctl.model.run import Outcome, StepStatus
from drctl.model.snapshot import MemberState, Protection, Role
from drctl.telemetry.console import Console, runbooks_folder

FOLDER = Path(str(files("drctl.console")))
ROOT = Path(__file__).parents[3]
ORIGINS = ["http://10.77.0.11:8008", "http://10.77.0.12:8008"]


@pytest.fixture(scope="module")
def console():
    return Console(origins=ORIGINS)


def read(name):
    return (FOLDER / name).read_text(encoding="utf-8")


def test_the_bare_address_leads_to_the_page(console):
    answer = console.answer("/")
    assert (answer.status, dict(answer.headers)["Location"]) == (302, "/console/")
    assert console.answer("/console").body == read("index.html").encode()


def test_every_file_has_its_type_its_mark_and_a_policy_that_lets_nothing_in(console):
    for path in FOLDER.iterdir():
        if path.suffix in {".html", ".css", ".js", ".svg"}:
            answer = console.answer(f"/console/{path.name}")
            assert answer.status == 200
            assert answer.etag
            headers = dict(answer.headers)
            assert "default-src 'none'; script-src 'self'" in headers["Content-Security-Policy"]
            assert f"connect-src 'self' {' '.join(ORIGINS)};" in headers["Content-Security-Policy"]
            assert headers["X-Content-Type-Options"] == "nosniff"
    assert console.answer("/console/app.js").content_type.startswith("text/javascript")


@pytest.mark.parametrize(
    "path",
    [
        "/console/../answers.py",
        "/console/%2e%2e/answers.py",
        "/console/..%2fanswers.py",
        "/console//etc/passwd",
        "/console/__init__.py",
        "/console/runbooks/../../reference/cli.md",
        "/console/runbooks",
        "/consoles",
    ],
)
def test_nothing_but_the_files_is_there(console, path):
    assert console.answer(path) is None


def test_every_runbook_is_served(console):
    names = [path.name for path in runbooks_folder().glob("*.md")]
    assert "guard.md" in names
    for name in names:
        assert console.answer(f"/console/runbooks/{name}").content_type.startswith("text/markdown")


def test_nothing_is_fetched_from_elsewhere_and_nothing_is_made_from_html():
    for path in FOLDER.iterdir():
        if path.suffix not in {".html", ".css", ".js", ".svg"}:
            continue
        words = path.read_text(encoding="utf-8").replace("http://www.w3.org/2000/svg", "")
        assert re.findall(r"https?://[\w.]", words) == [], path.name
        assert "innerHTML" not in words, path.name
        assert re.findall(r"\son\w+=|<script>|<style|style=\"", words) == [], path.name


def test_what_the_modules_import_is_there():
    for path in FOLDER.glob("*.js"):
        for name in re.findall(r'from "\./([\w.]+)"', read(path.name)):
            assert (FOLDER / name).is_file(), f"{path.name} imports {name}"


def test_every_command_that_the_page_shows_exists():
    templates = re.findall(r'"drctl ([^"]+)"', read("commands.js"))
    assert len(templates) > 10
    for template in templates:
        words = re.sub(r"\{(\w+)\}", r"\1", template).split()
        context = program.make_context("drctl", words)
        while isinstance(context.command, click.Group):
            name, below, left = context.command.resolve_command(context, [*context._protected_args, *context.args])
            assert below is not None, template
            context = below.make_context(name, left, parent=context)


@pytest.mark.parametrize("kind", [Role, MemberState, RunKind, Outcome, StepStatus])
def test_every_word_of_the_controllers_has_a_chinese_one(kind):
    chinese = read("words.js").partition("  zh: {")[2]
    missing = [word.value for word in kind if not re.search(rf'(?<!\w)"?{re.escape(word.value)}"?: "', chinese)]
    assert missing == []


def test_every_protection_has_a_headline_in_both_languages():
    heads = re.findall(r"heads: \{(.*?)\}", read("words.js"), re.DOTALL)
    assert len(heads) == 2
    for words in heads:
        assert set(re.findall(r'"?(\w[a-z ]+)"?: "', words)) == {protection.value for protection in Protection}


def test_both_languages_have_the_same_words():
    english, _, chinese = read("words.js").partition("  zh: {")
    names = [set(re.findall(r"(?:^|[,{]) *(\w+): (?:\"|\()", part, re.MULTILINE)) for part in (english, chinese)]
    assert names[0] - names[1] == set()


def test_every_step_of_a_shipped_playbook_and_every_alarm_has_chinese_words():
    words = read("words_zh.js")
    for path in (ROOT / "playbooks").glob("*.yaml"):
        document = yaml.safe_load(path.read_text(encoding="utf-8"))
        for step in document["steps"]:
            if "name" in step:
                assert f'"{step["name"]}": "' in words, f"{path.name}: {step['name']}"
    for page in runbooks_folder().glob("*.md"):
        code = page.stem.replace("-", "_")
        assert code == "index" or f"  {code}: " in words


def _luminance(colour):
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.03928 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def _contrast(one, other):
    lighter, darker = sorted((_luminance(one), _luminance(other)), reverse=True)
    return (lighter + 0.05) / (darker + 0.05)


def test_every_colour_of_text_can_be_read_on_every_ground():
    """WCAG 2.2, 1.4.3: 4.5 to 1."""
    style = read("style.css")
    named = dict(re.findall(r"--(\w+): (#[0-9a-f]{6});", style))
    grounds = [named["ground"], named["board"], named["raised"], "#16273b", "#213040"]
    grounds += re.findall(r"--tint: (#[0-9a-f]{6});", style)
    for text in ("text", "soft", "good", "warn", "bad", "quiet", "primary"):
        for ground in grounds:
            assert _contrast(named[text], ground) >= 4.5, f"{text} on {ground}"
