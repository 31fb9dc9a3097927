"""What the coordinator holds of every group, kept in memory."""

from __future__ import annotations

import threading
from contextlib import suppress
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from drctl.model.errors import InvalidInput, Unreachable
from drctl.model.request import Request
from drctl.ports import GroupState
from drctl.zookeeper.paths import sequence
from drctl.zookeeper.records import decode, decode_record, decode_run

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from drctl.model.identity import GroupName
    from drctl.model.rule import GroupRecord
    from drctl.model.run import Run
    from drctl.zookeeper.paths import Paths
    from drctl.zookeeper.session import Node, Reply, Session

ROUNDS_MAX = 4
"""Of reading a group anew because a transaction came between the reading of its record and of its run."""
PAUSED = b"true"
NOT_PAUSED = b"false"
UNINITIALISED = GroupState(record=None, run=None)


@dataclass(slots=True)
class _Memory:
    """One group. `writes` counts what this process wrote, so that no older reading covers it up."""

    state: GroupState = UNINITIALISED
    writes: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """The answers about one group that are on their way."""

    record: Reply[Node]
    run: Reply[Node]
    paused: Reply[Node]
    requests: Reply[tuple[str, ...]]


@dataclass(slots=True)
class Groups:
    """The groups of the cluster, from memory."""

    session: Session
    paths: Paths
    now_s: Callable[[], float]
    _memory: dict[GroupName, _Memory] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def state(self, group: GroupName) -> GroupState:
        """The last known state."""
        with self._lock:
            memory = self._memory.get(group)
            return memory.state if memory is not None else UNINITIALISED

    def wrote(self, record: GroupRecord, run: Run | None) -> GroupRecord:
        """Remember what was just written, so that the writer reads it at once; the record as it stands now."""
        with self._lock:
            memory = self._memory.setdefault(record.group, _Memory())
            known = memory.state.record
            # Whether the group is paused is not the record's writer's to say.
            record = replace(record, paused=known.paused if known is not None else record.paused)
            if known is None or known.version <= record.version:
                memory.writes += 1
                memory.state = replace(memory.state, record=record, run=run)
            return record

    def saved(self, run: Run) -> None:
        """Remember a journal that was just written."""
        with self._lock:
            memory = self._memory.setdefault(run.group, _Memory())
            known = memory.state.run
            if known is not None and known.id == run.id and known.journal_version <= run.journal_version:
                memory.writes += 1
                memory.state = replace(memory.state, run=run)

    def answered(self, group: GroupName, request: str) -> None:
        """Remember that a request is no longer open."""
        with self._lock:
            memory = self._memory.setdefault(group, _Memory())
            memory.writes += 1
            left = tuple(one for one in memory.state.requests if one.id != request)
            memory.state = replace(memory.state, requests=left)

    def set_paused(self, group: GroupName, *, paused: bool) -> None:
        """Remember that a group was paused or resumed."""
        with self._lock:
            memory = self._memory.setdefault(group, _Memory())
            memory.writes += 1
            if memory.state.record is not None:
                memory.state = replace(memory.state, record=replace(memory.state.record, paused=paused))

    def refresh(self, groups: Iterable[GroupName], *, deadline_s: float) -> frozenset[GroupName]:
        """Read the groups anew; the ones that have changed. Raises Unreachable."""
        end_s = self.now_s() + deadline_s
        # All of them are asked for at once, so that many groups take no longer than one.
        asked = {group: (self._writes(group), self._ask(group)) for group in groups}
        return frozenset(group for group in asked if self._learn(group, *asked[group], end_s))

    def _writes(self, group: GroupName) -> int:
        with self._lock:
            return self._memory.setdefault(group, _Memory()).writes

    def _ask(self, group: GroupName) -> _Asked:
        # The record before the run: a run that is newer than its record can be told by its epoch, not the reverse.
        return _Asked(
            record=self.session.node(self.paths.record(group)),
            run=self.session.node(self.paths.run(group)),
            paused=self.session.node(self.paths.paused(group)),
            requests=self.session.children(self.paths.requests(group)),
        )

    def _learn(self, group: GroupName, writes: int, replies: _Asked, end_s: float) -> bool:
        """Whether the group has changed."""
        for _ in range(ROUNDS_MAX):
            try:
                state = self._take(group, replies, end_s)
            except InvalidInput as error:
                # Not the last that could be read: nobody must act on what may have been replaced.
                state = replace(UNINITIALISED, unreadable=error.message)
            with self._lock:
                memory = self._memory[group]
                # What this process wrote while it read must not be covered up by the older reading.
                if memory.writes == writes and _consistent(state):
                    changed, memory.state = memory.state != state, state
                    return changed
            writes, replies = self._writes(group), self._ask(group)
        raise Unreachable(f"group {group} changes faster in ZooKeeper than it can be read; it is tried again")

    def _take(self, group: GroupName, replies: _Asked, end_s: float) -> GroupState:
        record_node = replies.record.take(end_s - self.now_s())
        run_node = replies.run.take(end_s - self.now_s())
        paused_node = replies.paused.take(end_s - self.now_s())
        requests = self._requests(group, replies.requests.take(end_s - self.now_s()) or (), end_s)
        if record_node is None:
            return replace(UNINITIALISED, requests=requests)
        record = decode_record(record_node.data, path=self.paths.record(group), version=record_node.version)
        run = None
        if run_node is not None and run_node.data:
            run = decode_run(run_node.data, path=self.paths.run(group), version=run_node.version)
        paused = paused_node is not None and paused_node.data == PAUSED
        return GroupState(record=replace(record, paused=paused), run=run, requests=requests)

    def _requests(self, group: GroupName, names: tuple[str, ...], end_s: float) -> tuple[Request, ...]:
        # A request never changes, so that one that is known need not be read again.
        with self._lock:
            known: Mapping[str, Request] = {one.id: one for one in self._memory[group].state.requests}
        asked = {name: self.session.peek(self.paths.request(group, name)) for name in names if name not in known}
        found: list[Request] = []
        for name in sorted(names, key=sequence):
            if name in known:
                found.append(known[name])
            elif (node := asked[name].take(end_s - self.now_s())) is not None:
                with suppress(InvalidInput):
                    # One that cannot be read, of a newer version say, must not keep the group from being served.
                    request = decode(Request, node.data, path=self.paths.request(group, name))
                    found.append(replace(request, id=name))
        return tuple(found)


def _consistent(state: GroupState) -> bool:
    if state.record is None:
        return True
    if state.run is None:
        return state.record.run is None
    return state.record.run == state.run.id and state.run.epoch <= state.record.epoch
