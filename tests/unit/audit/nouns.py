"""Chains for the tests."""

from __future__ import annotations

from drctl.audit.entry import GENESIS, Entry, Head, Occurrence, link_all
from drctl.audit.verify import Piece
from drctl.model.identity import CenterName, GroupName, RunId


def happened(number: int, *, center: str = "zhaohui", **changes) -> Occurrence:
    return Occurrence(
        **{
            "id": f"{center}-0a1b2c3d-{number}",
            "at_utc": "2026-03-01T02:00:00.000+00:00",
            "center": CenterName(center),
            "event": "step_changed",
            "actor": "policy",
            "reason": "the primary 朝晖 is silent",
            "group": GroupName("lis"),
            "run": RunId("lis-12"),
            "facts": {"step": "promote", "status": "done", "elapsed_s": 1.25, "note": 'a "quoted" note'},
            **changes,
        }
    )


def chain(count: int, *, after: Head = GENESIS, center: str = "zhaohui") -> list[Entry]:
    return link_all(after, [happened(number, center=center) for number in range(1, count + 1)])


def piece(entries: list[Entry], name: str = "chain.jsonl") -> Piece:
    return Piece(name=name, data=b"".join(entry.line + b"\n" for entry in entries))
