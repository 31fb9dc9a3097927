"""What controllers and hosts say to each other: one JSON object a line. All that `drctl.ssh` may import from here."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import NamedTuple

PROTOCOL = 1
LINE_BYTES_MAX = 1 << 20
"""A longer line is no message of ours."""

ERROR_KINDS = ("stale_epoch", "refused", "unknown", "invalid")
"""`unknown`: the effect may have happened. The others: it certainly did not."""

READ_ONLY = frozenset({"hello", "inspect"})
"""Commands that change nothing and carry no epoch."""


class MalformedMessage(Exception):
    """A line that is no message of this protocol."""


class Request(NamedTuple):
    """One thing to do, or to look at."""

    id: int
    command: str
    member: str | None
    """None only for `hello`, which asks the host itself."""
    epoch: int | None
    """None for commands that change nothing."""
    args: Mapping[str, object]
    deadline_s: float


class Failure(NamedTuple):
    """Why a request was not answered with evidence."""

    kind: str
    """One of `ERROR_KINDS`."""
    message: str
    remedy: str


class Answer(NamedTuple):
    """The answer to the request of the same id: evidence or failure, never both."""

    id: int
    evidence: Mapping[str, object] | None
    failure: Failure | None
    elapsed_s: float


def encode_request(request: Request) -> bytes:
    """One line."""
    return _line(request._asdict())


def encode_answer(answer: Answer) -> bytes:
    """One line."""
    body: dict[str, object] = {"id": answer.id, "ok": answer.failure is None, "elapsed_s": round(answer.elapsed_s, 6)}
    if answer.failure is None:
        body["evidence"] = answer.evidence or {}
    else:
        body["error"] = answer.failure._asdict()
    return _line(body)


def decode_request(line: bytes) -> Request:
    """Raises MalformedMessage when the line is no request."""
    body = _object(line)
    deadline_s = body.get("deadline_s")
    member, epoch, args = body.get("member"), body.get("epoch"), body.get("args", {})
    if not isinstance(body.get("command"), str) or not isinstance(args, dict):
        raise MalformedMessage("a request needs a `command` and an object `args`")
    if not isinstance(deadline_s, (int, float)) or not 0 < deadline_s <= 3600:
        raise MalformedMessage("a request needs `deadline_s`, between 0 and 3600")
    if not (member is None or isinstance(member, str)):
        raise MalformedMessage("`member` is a name or null")
    return Request(
        _count(body, "id"),
        str(body["command"]),
        member,
        None if epoch is None else _count(body, "epoch"),
        args,
        float(deadline_s),
    )


def decode_answer(line: bytes) -> Answer:
    """Raises MalformedMessage when the line is no answer."""
    body = _object(line)
    elapsed_s = body.get("elapsed_s", 0.0)
    if not isinstance(elapsed_s, (int, float)):
        raise MalformedMessage("`elapsed_s` must be a number")
    if body.get("ok") is True:
        evidence = body.get("evidence", {})
        if not isinstance(evidence, dict):
            raise MalformedMessage("`evidence` must be an object")
        return Answer(_count(body, "id"), evidence, None, float(elapsed_s))
    error = body.get("error")
    if not isinstance(error, dict) or error.get("kind") not in ERROR_KINDS:
        raise MalformedMessage("an answer has `ok: true` or an `error` of a known kind")
    failure = Failure(str(error["kind"]), str(error.get("message", "")), str(error.get("remedy", "")))
    return Answer(_count(body, "id"), None, failure, float(elapsed_s))


def _line(body: Mapping[str, object]) -> bytes:
    return json.dumps(body, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def _object(line: bytes) -> dict[str, object]:
    if len(line) > LINE_BYTES_MAX:
        raise MalformedMessage(f"a line of {len(line)} bytes (at most {LINE_BYTES_MAX})")
    try:
        body = json.loads(line)
    except ValueError as error:
        raise MalformedMessage(f"not JSON: {line[:80]!r}") from error
    if not isinstance(body, dict):
        raise MalformedMessage(f"not an object: {line[:80]!r}")
    return body


def _count(body: Mapping[str, object], key: str) -> int:
    value = body.get(key)
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise MalformedMessage(f"a message needs `{key}`, a number")
    return value
