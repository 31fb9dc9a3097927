"""Whatever is done to a chain is found, and named with its bytes."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from drctl.audit.entry import GENESIS, Head, link
from drctl.audit.verify import Piece, verify, witnesses_of
from tests.unit.audit.nouns import chain, happened, piece

CHAIN = chain(12)
DATA = piece(CHAIN).data
STARTS = [sum(len(entry.line) + 1 for entry in CHAIN[:at]) for at in range(len(CHAIN) + 1)]


def event_at(byte: int) -> int:
    """The number of the event whose line, with its end, holds a byte."""
    return next(at for at in range(1, len(STARTS)) if byte < STARTS[at])


def test_a_whole_chain_is_sound_and_its_head_known():
    verdict = verify([piece(CHAIN)])
    assert (verdict.sound, verdict.events, verdict.first, verdict.head) == (True, 12, GENESIS, CHAIN[-1].head)


def test_pieces_are_one_chain():
    assert verify([piece(CHAIN[:5], "a"), piece(CHAIN[5:], "b")]).sound


def test_a_copy_may_begin_later_than_the_chain_and_says_where():
    assert verify([piece(CHAIN[4:])]).first == CHAIN[3].head


@settings(max_examples=400, deadline=None)
@given(byte=st.integers(0, len(DATA) - 1), flip=st.integers(1, 255))
def test_one_changed_byte_anywhere_is_found_and_named(byte, flip):
    changed = bytearray(DATA)
    changed[byte] ^= flip
    verdict = verify([Piece(name="chain.jsonl", data=bytes(changed))])
    first = verdict.breaks[0]
    assert first.piece == "chain.jsonl"
    assert first.start_byte <= byte < first.end_byte
    assert first.start_byte == STARTS[event_at(byte) - 1]


@settings(max_examples=100, deadline=None)
@given(cut=st.integers(1, len(DATA) - 1))
def test_a_cut_end_is_found_by_who_remembers_the_head(cut):
    verdict = verify([Piece(name="f", data=DATA[:cut])], witnesses=witnesses_of({"yuecheng": CHAIN[-1].head}))
    assert any("yuecheng remembers 12: its end was cut" in found.why for found in verdict.breaks)


def test_an_event_that_was_removed_repeated_or_moved_is_named():
    removed = verify([piece([*CHAIN[:4], *CHAIN[5:]])])
    assert [found.why for found in removed.breaks] == ["events 5 to 5 are missing before it"]
    assert removed.breaks[0].sequence == 6
    repeated = verify([piece([*CHAIN[:4], CHAIN[3], *CHAIN[4:]])])
    assert "repeated or moved" in repeated.breaks[0].why


def test_an_event_that_was_written_anew_with_a_right_digest_breaks_the_link_after_it():
    forged = link(CHAIN[3].head, happened(5, reason="nothing happened"))
    verdict = verify([piece([*CHAIN[:4], forged, *CHAIN[5:]])])
    assert [(found.sequence, "one was replaced" in found.why) for found in verdict.breaks] == [(6, True)]


def test_who_rewrites_everything_after_an_event_is_found_by_who_remembers_the_head():
    forged = [*CHAIN[:4], *chain(8, after=CHAIN[3].head, center="fuyang")]
    assert verify([piece(forged)]).sound
    verdict = verify([piece(forged)], witnesses=witnesses_of({"a report": CHAIN[9].head, "fuyang": CHAIN[2].head}))
    assert [found.why for found in verdict.breaks] == ["a report remembers another event with this number"]
    assert verdict.confirmed_by == ("fuyang",)


def test_a_line_without_an_end_was_cut():
    assert "was cut" in verify([Piece(name="f", data=DATA[:-1])]).breaks[-1].why


def test_a_piece_that_must_follow_a_head_does_or_is_named():
    assert verify([piece(CHAIN[4:])], after=CHAIN[3].head).sound
    assert not verify([piece(CHAIN[4:])], after=Head(sequence=4, digest="f" * 64)).sound


def test_a_hundred_thousand_events_take_less_than_five_seconds():
    entries = chain(2000)
    # The same lines again and again are as much work; that they do not follow one another is named and costs a little more.
    data = piece(entries).data * 50
    began_s = time.perf_counter()
    verdict = verify([Piece(name="f", data=data)])
    assert verdict.events == 100_000
    assert time.perf_counter() - began_s < 5.0
