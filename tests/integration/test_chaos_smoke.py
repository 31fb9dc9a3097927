"""The chaos suite on real parts, in short: a scenario that passes, and one that a missing rule turns red."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest

from chaos.lab.drctl_host import CHECKOUT

pytestmark = [
    pytest.mark.lab,
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.skipif(os.geteuid() != 0, reason="network namespaces need root"),
]


def chaos_run(folder, *arguments):
    done = subprocess.run(
        [sys.executable, "-m", "chaos", "run", "--name", "smoke", "--bundle", folder, *arguments],
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        check=False,
        timeout=280,
    )
    assert (folder / "summary.json").exists(), done.stdout + done.stderr
    return done, json.loads((folder / "summary.json").read_text())["scenarios"]


def test_a_killed_postmaster_and_an_edited_setting_lose_nothing(tmp_path):
    done, rows = chaos_run(tmp_path, "postmaster-killed", "human-empties-sync-names")
    assert done.returncode == 0, done.stdout
    assert [row["result"] for row in rows] == ["pass", "pass"]
    assert all(row["acked"] > 100 and row["lost"] == 0 for row in rows)
    for row in rows:
        bundle = tmp_path / row["scenario"]
        assert list(bundle.glob("*.ledger"))
        assert {"scenario.yaml", "verdict.json", "history.json", "report.html"} <= {
            one.name for one in bundle.iterdir()
        }


def test_without_the_rpo_watch_the_scenario_of_the_edited_setting_fails(tmp_path):
    done, rows = chaos_run(tmp_path, "--without", "no-rpo-watch", "human-empties-sync-names")
    assert done.returncode == 1, done.stdout
    assert rows[0]["result"] == "fail"
    assert "put back" in rows[0]["why"]
