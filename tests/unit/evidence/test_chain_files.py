"""The audit chain on disk, and the spool before it."""

from __future__ import annotations

import pytest

from drctl.audit.entry import GENESIS
from drctl.evidence.chain_files import ChainFiles, chain_files, pieces, verdict_of
from drctl.evidence.spool import FILE, Spool
from drctl.model.errors import InvalidInput
from tests.unit.audit.nouns import chain, happened


def test_a_copy_that_was_closed_goes_on_where_it_ended(tmp_path):
    entries = chain(6)
    files = ChainFiles(tmp_path)
    files.append(entries[:4])
    files.close()
    again = ChainFiles(tmp_path)
    assert again.head == entries[3].head
    again.append(entries[4:])
    assert (verdict_of(tmp_path).sound, verdict_of(tmp_path).head) == (True, entries[-1].head)


def test_files_are_rotated_and_stay_one_chain(tmp_path):
    files = ChainFiles(tmp_path, file_bytes_max=1000)
    entries = chain(12)
    for entry in entries:
        files.append([entry])
    assert len(chain_files(tmp_path)) > 3
    assert verdict_of(tmp_path).events == 12
    assert verdict_of(tmp_path).sound
    assert [entry.sequence for entry in files.after(7)] == [8, 9, 10, 11, 12]


def test_a_line_that_a_crash_cut_is_removed_when_the_copy_is_opened(tmp_path):
    files = ChainFiles(tmp_path)
    files.append(chain(3))
    files.close()
    (file,) = chain_files(tmp_path)
    file.write_bytes(file.read_bytes() + b'{"actor":"pol')
    again = ChainFiles(tmp_path)
    assert (again.head, again.complaint) == (chain(3)[-1].head, "")
    assert verdict_of(tmp_path).sound


def test_a_file_that_was_edited_is_complained_of_when_it_is_opened(tmp_path):
    files = ChainFiles(tmp_path)
    files.append(chain(3))
    files.close()
    (file,) = chain_files(tmp_path)
    file.write_bytes(file.read_bytes().replace(b"promote", b"promise", 1))
    assert "event 1: its content does not match its digest" in ChainFiles(tmp_path).complaint


def test_two_controllers_do_not_write_to_one_directory(tmp_path):
    ChainFiles(tmp_path)
    with pytest.raises(InvalidInput, match="another controller writes to"):
        ChainFiles(tmp_path)


def test_a_copy_that_is_set_aside_is_kept_and_a_new_one_begun(tmp_path):
    files = ChainFiles(tmp_path)
    files.append(chain(3))
    folder = files.set_aside(at_utc="2026-03-01T02:00:00.000+00:00")
    assert (files.head, chain_files(tmp_path)) == (GENESIS, [])
    assert verdict_of(folder).events == 3


def test_events_that_do_not_follow_begin_a_file_and_verify_names_the_gap(tmp_path):
    files = ChainFiles(tmp_path)
    entries = chain(9)
    files.append(entries[:3])
    files.append(entries[6:])
    assert len(chain_files(tmp_path)) == 2
    assert [found.why for found in verdict_of(tmp_path).breaks] == ["events 4 to 6 are missing before it"]


def test_a_folder_without_a_chain_says_so(tmp_path):
    with pytest.raises(InvalidInput, match="there is no file of an audit chain"):
        list(pieces([tmp_path]))


def test_what_was_spooled_is_there_after_a_crash_even_behind_half_a_line(tmp_path):
    spool = Spool(tmp_path)
    spool.add([happened(1), happened(2)], after=40)
    with (tmp_path / FILE).open("ab") as stream:
        stream.write(b'\n{"id": "zha')
    Spool(tmp_path).add([happened(3)], after=45)
    left = Spool(tmp_path).left()
    assert [what.id for what in left.occurrences] == [happened(n).id for n in (1, 2, 3)]
    assert left.after == 40
    Spool(tmp_path).clear()
    assert Spool(tmp_path).left().occurrences == ()


def test_without_a_folder_a_spool_keeps_nothing():
    spool = Spool(None)
    spool.add([happened(1)], after=0)
    spool.clear()
    assert spool.left().occurrences == ()
