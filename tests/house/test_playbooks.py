"""The playbooks that come with drctl are what runs: each of them loads."""

from __future__ import annotations

import pytest

from drctl.config.playbooks import load_playbooks
from tests.house.source import ROOT

FOLDER = ROOT / "playbooks"


@pytest.mark.parametrize("file", sorted(FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_a_playbook_that_is_shipped_loads(file, tmp_path):
    (tmp_path / file.name).write_bytes(file.read_bytes())
    (playbook,) = load_playbooks(tmp_path).values()
    assert playbook.name == file.stem
