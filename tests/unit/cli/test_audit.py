"""The audit chain from the command line, over files alone."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from drctl.audit.entry import link
from drctl.cli.main import program
from drctl.evidence.chain_files import ChainFiles, chain_files
from tests.unit.audit.nouns import chain, happened


def drctl(*words: str) -> Result:
    return CliRunner().invoke(program, ["audit", *words])


@pytest.fixture
def folder(tmp_path) -> Path:
    files = ChainFiles(tmp_path / "audit", file_bytes_max=2000)
    entries = chain(11)
    entries.append(
        link(entries[-1].head, happened(12, event="request_answered", actor="mei", reason="maintenance", run=None))
    )
    for entry in entries:
        files.append([entry])
    files.close()
    return tmp_path / "audit"


def test_events_are_listed_the_newest_first(folder):
    lines = drctl("list", "--from", str(folder), "-n", "3").output.splitlines()
    assert [line.split()[0] for line in lines[1:] if line.strip()[:1].isdigit()] == ["12", "11", "10"]
    assert "maintenance step=promote" in " ".join(lines[1].split()) or "maintenance" in lines[1] + lines[2]


def test_events_of_one_person_are_found(folder):
    told = json.loads(drctl("list", "--from", str(folder), "--actor", "mei", "-f", "json").output)
    assert [(each["sequence"], each["reason"]) for each in told] == [(12, "maintenance")]
    rows = drctl("list", "--from", str(folder), "--event", "request_answered", "-f", "tsv").output.splitlines()
    assert len(rows) == 2
    assert "no such event" in drctl("list", "--from", str(folder), "--group", "other").output


def test_an_event_is_shown_with_all_its_facts(folder):
    output = drctl("show", "12", "--from", str(folder)).output
    assert "mei" in output
    assert "  elapsed_s" in output
    missing = drctl("show", "99", "--from", str(folder))
    assert (missing.exit_code, "there are 1 to 12" in missing.output) == (2, True)


def test_a_sound_chain_verifies_offline(folder):
    result = drctl("verify", str(folder))
    assert (result.exit_code, "12 events" in result.output, "every link holds" in result.output) == (0, True, True)


def test_a_flipped_byte_is_named_and_the_exit_code_says_so(folder):
    file = chain_files(folder)[1]
    data = file.read_bytes()
    at = data.index(b"promote")
    file.write_bytes(data[:at] + b"q" + data[at + 1 :])
    result = drctl("verify", str(folder))
    assert result.exit_code == 1
    assert f"{file}: bytes 0 to " in result.output
    assert "its content does not match its digest" in result.output
    told = json.loads(drctl("verify", str(folder), "-f", "json").output)
    assert (told["sound"], told["breaks"][0]["piece"]) == (False, str(file))


def test_a_head_that_a_report_names_is_held_against_the_chain(folder):
    head = json.loads(drctl("verify", str(folder), "-f", "json").output)["head"]
    good = drctl("verify", str(folder), "--expect", f"{head['sequence']}:{head['digest']}")
    assert (good.exit_code, "confirmed by --expect" in good.output) == (0, True)
    assert drctl("verify", str(folder), "--expect", f"13:{'a' * 64}").exit_code == 1
    assert drctl("verify", str(folder), "--expect", "13:short").exit_code == 2


def test_an_export_is_one_file_that_verifies_on_its_own(folder, tmp_path):
    out = tmp_path / "chain.jsonl"
    assert drctl("export", "--from", str(folder), "-o", str(out)).exit_code == 0
    assert drctl("verify", str(out)).exit_code == 0
    assert drctl("export", "--from", str(folder), "-o", str(out)).exit_code == 1
    assert drctl("export", "--from", str(folder)).stdout_bytes == out.read_bytes()
    assert len(json.loads(drctl("export", "--from", str(folder), "-f", "json").output)) == 12
