"""Crash points: how they are written, which effects fit, and that one strikes once."""

from __future__ import annotations

import pytest

from chaos.faults.crashpoint import CrashFile, CrashPoint, Deed, Strike
from chaos.run.matrix import _numbered
from drctl.controller.effect import ChangeRecord, MarkerCall


def a_change(step):
    return ChangeRecord(record=None, run=None, step=step, deadline_s=1.0)


def a_strike(pid=1):
    return Strike(center="zhaohui", pid=pid, point="before:promote", run="r", mono_ns=1)


@pytest.mark.parametrize(
    "text",
    [
        "before:promote",
        "after:seal",
        "failover/zombie:record.change@commit",
        "switchover/hold:journal.save#3",
        "stall:set_sync:8s",
    ],
)
def test_a_point_reads_as_it_is_written(text):
    assert str(CrashPoint.parse(text)) == text


def test_what_is_no_point_says_how_one_is_written():
    with pytest.raises(ValueError, match="DEED:EFFECT"):
        CrashPoint.parse("promote")


def test_a_point_fits_its_effect_step_and_kind_of_run_alone():
    point = CrashPoint.parse("failover/before:record.change@commit")
    assert point.fits(a_change("commit"), "failover")
    assert not point.fits(a_change("record"), "failover")
    assert not point.fits(a_change("commit"), "switchover")
    marker = MarkerCall(
        group="lis", run="r", step="marker", attempt=1, epoch=1, member=None, sequence=1, deadline_s=1.0
    )
    assert not point.fits(marker, "failover")


def test_of_several_controllers_the_first_takes_the_point_and_the_others_find_nothing(tmp_path):
    file, point = CrashFile(tmp_path), CrashPoint(deed=Deed.BEFORE, effect="promote")
    file.arm(point)
    assert file.strike() is None
    assert file.claim(point, a_strike(pid=1))
    assert not file.claim(point, a_strike(pid=2))
    assert file.strike() == a_strike(pid=1)


def test_a_point_that_was_replaced_meanwhile_is_not_taken(tmp_path):
    file = CrashFile(tmp_path)
    file.arm(CrashPoint(deed=Deed.BEFORE, effect="seal"))
    assert not file.claim(CrashPoint(deed=Deed.BEFORE, effect="promote"), a_strike())
    assert file.armed.read_text() == "before:seal"


def test_disarming_releases_what_is_held(tmp_path):
    file, point = CrashFile(tmp_path), CrashPoint(deed=Deed.HOLD, effect="promote")
    file.arm(point)
    file.claim(point, a_strike())
    file.disarm()
    assert file.strike() is None


def test_the_matrix_counts_calls_to_several_members_once_and_every_save_of_the_journal():
    names = ["record.begin", "journal.save", "seal", "seal", "record.change@record", "journal.save", "promote"]
    assert _numbered(names) == [
        "record.begin",
        "journal.save",
        "seal",
        "record.change@record",
        "journal.save#2",
        "promote",
    ]
