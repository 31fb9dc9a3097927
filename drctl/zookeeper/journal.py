"""Records and runs: what a leader writes, in transactions that fail when it no longer leads."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, assert_never

from drctl.model.errors import DrctlError, EffectRefused, InvalidInput, StaleEpoch
from drctl.zookeeper.groups import NOT_PAUSED, PAUSED
from drctl.zookeeper.paths import run_group
from drctl.zookeeper.records import abridged, decode_record, decode_run, encode_record, shortened
from drctl.zookeeper.transaction import (
    ANY_VERSION,
    UNGUARDED,
    Check,
    Create,
    Delete,
    Refusal,
    RejectedError,
    Replace,
    Write,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from drctl.model.identity import GroupName, RunId
    from drctl.model.policy import Policy
    from drctl.model.rule import GroupRecord
    from drctl.model.run import Run
    from drctl.zookeeper.election import Election
    from drctl.zookeeper.paths import Paths
    from drctl.zookeeper.session import Session
    from drctl.zookeeper.transaction import Written

RECORD_BYTES_MAX = 64 * 1024


@dataclass(slots=True, kw_only=True)
class Journal:
    """The record, the run under way and the history of every group."""

    session: Session
    paths: Paths
    election: Election
    policies: Mapping[GroupName, Policy]
    now_s: Callable[[], float]

    def create_record(self, record: GroupRecord, *, deadline_s: float) -> GroupRecord:
        """Store a group's first record, and the places for all that follows. Raises EffectRefused when there is one."""
        end_s = self.now_s() + deadline_s
        group = record.group
        self.lay_skeleton(deadline_s=end_s - self.now_s())
        writes: list[Write] = [
            Create(path=self.paths.group(group)),
            Create(path=self.paths.record(group), data=_record_bytes(record)),
            Create(path=self.paths.run(group)),
            Create(path=self.paths.paused(group), data=PAUSED if record.paused else NOT_PAUSED),
            Create(path=self.paths.history(group)),
            Create(path=self.paths.requests(group)),
            Create(path=self.paths.answers(group)),
        ]
        try:
            self.session.commit(UNGUARDED, writes, deadline_s=end_s - self.now_s())
        except RejectedError as error:
            if error.refusal is Refusal.EXISTS:
                raise self._living(group, end_s) from error
            raise _refused(error) from error
        return replace(record, version=0)

    def lay_skeleton(self, *, deadline_s: float) -> None:
        """Make the nodes that everything else stands on. Raises Unreachable, EffectRefused, EffectUnknown."""
        end_s = self.now_s() + deadline_s
        replies = [(path, self.session.peek(path)) for path in self.paths.skeleton]
        missing = [path for path, reply in replies if reply.take(end_s - self.now_s()) is None]
        for path in missing:
            try:
                self.session.commit(UNGUARDED, [Create(path=path)], deadline_s=end_s - self.now_s())
            except RejectedError as error:
                # Another controller starts at the same time.
                if error.refusal is not Refusal.EXISTS:
                    raise _refused(error) from error

    def begin_run(
        self, record: GroupRecord, run: Run, *, ended: Run | None, deadline_s: float
    ) -> tuple[GroupRecord, Run]:
        """See Coordinator.begin_run. A run that another controller takes over keeps its id and raises its epoch."""
        assert record.run == run.id, f"the record names {record.run}, the run is {run.id}"
        journal_version = run.journal_version if ended is None else ended.journal_version
        writes: list[Write] = [
            Replace(path=self.paths.record(record.group), data=_record_bytes(record), version=record.version),
            Replace(path=self.paths.run(record.group), data=self._run_bytes(run), version=journal_version),
        ]
        if ended is not None:
            writes.append(self._into_history(ended))
        written = self._lead(writes, deadline_s=deadline_s)
        return replace(record, version=_version(written[0])), replace(run, journal_version=_version(written[1]))

    def save_run(self, run: Run, *, deadline_s: float) -> Run:
        """See Coordinator.save_run."""
        assert run.journal_version != ANY_VERSION, "only a run that was begun has a journal"
        write = Replace(path=self.paths.run(run.group), data=self._run_bytes(run), version=run.journal_version)
        written = self._lead([write], deadline_s=deadline_s)
        return replace(run, journal_version=_version(written[0]))

    def change_record(self, record: GroupRecord, run: Run, *, deadline_s: float) -> tuple[GroupRecord, Run]:
        """See Coordinator.change_record."""
        assert run.journal_version != ANY_VERSION, "only a run that was begun has a journal"
        return self.begin_run(record, run, ended=None, deadline_s=deadline_s)

    def finish_run(self, record: GroupRecord, run: Run, *, deadline_s: float) -> GroupRecord:
        """See Coordinator.finish_run."""
        assert record.run is None, f"the record still names {record.run}"
        assert run.journal_version != ANY_VERSION, "only a run that was begun has a journal"
        writes: list[Write] = [
            Replace(path=self.paths.record(record.group), data=_record_bytes(record), version=record.version),
            Replace(path=self.paths.run(record.group), data=b"", version=run.journal_version),
            self._into_history(run),
        ]
        written = self._lead(writes, deadline_s=deadline_s)
        return replace(record, version=_version(written[0]))

    def set_paused(self, group: GroupName, *, paused: bool, deadline_s: float) -> None:
        """See Coordinator.set_paused. Needs no leader: a person may want to pause when there is none."""
        write = Replace(path=self.paths.paused(group), data=PAUSED if paused else NOT_PAUSED)
        try:
            self.session.commit(UNGUARDED, [write], deadline_s=deadline_s)
        except RejectedError as error:
            raise _refused(error, missing=uninitialised(group)) from error

    def history(self, group: GroupName, *, limit: int, deadline_s: float) -> tuple[Run, ...]:
        """Finished runs, the newest first."""
        end_s = self.now_s() + deadline_s
        parent = self.paths.history(group)
        names = self.session.peek_children(parent).take(end_s - self.now_s()) or ()
        wanted = [f"{parent}/{name}" for name in sorted(names, reverse=True)[:limit]]
        replies = [(path, self.session.peek(path)) for path in wanted]
        found = [(path, reply.take(end_s - self.now_s())) for path, reply in replies]
        return tuple(decode_run(node.data, path=path, version=ANY_VERSION) for path, node in found if node is not None)

    def run(self, run: RunId, *, deadline_s: float) -> Run | None:
        """A run, finished or under way; None when it is not known."""
        end_s = self.now_s() + deadline_s
        group = run_group(run)
        current_path, finished_path = self.paths.run(group), self.paths.finished(group, run)
        # The run under way first: one that ends in between is then found in the history.
        current, finished = self.session.peek(current_path), self.session.peek(finished_path)
        node = current.take(end_s - self.now_s())
        if node is not None and node.data:
            found = decode_run(node.data, path=current_path, version=node.version)
            if found.id == run:
                return found
        node = finished.take(end_s - self.now_s())
        return decode_run(node.data, path=finished_path, version=ANY_VERSION) if node is not None else None

    def prune(self, group: GroupName, *, deadline_s: float) -> None:
        """Remove the oldest runs and answers beyond the policy's bounds."""
        end_s = self.now_s() + deadline_s
        policy = self.policies[group]
        for parent, count_max, age in (
            (self.paths.history(group), policy.history_runs_max, str),
            (self.paths.answers(group), policy.requests_max, _age),
        ):
            names = self.session.peek_children(parent).take(end_s - self.now_s()) or ()
            surplus = sorted(names, key=age)[: max(0, len(names) - count_max)]
            for name in surplus:
                try:
                    delete = Delete(path=f"{parent}/{name}")
                    self.session.commit(UNGUARDED, [delete], deadline_s=end_s - self.now_s())
                except RejectedError as error:
                    if error.refusal is not Refusal.MISSING:
                        raise _refused(error) from error

    def _lead(self, writes: Sequence[Write], *, deadline_s: float) -> tuple[Written, ...]:
        guard: Check = self.election.guard()
        try:
            return self.session.commit(guard, writes, deadline_s=deadline_s)
        except RejectedError as error:
            if error.deposed:
                raise self.election.deposed() from error
            match error.refusal:
                case Refusal.VERSION | Refusal.MISSING | Refusal.EXISTS:
                    raise StaleEpoch(
                        f"{error.path} has changed in ZooKeeper since it was read: another operation acts on the group"
                    ) from error
                case Refusal.DENIED | Refusal.NOT_EMPTY | Refusal.OTHER:
                    raise _refused(error) from error
                case _:
                    assert_never(error.refusal)

    def _run_bytes(self, run: Run) -> bytes:
        # Details are dropped rather than a run stopped in its middle.
        return abridged(run, bytes_max=self.policies[run.group].journal_bytes_max)

    def _into_history(self, run: Run) -> Create:
        # The end of a run is never refused for its size: the group could not be operated on any more.
        data = shortened(run, bytes_max=self.policies[run.group].journal_bytes_max)
        return Create(path=self.paths.finished(run.group, run.id), data=data)

    def _living(self, group: GroupName, end_s: float) -> DrctlError:
        path = self.paths.record(group)
        node = self.session.peek(path).take(end_s - self.now_s())
        try:
            found = decode_record(node.data, path=path, version=node.version) if node is not None else None
        except InvalidInput as error:
            return error
        what = f"epoch {found.epoch}, primary {found.primary}" if found is not None else "it is not complete"
        return EffectRefused(
            f"group {group} is in ZooKeeper already ({path}: {what}); nothing was changed",
            remedy="look at it with: drctl list",
        )


def uninitialised(group: GroupName) -> InvalidInput:
    """What to say of a group that nobody has initialised."""
    return InvalidInput(f"group {group} is not in ZooKeeper", remedy=f"type: drctl init {group}")


def _record_bytes(record: GroupRecord) -> bytes:
    data = encode_record(record)
    if len(data) > RECORD_BYTES_MAX:
        raise EffectRefused(f"the record of group {record.group} has grown to {len(data)} bytes")
    return data


def _version(written: Written) -> int:
    assert written.version is not None, f"{written.path} was not replaced"
    return written.version


def _age(name: str) -> str:
    return name[-10:]


def _refused(error: RejectedError, *, missing: DrctlError | None = None) -> DrctlError:
    if error.refusal is Refusal.MISSING and missing is not None:
        return missing
    remedy = f"look at it with: zkCli.sh getAcl {error.path}" if error.refusal is Refusal.DENIED else ""
    return EffectRefused(f"ZooKeeper refuses to change {error.path} ({error.refusal.value})", remedy=remedy)
