"""An intent is on disk before its operation is sent; what was written is read back as it was."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from chaos.workload.codec import decode, encode
from chaos.workload.generator import Birth, Generator, about
from chaos.workload.ledger import LedgerWriter, read_history, read_ledger
from chaos.workload.operation import Append, Kind, OpId, RegisterCas, RegisterRead, RegisterWrite, kind_of
from chaos.workload.record import (
    Header,
    Intent,
    Outcome,
    OutcomeClass,
    SeenLists,
    SeenOperations,
    SeenValue,
    Served,
)

HEADER = Header(client="zhaohui", run="zhaohui.1", pinned=None, seed=1, rate_per_s=37.0, wall_s=1.5, mono_ns=7)


def intent(number, kind=Kind.SET_INSERT, **what):
    return Intent(
        op=OpId(f"zhaohui.1.{number}"), kind=kind, at_ns=number, wall_s=1.0, **({"about": "", "call": None} | what)
    )


def outcome(number, **what):
    usual = {
        "outcome": OutcomeClass.ACKED,
        "sent_ns": number,
        "done_ns": number + 1,
        "wall_s": 2.0,
        "wrote": True,
        "served": None,
        "seen": None,
        "sqlstate": None,
        "text": "",
    }
    return Outcome(op=OpId(f"zhaohui.1.{number}"), **(usual | what))


texts = st.text(max_size=20)
lsns = st.integers(0, 2**64 - 1)
seen = st.one_of(
    st.none(),
    st.builds(SeenOperations, ops=st.lists(texts.map(OpId)).map(tuple)),
    st.builds(SeenValue, value=st.none() | st.integers()),
    st.builds(SeenLists, lists=st.lists(st.none() | st.lists(st.integers()).map(tuple)).map(tuple)),
)
served = st.none() | st.builds(
    Served,
    member=texts,
    address=texts,
    in_recovery=st.booleans(),
    timeline=st.none() | st.integers(1, 9),
    lsn=st.none() | lsns,
)
outcomes = st.builds(
    Outcome,
    op=texts.map(OpId),
    outcome=st.sampled_from(OutcomeClass),
    sent_ns=st.none() | st.integers(),
    done_ns=st.integers(),
    wall_s=st.just(1795518617.564084),
    wrote=st.booleans(),
    served=served,
    seen=seen,
    sqlstate=st.none() | st.just("40001"),
    text=texts,
)


@settings(deadline=None)
@given(outcomes)
def test_an_outcome_is_read_as_it_was_written(line):
    encoded = encode(line)
    assert encoded.count(b"\n") == 1
    assert decode(encoded) == line


def test_every_operation_of_the_generator_is_read_as_it_was_written():
    generator = Generator(Birth(client="zhaohui", seed=1, at=datetime(2026, 1, 5, tzinfo=UTC)))
    for number in range(500):
        operation = generator.next()
        call = operation if isinstance(operation, Append | RegisterRead | RegisterWrite | RegisterCas) else None
        line = intent(number, kind_of(operation), about=about(operation), call=call)
        assert decode(encode(line)) == line


@pytest.mark.parametrize(
    "line", [b"", b"{}", b"[]", b'{"t":"intent"}', b'{"t":"sonnet"}', b'{"t":"intent","op":7}', b"\xff"]
)
def test_what_is_no_line_of_a_ledger_says_so(line):
    with pytest.raises(ValueError, match="not a line of a ledger"):
        decode(line)


def test_an_intent_is_on_disk_when_intend_returns(tmp_path):
    async def run():
        with LedgerWriter(tmp_path / "ledger", HEADER) as ledger:
            for number in range(5):
                await ledger.intend(intent(number))
                assert encode(intent(number)) in (tmp_path / "ledger").read_bytes()
                ledger.conclude(outcome(number))

    asyncio.run(run())
    header, attempts = read_ledger(tmp_path / "ledger")
    assert header == HEADER
    assert [attempt.told for attempt in attempts] == [outcome(number) for number in range(5)]


def test_many_intents_share_a_sync(tmp_path):
    async def run():
        with LedgerWriter(tmp_path / "ledger", HEADER) as ledger:
            await asyncio.gather(*(ledger.intend(intent(number)) for number in range(500)))
            return ledger.syncs

    assert asyncio.run(run()) < 100
    assert len(read_ledger(tmp_path / "ledger")[1]) == 500


def test_a_full_disk_stops_everything_before_it_is_sent():
    async def run():
        ledger = LedgerWriter(Path("/dev/full"), HEADER)
        with pytest.raises(OSError, match="No space left"):
            await ledger.intend(intent(1))
        with pytest.raises(OSError, match="No space left"):
            await ledger.intend(intent(2))
        with pytest.raises(OSError, match="No space left"):
            ledger.close()

    asyncio.run(run())


def write(path, *lines):
    path.write_bytes(b"".join(map(encode, lines)))
    return path


def test_an_intent_without_outcome_is_unknown(tmp_path):
    _, [attempt] = read_ledger(write(tmp_path / "ledger", HEADER, intent(1)))
    assert attempt.outcome is OutcomeClass.UNKNOWN
    assert attempt.may_write
    assert not attempt.acked_write


def test_a_torn_last_line_is_ignored(tmp_path):
    path = write(tmp_path / "ledger", HEADER, intent(1))
    with path.open("ab") as file:
        file.write(encode(outcome(1))[:-10])
    _, [attempt] = read_ledger(path)
    assert attempt.told is None


def test_damage_elsewhere_is_no_ledger(tmp_path):
    path = write(tmp_path / "ledger", HEADER, intent(1), outcome(1))
    path.write_bytes(path.read_bytes().replace(b'"intent"', b'"intens"'))
    with pytest.raises(ValueError, match="not a line"):
        read_ledger(path)


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ((), "is empty"),
        ((intent(1),), "does not begin with a header"),
        ((HEADER, outcome(1)), "an outcome without an intent"),
        ((HEADER, HEADER), "second header"),
    ],
)
def test_a_ledger_that_cannot_be_is_refused(tmp_path, lines, why):
    with pytest.raises(ValueError, match=why):
        read_ledger(write(tmp_path / "ledger", *lines))


def test_a_history_is_in_the_order_of_arrival(tmp_path):
    other = Header(client="fuyang", run="fuyang.1", pinned=None, seed=1, rate_per_s=37.0, wall_s=1.5, mono_ns=7)
    history = read_history(
        [write(tmp_path / "a", HEADER, intent(1), intent(4)), write(tmp_path / "b", other, intent(3), intent(9))]
    )
    assert [attempt.intent.at_ns for attempt in history.attempts] == [1, 3, 4, 9]
    assert [attempt.client for attempt in history.attempts] == ["zhaohui", "fuyang", "zhaohui", "fuyang"]
    assert [header.client for header in history.headers] == ["zhaohui", "fuyang"]
