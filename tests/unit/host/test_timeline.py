"""The timeline of the last record, and where histories part."""

from __future__ import annotations

import pytest

from drctl.host.timeline import Era, Fork, fork_of, last_timeline, parse_history, since
from drctl.host.wal import parse_lsn

MB16 = 16 << 20
FIRST = "000000010000000000000003"
SECOND = "000000020000000000000003"
HISTORY_2 = {2: "1\t0/3000148\tno recovery target specified\n"}


def at(text):
    return parse_lsn(text)


def test_a_member_that_never_saw_a_promotion_is_on_timeline_one():
    assert last_timeline([FIRST], {}, at("0/3000100"), MB16) == 1


def test_a_member_with_wal_behind_the_switch_is_on_the_new_timeline():
    assert last_timeline([FIRST, SECOND, "00000002.history"], HISTORY_2, at("0/3000180"), MB16) == 2


def test_a_member_whose_wal_ends_at_the_switch_is_still_on_the_old_timeline():
    # The promotion copied the begin of the segment: a segment of the new timeline alone proves nothing.
    assert last_timeline([FIRST, SECOND, "00000002.history"], HISTORY_2, at("0/3000148"), MB16) == 1


def test_a_diverged_member_that_only_holds_the_history_of_the_new_timeline_does_not_claim_it():
    assert last_timeline([FIRST, "00000002.history"], HISTORY_2, at("0/3000900"), MB16) == 1


def test_segments_of_other_places_do_not_count():
    names = [FIRST, "000000020000000000000004", "000000020000000000000002"]
    assert last_timeline(names, HISTORY_2, at("0/3000900"), MB16) == 1


def test_a_timeline_without_its_history_file_is_not_believed():
    assert last_timeline([FIRST, SECOND], {}, at("0/3000900"), MB16) == 1
    assert last_timeline([FIRST, SECOND], {2: "garbage"}, at("0/3000900"), MB16) == 1


def test_the_end_of_a_segment_belongs_to_that_segment():
    assert last_timeline([FIRST], {}, at("0/4000000"), MB16) == 1
    assert last_timeline([FIRST], {}, at("0/4000008"), MB16) is None


def test_the_highest_of_several_timelines_counts():
    histories = {**HISTORY_2, 3: "1\t0/3000148\tx\n2\t0/3000300\ty\n"}
    names = [FIRST, SECOND, "000000030000000000000003"]
    assert last_timeline(names, histories, at("0/3000400"), MB16) == 3
    assert last_timeline(names, histories, at("0/3000300"), MB16) == 2


@pytest.mark.parametrize("text", ["1\n", "x\t0/3\n", "2\t0/3\n1\t0/4\n", "3\t0/3000148\n"])
def test_a_broken_history_is_an_error(text):
    with pytest.raises(ValueError, match=r".+"):
        parse_history(3, text)


def test_comments_and_empty_lines_of_a_history_are_nothing():
    assert parse_history(2, "# x\n\n1\t0/3000148\tno recovery target\n") == (
        Era(1, 0, at("0/3000148")),
        Era(2, at("0/3000148"), None),
    )


def test_an_old_primary_forks_where_the_heir_switched():
    ours, theirs = parse_history(1, ""), parse_history(2, HISTORY_2[2])
    assert fork_of(ours, theirs) == Fork(1, at("0/3000148"))
    assert fork_of(theirs, ours) == Fork(1, at("0/3000148"))


def test_members_of_one_timeline_have_no_fork():
    assert fork_of(parse_history(1, ""), parse_history(1, "")) == Fork(1, None)
    two = parse_history(2, HISTORY_2[2])
    assert fork_of(two, two) == Fork(2, None)


def test_two_promotions_of_one_parent_fork_at_the_earlier_one():
    ours = parse_history(2, "1\t0/3000148\tx\n")
    theirs = parse_history(3, "1\t0/3000100\tx\n")
    assert fork_of(ours, theirs) == Fork(1, at("0/3000100"))


def test_the_same_number_from_different_places_is_not_the_same_timeline():
    ours = parse_history(2, "1\t0/3000148\tx\n")
    theirs = parse_history(2, "1\t0/3000200\tx\n")
    assert fork_of(ours, theirs) == Fork(1, at("0/3000148"))


def test_what_lies_behind_a_fork_spans_every_later_era():
    ours = parse_history(3, "1\t0/3000148\tx\n2\t0/3000300\ty\n")
    assert since(Fork(1, at("0/3000100")), ours) == (
        Era(1, at("0/3000100"), at("0/3000148")),
        Era(2, at("0/3000148"), at("0/3000300")),
        Era(3, at("0/3000300"), None),
    )
    assert since(Fork(2, at("0/3000300")), ours) == (Era(3, at("0/3000300"), None),)
    assert since(Fork(3, None), ours) == ()
