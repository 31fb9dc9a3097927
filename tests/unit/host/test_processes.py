"""Processes, out of /proc."""

from __future__ import annotations

import signal
import subprocess
import time

import pytest

from drctl.host import processes
from drctl.host.deadline import Deadline
from drctl.host.programs import run


@pytest.fixture
def sleeper():
    child = subprocess.Popen(["sleep", "60"])
    yield child
    child.kill()
    child.wait()


def wait_for(condition):
    end_s = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < end_s


def test_a_process_is_named_by_pid_and_start(sleeper):
    process = processes.look(sleeper.pid)
    assert process is not None
    assert processes.same(process)
    assert not processes.same(process._replace(started_ticks=process.started_ticks - 1))
    sleeper.kill()
    # A zombie holds nothing any more: it counts as gone, although its pid is taken.
    wait_for(lambda: processes.look(sleeper.pid) is None)


def test_a_shell_in_a_data_folder_is_no_server(tmp_path):
    with subprocess.Popen(["sleep", "60"], cwd=tmp_path) as child:
        assert processes.members_of(tmp_path) == ()
        child.kill()


def test_a_pid_file_of_somebody_else_is_no_postmaster(tmp_path, sleeper):
    (tmp_path / "postmaster.pid").write_text(f"{sleeper.pid}\n{tmp_path}\n")
    assert processes.postmaster_of(tmp_path) is None
    (tmp_path / "postmaster.pid").write_text("")
    assert processes.postmaster_of(tmp_path) is None


def test_a_process_that_did_not_run_in_between_was_asleep(sleeper):
    wait_for(lambda: processes.slept_through(sleeper.pid, lambda: True))
    assert not processes.slept_through(sleeper.pid, lambda: False)

    def disturbed():
        # Stopping and continuing makes it run for an instant, between the two looks.
        sleeper.send_signal(signal.SIGSTOP)
        sleeper.send_signal(signal.SIGCONT)
        before = processes.look(sleeper.pid)
        wait_for(lambda: (now := processes.look(sleeper.pid)) is not None and before is not None and now.state == "S")
        return True

    assert not processes.slept_through(sleeper.pid, disturbed)


def test_a_program_is_killed_at_its_deadline_with_its_children():
    began_s = time.monotonic()
    finished = run(["sh", "-c", "echo begun; sleep 60; echo ended"], Deadline(0.3))
    assert finished.code is None
    assert finished.output == "begun\n"
    assert time.monotonic() - began_s < 5


def test_a_program_that_is_not_there_is_told_apart():
    finished = run(["/nowhere/pg_ctl"], Deadline(1.0))
    assert finished.code == 127
    assert "/nowhere/pg_ctl" in finished.complaint
