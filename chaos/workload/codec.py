"""A ledger's lines: one JSON object each, and back."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, TypeAlias, assert_never

from chaos.workload.operation import (
    Append,
    AppendStep,
    Kind,
    OpId,
    RegisterCall,
    RegisterCas,
    RegisterRead,
    RegisterWrite,
)
from chaos.workload.record import (
    Header,
    Intent,
    Outcome,
    OutcomeClass,
    Seen,
    SeenLists,
    SeenOperations,
    SeenValue,
    Served,
)
from drctl.model.identity import MemberName
from drctl.model.position import Timeline, format_lsn, parse_lsn

if TYPE_CHECKING:
    from collections.abc import Callable

LEDGER_VERSION = 1
"""Of the format of a ledger file."""

Json: TypeAlias = "dict[str, Json] | list[Json] | str | int | float | bool | None"
Line = Header | Intent | Outcome


def encode(line: Line) -> bytes:
    """One line, with its newline."""
    match line:
        case Header():
            fields = _header_fields(line)
        case Intent():
            fields = _intent_fields(line)
        case Outcome():
            fields = _outcome_fields(line)
        case _:
            assert_never(line)
    return json.dumps(fields, ensure_ascii=False, separators=(",", ":")).encode() + b"\n"


def decode(line: bytes) -> Line:
    """The value that `encode` was given. Raises ValueError when the line is no line of a ledger."""
    try:
        fields = _Fields(json.loads(line))
        return _DECODERS[fields.text("t")](fields)
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(f"not a line of a ledger ({error}): {line[:200]!r}") from error


class _Fields:
    """Typed access to one JSON object."""

    __slots__ = ("_fields",)

    def __init__(self, fields: Json) -> None:
        if not isinstance(fields, dict):
            raise TypeError("not a JSON object")
        self._fields = fields

    def has(self, name: str) -> bool:
        return self._fields.get(name) is not None

    def text(self, name: str) -> str:
        value = self._fields[name]
        if not isinstance(value, str):
            raise TypeError(f"{name} is no text")
        return value

    def number(self, name: str) -> int:
        value = self._fields[name]
        if not isinstance(value, int):
            raise TypeError(f"{name} is no whole number")
        return value

    def real(self, name: str) -> float:
        value = self._fields[name]
        if not isinstance(value, int | float):
            raise TypeError(f"{name} is no number")
        return float(value)

    def items(self, name: str) -> list[Json]:
        value = self._fields[name]
        if not isinstance(value, list):
            raise TypeError(f"{name} is no list")
        return value


def _header_fields(header: Header) -> dict[str, Json]:
    return {
        "t": "header",
        "version": LEDGER_VERSION,
        "client": header.client,
        "run": header.run,
        "pinned": header.pinned,
        "seed": header.seed,
        "rate_per_s": header.rate_per_s,
        "wall_s": header.wall_s,
        "mono_ns": header.mono_ns,
    }


def _header(fields: _Fields) -> Header:
    if fields.number("version") != LEDGER_VERSION:
        raise ValueError(f"version {fields.number('version')} of the format, expected {LEDGER_VERSION}")
    return Header(
        client=fields.text("client"),
        run=fields.text("run"),
        pinned=fields.text("pinned") if fields.has("pinned") else None,
        seed=fields.number("seed"),
        rate_per_s=fields.real("rate_per_s"),
        wall_s=fields.real("wall_s"),
        mono_ns=fields.number("mono_ns"),
    )


def _intent_fields(intent: Intent) -> dict[str, Json]:
    fields: dict[str, Json] = {
        "t": "intent",
        "op": intent.op,
        "kind": intent.kind.value,
        "at_ns": intent.at_ns,
        "wall_s": round(intent.wall_s, 6),
    }
    if intent.about:
        fields["about"] = intent.about
    match intent.call:
        case None:
            pass
        case RegisterRead(key=key):
            fields["key"] = key
        case RegisterWrite(key=key, value=value):
            fields |= {"key": key, "value": value}
        case RegisterCas(key=key, expected=expected, value=value):
            fields |= {"key": key, "expected": expected, "value": value}
        case Append(steps=steps):
            fields["steps"] = [[step.key, step.value] for step in steps]
        case _:
            assert_never(intent.call)
    return fields


def _intent(fields: _Fields) -> Intent:
    kind = Kind(fields.text("kind"))
    return Intent(
        op=OpId(fields.text("op")),
        kind=kind,
        at_ns=fields.number("at_ns"),
        wall_s=fields.real("wall_s"),
        about=fields.text("about") if fields.has("about") else "",
        call=_call(kind, fields),
    )


def _call(kind: Kind, fields: _Fields) -> RegisterCall | Append | None:
    match kind:
        case Kind.REGISTER_READ:
            return RegisterRead(key=fields.number("key"))
        case Kind.REGISTER_WRITE:
            return RegisterWrite(key=fields.number("key"), value=fields.number("value"))
        case Kind.REGISTER_CAS:
            return RegisterCas(
                key=fields.number("key"), expected=fields.number("expected"), value=fields.number("value")
            )
        case Kind.APPEND:
            return Append(steps=tuple(_step(step) for step in fields.items("steps")))
        case _:
            return None


def _step(step: Json) -> AppendStep:
    match step:
        case [int(key), int(value)]:
            return AppendStep(key=key, value=value)
        case [int(key), None]:
            return AppendStep(key=key, value=None)
        case _:
            raise TypeError(f"no step of a list-append transaction: {step!r}")


def _outcome_fields(outcome: Outcome) -> dict[str, Json]:
    fields: dict[str, Json] = {
        "t": "outcome",
        "op": outcome.op,
        "class": outcome.outcome.value,
        "sent_ns": outcome.sent_ns,
        "done_ns": outcome.done_ns,
        "wall_s": round(outcome.wall_s, 6),
        "wrote": outcome.wrote,
    }
    if outcome.served is not None:
        served = outcome.served
        fields |= {"member": served.member, "address": served.address, "recovery": served.in_recovery}
        if served.timeline is not None:
            fields["timeline"] = served.timeline
        if served.lsn is not None:
            fields["lsn"] = format_lsn(served.lsn)
    match outcome.seen:
        case None:
            pass
        case SeenOperations(ops=ops):
            fields["seen"] = list(ops)
        case SeenValue(value=value):
            fields["read"] = [value]
        case SeenLists(lists=lists):
            fields["lists"] = [None if seen is None else list(seen) for seen in lists]
        case _:
            assert_never(outcome.seen)
    if outcome.sqlstate is not None:
        fields["sqlstate"] = outcome.sqlstate
    if outcome.text:
        fields["text"] = outcome.text
    return fields


def _outcome(fields: _Fields) -> Outcome:
    return Outcome(
        op=OpId(fields.text("op")),
        outcome=OutcomeClass(fields.text("class")),
        sent_ns=fields.number("sent_ns") if fields.has("sent_ns") else None,
        done_ns=fields.number("done_ns"),
        wall_s=fields.real("wall_s"),
        wrote=bool(fields.number("wrote")),
        served=_served(fields),
        seen=_seen(fields),
        sqlstate=fields.text("sqlstate") if fields.has("sqlstate") else None,
        text=fields.text("text") if fields.has("text") else "",
    )


def _served(fields: _Fields) -> Served | None:
    if not fields.has("member"):
        return None
    return Served(
        member=MemberName(fields.text("member")),
        address=fields.text("address"),
        in_recovery=bool(fields.number("recovery")),
        timeline=Timeline(fields.number("timeline")) if fields.has("timeline") else None,
        lsn=parse_lsn(fields.text("lsn")) if fields.has("lsn") else None,
    )


def _seen(fields: _Fields) -> Seen | None:
    if fields.has("seen"):
        return SeenOperations(ops=tuple(OpId(str(op)) for op in fields.items("seen")))
    if fields.has("read"):
        [value] = fields.items("read")
        return SeenValue(value=value if isinstance(value, int) else None)
    if fields.has("lists"):
        return SeenLists(lists=tuple(_list(seen) for seen in fields.items("lists")))
    return None


def _list(seen: Json) -> tuple[int, ...] | None:
    if seen is None:
        return None
    if not isinstance(seen, list):
        raise TypeError(f"no list that was read: {seen!r}")
    return tuple(value for value in seen if isinstance(value, int))


_DECODERS: dict[str, Callable[[_Fields], Line]] = {"header": _header, "intent": _intent, "outcome": _outcome}
