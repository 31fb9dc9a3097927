"""Since when a group's commits may have been acknowledged by its primary alone."""

from __future__ import annotations

from dataclasses import replace

from drctl.model.identity import GroupName
from drctl.model.snapshot import ClusterSnapshot, GroupSnapshot


class Exposure:
    """Remembers when each exposure was first seen."""

    def __init__(self) -> None:
        self._since_utc: dict[GroupName, str] = {}

    def dated(self, snapshot: ClusterSnapshot) -> ClusterSnapshot:
        """The snapshot with `exposed_since_utc` in every group that is exposed."""
        return replace(snapshot, groups=tuple(self._dated(group, snapshot.at_utc) for group in snapshot.groups))

    def _dated(self, group: GroupSnapshot, at_utc: str) -> GroupSnapshot:
        if group.rpo_guaranteed:
            self._since_utc.pop(group.name, None)
            return group
        # What is recorded was agreed on by all; what only this controller has seen begins when it saw it.
        since_utc = self._since_utc.setdefault(group.name, group.exposed_since_utc or at_utc)
        return replace(group, exposed_since_utc=since_utc)
