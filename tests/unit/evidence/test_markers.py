"""The ledger of acknowledged markers survives its process, is bounded, and is waited for by nobody."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from drctl.evidence import markers
from drctl.evidence.markers import FILE, MarkerLedger
from drctl.model.identity import Epoch, GroupName, MemberName
from drctl.model.marker import AckedMarker, contradiction
from drctl.model.position import Lsn, Position, Timeline

LIS, OTHER = GroupName("lis"), GroupName("检验")
A, B = MemberName("lis-zhaohui"), MemberName("lis-yuecheng")


def acked(sequence: int, member: MemberName = A, timeline: int = 1) -> AckedMarker:
    return AckedMarker(
        member=member,
        epoch=Epoch(3),
        sequence=sequence,
        position=Position(timeline=Timeline(timeline), lsn=Lsn(0x3000000 + sequence)),
        at_utc="2026-01-02T03:04:05.000+00:00",
    )


def closed(ledger: MarkerLedger) -> None:
    ledger.close(deadline_s=5.0)


def test_the_newest_of_every_member_is_known_and_survives_the_process(tmp_path: Path):
    folder = tmp_path / "made" / "by it"
    first = MarkerLedger(folder)
    assert first.newest(LIS, A) is None
    for marker in (acked(1), acked(2), acked(1, B)):
        first.keep(LIS, marker)
    first.keep(OTHER, acked(7))
    closed(first)
    again = MarkerLedger(folder)
    for ledger in (first, again):
        assert (ledger.newest(LIS, A), ledger.newest(LIS, B), ledger.newest(OTHER, A)) == (
            acked(2),
            acked(1, B),
            acked(7),
        )
    closed(again)


def test_without_a_folder_it_remembers_all_the_same():
    ledger = MarkerLedger(None)
    ledger.keep(LIS, acked(1))
    assert ledger.newest(LIS, A) == acked(1)
    closed(ledger)


def test_a_line_that_was_cut_short_and_one_that_is_nonsense_are_skipped(tmp_path: Path):
    ledger = MarkerLedger(tmp_path)
    ledger.keep(LIS, acked(5))
    closed(ledger)
    with (tmp_path / FILE).open("ab") as stream:
        stream.write(b'{"group": "lis"}\n[1]\n\xff\n{"group": "lis", "member": "lis-zha')
    again = MarkerLedger(tmp_path)
    assert again.newest(LIS, A) == acked(5)
    closed(again)


def test_its_files_are_bounded_and_the_newest_is_never_dropped(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(markers, "FILE_BYTES_MAX", 1000)
    monkeypatch.setattr(markers, "WAITING_MAX", 1000)
    ledger = MarkerLedger(tmp_path)
    for sequence in range(100):
        ledger.keep(LIS, acked(sequence))
    closed(ledger)
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert all(file.stat().st_size < 1300 for file in files)
    again = MarkerLedger(tmp_path)
    assert again.newest(LIS, A) == acked(99)
    closed(again)


def test_a_disk_that_takes_nothing_is_not_waited_for(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(markers, "_append", full)
    monkeypatch.setattr(markers, "WAITING_MAX", 4)
    ledger = MarkerLedger(tmp_path)
    for sequence in range(50):
        ledger.keep(LIS, acked(sequence))
    assert ledger.newest(LIS, A) == acked(49)


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        MarkerLedger(tmp_path / "file" / "folder")


@pytest.mark.parametrize(
    ("fork", "lost"),
    [
        (None, False),
        (Position(timeline=Timeline(1), lsn=acked(5).position.lsn), False),
        (Position(timeline=Timeline(1), lsn=Lsn(acked(5).position.lsn + 1)), False),
        (Position(timeline=Timeline(1), lsn=Lsn(acked(5).position.lsn - 1)), True),
        (Position(timeline=Timeline(2), lsn=Lsn(1)), False),
    ],
)
def test_a_marker_behind_the_fork_proves_a_loss(fork: Position | None, lost: bool):
    assert bool(contradiction(acked(5), fork)) is lost
    assert not contradiction(None, fork)


def test_a_marker_on_a_timeline_that_the_primary_never_had_proves_a_loss():
    fork = Position(timeline=Timeline(1), lsn=Lsn(0x9000000))
    assert "acknowledged commits are lost" in contradiction(
        replace(acked(5), position=acked(5, timeline=2).position), fork
    )
