"""One event of the chain as canonical JSON."""

from __future__ import annotations

import hashlib
import json

import pytest
import rfc8785

from drctl.audit.entry import FORMAT, GENESIS, digest_of, from_json, link, parse, to_json
from drctl.model.errors import InvalidInput
from tests.unit.audit.nouns import chain, happened


def test_a_line_is_one_canonical_object_with_the_digest_of_all_the_rest():
    line = link(GENESIS, happened(1)).line
    told = json.loads(line)
    assert rfc8785.dumps(told) == line
    digest = told.pop("digest")
    assert hashlib.sha256(rfc8785.dumps(told)).hexdigest() == digest
    assert told["format"] == FORMAT


def test_each_event_holds_the_digest_of_the_one_before():
    first, second = chain(2)
    assert (first.sequence, first.previous) == (1, GENESIS.digest)
    assert (second.sequence, second.previous) == (2, first.digest)


def test_a_line_is_read_as_it_was_written():
    entry = link(GENESIS, happened(1))
    assert parse(entry.line) == entry


def test_an_event_waits_in_a_spool_as_json_and_comes_back():
    assert from_json(json.loads(json.dumps(to_json(happened(1))))) == happened(1)


def test_a_key_called_digest_in_the_facts_is_not_taken_for_the_events_own():
    entry = link(GENESIS, happened(1, reason='"digest":"' + "a" * 64 + '",', facts={"digest": "b" * 64, "x": "y"}))
    stated, real = digest_of(entry.line)
    assert stated == real


def test_what_is_too_long_or_no_number_of_json_is_told_all_the_same():
    facts = {"words": "x" * 5000, "large": 2**60, "infinite": float("inf"), "list": [str(n) for n in range(80)]}
    told = parse(link(GENESIS, happened(1, facts=facts)).line).what.facts
    assert str(told["words"]).endswith("... (5000 characters)")
    assert (told["large"], told["infinite"]) == (str(2**60), "inf")
    assert told["list"][-1] == "... (80 in all)"


@pytest.mark.parametrize("line", [b"", b"{}", b"[1]", b'{"sequence": 1}', b"\xff"])
def test_what_is_no_event_says_so(line):
    with pytest.raises(InvalidInput, match="it is no event"):
        parse(line)
