"""What PostgreSQL's programs print, understood."""

from __future__ import annotations

import pytest

from drctl.host.control import parse_control
from drctl.host.faults import Refused
from drctl.host.inspection import parse_version
from drctl.host.walend import Record, end_of, parse_record

CONTROL = """\
pg_control version number:            1300
Database system identifier:           7711693603436115387
Database cluster state:               in archive recovery
Latest checkpoint location:           0/5000028
Latest checkpoint's REDO location:    0/5000028
Latest checkpoint's TimeLineID:       3
Minimum recovery ending location:     0/50000A0
Bytes per WAL segment:                16777216
"""
COMMIT = (
    "rmgr: Transaction len (rec/tot):    405/   405, tx:        724, lsn: 0/02773A08, prev 0/027739C8, "
    "desc: COMMIT 2026-11-24 11:09:46.172738 UTC; inval msgs: catcache 80"
)
SWITCH = (
    "rmgr: XLOG        len (rec/tot):     24/    24, tx:          0, lsn: 0/03000148, prev 0/03000110, desc: SWITCH "
)


def test_the_control_file_is_read():
    control = parse_control(CONTROL)
    assert (control.state, control.timeline, control.checkpoint_lsn) == ("in archive recovery", 3, 0x5000028)
    assert control.segment_bytes == 16 << 20


def test_a_control_file_in_another_language_is_an_error():
    with pytest.raises(Refused, match="something unexpected"):
        parse_control("Zustand: in Ordnung\n")


def test_a_record_is_read_with_its_length():
    assert parse_record(COMMIT) == Record("Transaction", 405, 0x2773A08, "COMMIT")
    assert parse_record("pg_waldump: error: x") is None


def test_a_switch_ends_with_its_segment():
    switch = parse_record(SWITCH)
    assert switch is not None
    assert end_of(switch, 16 << 20) == 0x4000000


@pytest.mark.parametrize(
    ("text", "number"),
    [("postgres (PostgreSQL) 18.6", 180006), ("postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)", 150018),
     ("postgres (PostgreSQL) 19devel", 190000), ("KingbaseES", None)],
)  # fmt: skip
def test_a_version_is_a_number(text, number):
    assert parse_version(text) == number
