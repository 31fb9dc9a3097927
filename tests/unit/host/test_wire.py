"""The messages between controllers and hosts."""

from __future__ import annotations

import pytest

from drctl.host.wire import (
    LINE_BYTES_MAX,
    Answer,
    Failure,
    MalformedMessage,
    Request,
    decode_answer,
    decode_request,
    encode_answer,
    encode_request,
)


def test_a_request_survives_the_wire():
    request = Request(7, "promote", "lis-zhaohui", 12, {"count": 1, "members": ["a"]}, 5.0)
    assert decode_request(encode_request(request)) == request
    hello = Request(1, "hello", None, None, {}, 1.0)
    assert decode_request(encode_request(hello)) == hello


def test_an_answer_survives_the_wire_whatever_is_said_in_it():
    done = Answer(7, {"value": "朝晖\n"}, None, 0.016)
    line = encode_answer(done)
    assert line.count(b"\n") == 1
    assert decode_answer(line) == done
    failed = Answer(8, None, Failure("stale_epoch", "over", ""), 0.0)
    assert decode_answer(encode_answer(failed)) == failed


@pytest.mark.parametrize(
    "line",
    [
        b"",
        b"[]",
        b"x",
        b'{"id": 1}',
        b'{"id": true, "command": "hello", "deadline_s": 1}',
        b'{"id": 1, "command": "hello"}',
        b'{"id": 1, "command": "hello", "deadline_s": -1}',
        b'{"id": 1, "command": "seal", "deadline_s": 1, "member": 5}',
        b'{"id": 1, "command": "seal", "deadline_s": 1, "member": "m", "epoch": "5"}',
        b'{"id": 1, "command": "seal", "deadline_s": 1, "member": "m", "epoch": -5}',
        b'{"id": 1, "command": "seal", "deadline_s": 1, "args": []}',
        b" " * (LINE_BYTES_MAX + 1),
    ],
)
def test_what_is_no_request_is_refused(line):
    with pytest.raises(MalformedMessage):
        decode_request(line)


@pytest.mark.parametrize(
    "line",
    [b'{"id": 1}', b'{"id": 1, "ok": false}', b'{"id": 1, "ok": false, "error": {"kind": "odd"}}', b'{"ok": true}'],
)
def test_what_is_no_answer_is_refused(line):
    with pytest.raises(MalformedMessage):
        decode_answer(line)
