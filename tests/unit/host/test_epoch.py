"""The epoch file: written before the effect, never going back, whoever writes at the same time."""

from __future__ import annotations

import json
import subprocess
import sys
import threading

import pytest

from drctl.host import epoch as epochs
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused, StaleEpoch
from drctl.host.files import locked

CLIMB = """
import sys
from pathlib import Path
from drctl.host import epoch
from drctl.host.deadline import Deadline
from drctl.host.faults import StaleEpoch
sys.stdin.readline()
for number in range(int(sys.argv[2]), 200, 2):
    try:
        epoch.admit(Path(sys.argv[1]), number, Deadline(30.0))
        print(number, flush=True)
    except StaleEpoch:
        print(-number, flush=True)
"""


def test_a_lower_epoch_is_refused_and_the_same_is_not(tmp_path):
    epochs.admit(tmp_path, 5, Deadline(1.0))
    epochs.admit(tmp_path, 5, Deadline(1.0))
    with pytest.raises(StaleEpoch, match="has seen 5"):
        epochs.admit(tmp_path, 4, Deadline(1.0))
    assert epochs.highest(tmp_path) == 5


def test_a_member_that_never_saw_an_epoch_is_at_zero(tmp_path):
    assert epochs.highest(tmp_path / "nowhere") == 0


def test_a_command_learns_that_it_was_overtaken(tmp_path):
    epochs.admit(tmp_path, 5, Deadline(1.0))
    epochs.still(tmp_path, 5)
    epochs.admit(tmp_path, 6, Deadline(1.0))
    with pytest.raises(StaleEpoch):
        epochs.still(tmp_path, 5)


@pytest.mark.parametrize("content", ["", "[]", '{"epoch": "6"}', '{"epoch": -1}', '{"epoch": true}', "{"])
def test_a_damaged_file_is_an_error_and_never_zero(tmp_path, content):
    (tmp_path / "epoch.json").write_text(content)
    with pytest.raises(Refused, match=r"epoch\.json"):
        epochs.admit(tmp_path, 5, Deadline(1.0))


def test_the_epoch_waits_for_no_command_that_runs(tmp_path):
    with locked(tmp_path / "effect.lock", Deadline(1.0), "the member"):
        epochs.admit(tmp_path, 7, Deadline(0.5))
    assert epochs.highest(tmp_path) == 7


def test_a_lock_that_is_not_to_be_had_is_refused_at_the_deadline(tmp_path):
    with (
        locked(tmp_path / "epoch.lock", Deadline(1.0), "the epoch file"),
        pytest.raises(Refused, match="another command holds"),
    ):
        epochs.admit(tmp_path, 7, Deadline(0.05))


def test_two_processes_together_never_let_the_epoch_go_back(tmp_path):
    children = [
        subprocess.Popen(
            [sys.executable, "-c", CLIMB, str(tmp_path), str(first)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for first in (1, 2)
    ]
    seen: list[int] = []
    stop = threading.Event()

    def look():
        while not stop.is_set():
            seen.append(epochs.highest(tmp_path))

    watcher = threading.Thread(target=look)
    watcher.start()
    said = [child.communicate("go\n", timeout=60)[0].split() for child in children]
    stop.set()
    watcher.join()
    admitted = [int(number) for lines in said for number in lines if int(number) > 0]
    assert 199 in admitted
    assert json.loads((tmp_path / "epoch.json").read_text()) == {"epoch": 199}
    assert seen == sorted(seen)
    assert all(child.returncode == 0 for child in children)
