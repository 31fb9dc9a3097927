"""What a controller may ask for: one table, and one place where every effect begins and ends."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager

from drctl.host import VERSION, processes
from drctl.host import epoch as epochs
from drctl.host import job as jobs
from drctl.host.config import HostConfig, Member, describe
from drctl.host.deadline import Deadline
from drctl.host.faults import Invalid, Refused, Unknown
from drctl.host.fence import end_if_cheap, fence, stop
from drctl.host.files import locked
from drctl.host.psql import NoSession, Session, SessionLost, StatementFailed, open_session
from drctl.host.settings import is_standby
from drctl.host.start import ACCEPTING
from drctl.host.wal import format_lsn
from drctl.host.wire import PROTOCOL, READ_ONLY, Request

Evidence = Mapping[str, object]
Handler = Callable[[Member, "Order"], Evidence]

_ANSWER_S = 0.1
"""Kept of every deadline for the answer to arrive."""
_EFFECT_LOCK = "effect.lock"


class Order:
    """What a mutating command was given: its epoch, its arguments, its deadline."""

    def __init__(self, config: HostConfig, epoch: int, args: Mapping[str, object], deadline: Deadline) -> None:
        self.config = config
        self.epoch = epoch
        self.deadline = deadline
        self._args = args

    def text(self, key: str, default: str | None = None) -> str:
        """An argument. Raises Invalid when it is missing or no text."""
        value = self._args.get(key, default)
        if not isinstance(value, str) or not value:
            raise Invalid(f"argument {key!r} must be a text, found {value!r}")
        return value

    def truth(self, key: str) -> bool:
        """An argument that is false when it is missing."""
        return self._args.get(key, False) is True

    def number(self, key: str) -> int:
        """A whole number that is 0 when it is missing. Raises Invalid."""
        value = self._args.get(key, 0)
        if not isinstance(value, int) or isinstance(value, bool) or value < 0:
            raise Invalid(f"argument {key!r} must be a whole number, found {value!r}")
        return value

    def sync_set(self) -> tuple[int, tuple[str, ...]]:
        """`count` and `members`. Raises Invalid."""
        count, names = self._args.get("count"), self._args.get("members")
        if not isinstance(count, int) or isinstance(count, bool):
            raise Invalid(f"argument 'count' must be a number, found {count!r}")
        if not isinstance(names, list) or not all(isinstance(name, str) and name for name in names):
            raise Invalid(f"argument 'members' must be a list of names, found {names!r}")
        return count, tuple(names)


def answer(config: HostConfig, request: Request) -> Evidence:
    """Do what a request asks for. Raises a HostFault, which says what is known of the effect."""
    deadline = Deadline(max(0.05, request.deadline_s - min(_ANSWER_S, request.deadline_s * 0.1)))
    if request.command == "hello":
        return _hello(config)
    if request.command not in {*READ_ONLY, *_EFFECTS, "command"}:
        raise Invalid(
            f"no such command: {request.command!r}",
            "controller and host are of different versions: install the same drctl everywhere",
        )
    if request.member is None:
        raise Invalid(f"{request.command} needs a member")
    member = config.member(request.member)
    if request.command == "inspect":
        from drctl.host.inspection import inspect

        return inspect(member, deadline)
    if request.epoch is None:
        raise Invalid(f"{request.command} changes something, so it needs an epoch")
    order = Order(config, request.epoch, request.args, deadline)
    if request.command == "command":
        return _command(member, order)
    with _effect(request.command, member, order):
        return _EFFECTS[request.command](member, order)


@contextmanager
def _effect(command: str, member: Member, order: Order) -> Iterator[None]:
    """Everything between these lines may change the world: the epoch is on disk before, one command at a time is inside."""
    epochs.admit(member.state_dir, order.epoch, order.deadline)
    with locked(member.state_dir / _EFFECT_LOCK, order.deadline, member.name):
        # Whoever held the lock may have been sent by the next controller.
        epochs.still(member.state_dir, order.epoch)
        _make_way(command, member, order)
        try:
            yield
        except NoSession as error:
            raise Refused(f"no session with {member.name}: {error}", "is it up? `inspect` tells") from error
        except (SessionLost, StatementFailed) as error:
            raise Unknown(
                f"the session with {member.name} failed: {error}", "look at the member before acting again"
            ) from error


def _make_way(command: str, member: Member, order: Order) -> None:
    job = jobs.running_job(member.state_dir)
    if job is None:
        return
    if job.epoch < order.epoch:
        jobs.preempt(member.state_dir, job)
    elif command != "rejoin":
        raise Refused(
            f"{member.name} is being rejoined (phase {job.phase})",
            "wait for it, or begin a new operation: a higher epoch ends it",
        )


def _hello(config: HostConfig) -> Evidence:
    return {
        "version": VERSION,
        "protocol": PROTOCOL,
        "hostname": socket.gethostname(),
        "wall_time_s": time.time(),
        "members": sorted(member.name for member in config.members),
        "groups": dict(describe(config.members)),
    }


def _seal(member: Member, order: Order) -> Evidence:
    if is_standby(member) and processes.postmaster_of(member.pgdata) is not None:
        with _session_soon(member, order.deadline) as session:
            if session.is_true("pg_is_in_recovery()", order.deadline):
                return _seal_standby(member, session, order)
    running = processes.postmaster_of(member.pgdata) is not None
    if running and order.text("if_primary", "fence") == "report":
        return {"role": "primary", "sealed": False, "timeline": None, "flushed_lsn": None}
    fence(member, order.epoch, "immediate", order.deadline)
    end = end_if_cheap(member, order.deadline)
    lsn = None if end is None else format_lsn(end.lsn)
    return {
        "role": "primary" if running else "down",
        "sealed": True,
        "timeline": None if end is None else end.timeline,
        "received_lsn": None,
        "replayed_lsn": None,
        "flushed_lsn": lsn,
        "receiver_gone": True,
        "replay_complete": False,
        "at_wall_s": time.time(),
    }


def _session_soon(member: Member, deadline: Deadline) -> Session:
    """A session, also with a standby that is starting up and takes none for a moment yet."""
    for _ in deadline.within(deadline.remaining_s * 0.6).polls(0.05):
        try:
            return open_session(member, deadline)
        except NoSession:
            postmaster = processes.postmaster_of(member.pgdata)
            if postmaster is None or postmaster.status in ACCEPTING:
                break
    return open_session(member, deadline)


def _seal_standby(member: Member, session: Session, order: Order) -> Evidence:
    from drctl.host.seal import seal_standby

    end = seal_standby(member, session, order.epoch, order.deadline)
    return {
        "role": "standby",
        "sealed": True,
        "timeline": end.timeline,
        "received_lsn": None if end.received_lsn is None else format_lsn(end.received_lsn),
        "replayed_lsn": format_lsn(end.replayed_lsn),
        "flushed_lsn": format_lsn(end.flushed_lsn),
        "receiver_gone": True,
        "replay_complete": end.replay_complete,
        "queries_ended": end.queries_ended,
        "steps_s": end.steps_s,
        "at_wall_s": time.time(),
    }


def _fence(member: Member, order: Order) -> Evidence:
    fence(member, order.epoch, order.text("mode", "immediate"), order.deadline)
    end = end_if_cheap(member, order.deadline)
    return {
        "postmaster_gone": True,
        "timeline": None if end is None else end.timeline,
        "flushed_lsn": None if end is None else format_lsn(end.lsn),
    }


def _stop(member: Member, order: Order) -> Evidence:
    end = stop(member, order.epoch, order.text("mode", "fast"), order.deadline, fenced=order.truth("fence"))
    return {
        "final_lsn": format_lsn(end.final_lsn),
        "timeline": end.timeline,
        "control_state": end.control_state,
        "clean": end.clean,
    }


def _start(member: Member, order: Order) -> Evidence:
    from drctl.host.start import start

    started = start(member, order.deadline)
    if not started.accepts:
        raise Unknown(
            f"{member.name} was started (pid {started.pid}) and accepts no sessions yet", "it recovers: ask again"
        )
    return {"pid": started.pid, "in_recovery": started.in_recovery}


def _set_sync(member: Member, order: Order) -> Evidence:
    from drctl.host.promote import acknowledge_alone, set_sync

    count, names = order.sync_set()
    with open_session(member, order.deadline) as session:
        # Nothing but this very wish empties the setting: a count of zero that slipped in is refused below.
        if count == 0 and order.truth("alone"):
            return {"value": acknowledge_alone(session, order.deadline), "confirmed": True}
        return {"value": set_sync(session, count, names, order.deadline), "confirmed": True}


def _promote(member: Member, order: Order) -> Evidence:
    from drctl.host.promote import promote, start_sealed

    count, names = order.sync_set()
    if processes.postmaster_of(member.pgdata) is None:
        start_sealed(member, order.deadline)
    with open_session(member, order.deadline) as session:
        timeline_min = order.number("timeline")
        done = promote(member, session, order.epoch, count, names, order.deadline, timeline_min=timeline_min)
    return {
        "timeline": done.timeline,
        "promoted_lsn": format_lsn(done.lsn),
        "already": done.already,
        "value": done.value,
    }


def _follow(member: Member, order: Order) -> Evidence:
    from drctl.host.follow import follow

    return follow(member, order.text("upstream"), order.deadline)._asdict()


def _checkpoint(member: Member, order: Order) -> Evidence:
    began_s = time.monotonic()
    with open_session(member, order.deadline) as session:
        session.rows("CHECKPOINT", order.deadline)
    return {"elapsed_s": time.monotonic() - began_s}


def _rejoin(member: Member, order: Order) -> Evidence:
    from drctl.host.rejoin import ask

    return ask(member, order.config.path, order.epoch, order.text("upstream"), order.text("method", "auto"))


def _command(member: Member, order: Order) -> Evidence:
    from drctl.host.allowed import run_allowed

    epochs.admit(member.state_dir, order.epoch, order.deadline)
    ended = run_allowed(
        order.config,
        member,
        order.text("allowed"),
        epoch=order.epoch,
        run_id=order.text("run"),
        step=order.text("step"),
        deadline=order.deadline,
    )
    return ended._asdict()


_EFFECTS: Mapping[str, Handler] = {
    "seal": _seal,
    "fence": _fence,
    "stop": _stop,
    "start": _start,
    "set_sync": _set_sync,
    "promote": _promote,
    "follow": _follow,
    "checkpoint": _checkpoint,
    "rejoin": _rejoin,
}
