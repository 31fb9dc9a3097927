"""The snapshot that is told at this moment: the loop replaces it by reference, every reader takes what is there."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace

from drctl.model.snapshot import ClusterSnapshot, GroupSnapshot
from drctl.ports import Clock
from drctl.telemetry.codec import to_json

HISTORY_HEADS = 5
"""Finished runs of each group that `/cluster` names, without their steps; `/history` has all that are kept."""


@dataclass(slots=True)
class Publication:
    """A snapshot, when it was published, and its JSON once it was asked for."""

    snapshot: ClusterSnapshot
    at_s: float
    _cluster: bytes = b""
    _line: bytes = b""

    def cluster_json(self) -> bytes:
        """The body of `/cluster`, made once however often it is asked for."""
        if not self._cluster:
            self._cluster = dump(to_json(heads_only(self.snapshot)))
        return self._cluster

    def cluster_line(self) -> bytes:
        """The same in one line, for the listeners of `/events`."""
        if not self._line:
            told = to_json(heads_only(self.snapshot))
            self._line = json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()
        return self._line


class Published:
    """What the controller told last. Written by its loop, read by any thread."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._latest: Publication | None = None

    def publish(self, snapshot: ClusterSnapshot) -> None:
        """Replace what is told. One assignment: no reader ever waits, or sees a half."""
        self._latest = Publication(snapshot=snapshot, at_s=self._clock.now_s())

    @property
    def latest(self) -> Publication | None:
        """None before the first look at the deployment has ended."""
        return self._latest

    def age_s(self) -> float | None:
        """Since the last publication; None before the first."""
        return None if self._latest is None else self._clock.now_s() - self._latest.at_s


def heads_only(snapshot: ClusterSnapshot) -> ClusterSnapshot:
    """The snapshot with the newest finished runs only, and without their steps."""
    return replace(snapshot, groups=tuple(_heads_only(group) for group in snapshot.groups))


def _heads_only(group: GroupSnapshot) -> GroupSnapshot:
    return replace(group, history=tuple(replace(run, steps=()) for run in group.history[:HISTORY_HEADS]))


def dump(value: object) -> bytes:
    """JSON as it goes over the wire: UTF-8, readable to people who use curl."""
    return json.dumps(value, ensure_ascii=False, indent=1).encode() + b"\n"
