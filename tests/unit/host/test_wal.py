"""Positions, segments, and where a record ends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drctl.host.wal import (
    LONG_HEADER_BYTES,
    PAGE_BYTES,
    SHORT_HEADER_BYTES,
    Segment,
    format_lsn,
    parse_lsn,
    parse_segment,
    record_end,
    segment_name,
)

MB16 = 16 << 20


def test_a_position_is_two_hexadecimal_halves():
    assert parse_lsn("0/3000148") == 0x3000148
    assert format_lsn((5 << 32) | 0xAB) == "5/AB"
    with pytest.raises(ValueError, match="not a WAL position"):
        parse_lsn("3000148")


@given(st.integers(0, (1 << 32) - 1), st.integers(1, 1 << 20), st.sampled_from([1 << 20, MB16, 1 << 30]))
def test_a_segment_is_found_again_by_its_name(number, timeline, segment_bytes):
    segment = Segment(timeline, number)
    assert parse_segment(segment_name(segment, segment_bytes), segment_bytes) == segment


@pytest.mark.parametrize(
    "name", ["00000002.history", "000000010000000000000003.partial", "archive_status", "00000001000000000000000"]
)
def test_other_files_are_no_segments(name):
    assert parse_segment(name, MB16) is None


def test_a_record_inside_a_page_ends_at_the_next_multiple_of_eight():
    # Seen with PostgreSQL 15: a COMMIT of 405 bytes at 0/2773A08, and the next record at 0/2773BA0.
    assert format_lsn(record_end(parse_lsn("0/2773A08"), 405, MB16)) == "0/2773BA0"


def test_a_record_over_a_page_boundary_leaves_out_the_header_of_the_next_page():
    begin = 10 * MB16 + 2 * PAGE_BYTES - 16
    assert record_end(begin, 40, MB16) == 10 * MB16 + 2 * PAGE_BYTES + SHORT_HEADER_BYTES + 24
    begin = 10 * MB16 - 16
    assert record_end(begin, 40, MB16) == 10 * MB16 + LONG_HEADER_BYTES + 24


def test_a_record_that_fills_its_page_ends_on_the_boundary():
    begin = 10 * MB16 + 2 * PAGE_BYTES - 40
    assert record_end(begin, 40, MB16) == 10 * MB16 + 2 * PAGE_BYTES
