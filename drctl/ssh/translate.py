"""Commands and evidence, between drctl's types and the words that drctl-host reads and writes."""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from drctl.model.command import (
    Checkpoint,
    Fence,
    Follow,
    HostCommand,
    Promote,
    Rejoin,
    RunAllowed,
    Seal,
    SetSync,
    Start,
    Stop,
)
from drctl.model.errors import EffectUnknown
from drctl.model.evidence import (
    TEXT_LENGTH_MAX,
    Checked,
    CommandRan,
    DiscardedCommit,
    Evidence,
    Fenced,
    Following,
    Promoted,
    Rejoined,
    Sealed,
    SealedRole,
    Started,
    Stopped,
    SyncChanged,
)
from drctl.model.identity import Epoch, MemberName
from drctl.model.position import Lsn, Position, Timeline, parse_lsn
from drctl.model.report import HostReport, Postmaster
from drctl.model.rule import SyncSet


def arguments(command: HostCommand) -> dict[str, object]:
    """The `args` of a request."""
    match command:
        case Seal(if_primary=if_primary):
            return {"if_primary": if_primary.value}
        case Fence(mode=mode) | Stop(mode=mode):
            return {"mode": mode.value}
        case SetSync(sync=sync):
            return _sync(sync) | ({"alone": True} if sync.alone else {})
        case Promote(sync=sync, timeline=timeline):
            return _sync(sync) | ({"timeline": timeline} if timeline else {})
        case Follow(upstream=upstream):
            return {"upstream": upstream}
        case Rejoin(upstream=upstream, method=method):
            return {"upstream": upstream, "method": method.value}
        case RunAllowed(allowed=allowed, run=run, step=step):
            return {"allowed": allowed, "run": run, "step": step}
        case Start() | Checkpoint():
            return {}
        case _:
            assert_never(command)


def _sync(sync: SyncSet) -> dict[str, object]:
    return {"count": sync.count, "members": sorted(sync.members)}


def evidence(command: HostCommand, said: Mapping[str, object]) -> Evidence:
    """What the host's answer proves. Raises EffectUnknown when the answer is not what the command's answer should be."""
    try:
        return _evidence(command, Said(said))
    except (KeyError, TypeError, ValueError) as error:
        raise EffectUnknown(
            f"the host's answer to {command.name} cannot be understood: {error!r} in {said!r}"
        ) from error


def _evidence(command: HostCommand, said: Said) -> Evidence:
    match command:
        case Seal():
            return Sealed(
                role=SealedRole(said.text("role")),
                sealed=said.truth("sealed", default=True),
                position=said.position("timeline", "flushed_lsn"),
                replayed=said.lsn("replayed_lsn"),
                replay_complete=said.truth("replay_complete", default=True),
            )
        case Fence():
            return Fenced(position=said.position("timeline", "flushed_lsn"))
        case Stop():
            final = said.position("timeline", "final_lsn")
            if final is None:
                raise ValueError("no final position")
            return Stopped(final=final, clean=said.truth("clean", default=False))
        case Start():
            return Started(in_recovery=said.truth("in_recovery", default=False))
        case SetSync():
            if not said.truth("confirmed", default=False):
                raise ValueError("not confirmed")
            return SyncChanged(value=said.text("value"))
        case Promote():
            position = said.position("timeline", "promoted_lsn")
            if position is None:
                raise ValueError("no position")
            return Promoted(position=position, already=said.truth("already", default=False))
        case Follow(upstream=upstream):
            receiver = said.text("receiver", default="")
            return Following(upstream=upstream, streaming=receiver == "streaming", detail=receiver)
        case Checkpoint():
            return Checked(detail="checkpoint written")
        case Rejoin():
            return _rejoined(said)
        case RunAllowed(allowed=allowed):
            return _ran(allowed, said)
        case _:
            assert_never(command)


def _ran(allowed: str, said: Said) -> CommandRan:
    code = said.whole("code")
    if code is None:
        raise ValueError("no exit code")
    return CommandRan(command=allowed, code=code, output=said.text("output", default="")[-TEXT_LENGTH_MAX:].strip())


def _rejoined(said: Said) -> Rejoined:
    state = said.text("state")
    forensics = said.inner("forensics")
    if state not in {"running", "done", "failed"}:
        raise ValueError(f"state {state!r}")
    return Rejoined(
        state="running" if state == "running" else "done" if state == "done" else "failed",
        phase=said.text("phase", default=""),
        method=said.text("method", default=""),
        progress=said.text("progress", default=""),
        detail=said.text("detail", default=""),
        fork=forensics.position("fork_timeline", "fork_lsn"),
        end=forensics.position("fork_timeline", "end_lsn"),
        kept_in=forensics.text("kept_dir", default=""),
        commits=forensics.whole("commits") or 0,
        discarded=tuple(
            DiscardedCommit(
                xid=commit.whole("xid") or 0, lsn=commit.lsn("lsn") or Lsn(0), at=commit.text("at", default="")
            )
            for commit in forensics.inners("commits_listed")
        ),
    )


def report(member: MemberName, said: Mapping[str, object], *, at_s: float, offset_s: float | None) -> HostReport:
    """What `inspect` said. Raises EffectUnknown when it cannot be understood."""
    words = Said(said)
    try:
        epoch = words.whole("epoch")
        return HostReport(
            member=member,
            at_s=at_s,
            answers=True,
            postmaster=Postmaster(words.text("postmaster")),
            fenced=words.truth("fenced", default=False),
            epoch=None if epoch is None else Epoch(epoch),
            control_state=words.text("control_state", default=""),
            standby_signal=words.truth("standby_signal", default=False),
            system_identifier=words.text("system_identifier", default=""),
            redo_lsn=words.lsn("redo_lsn"),
            disk_free_bytes=words.whole("disk_free_bytes"),
            clock_offset_s=offset_s,
        )
    except (KeyError, TypeError, ValueError) as error:
        raise EffectUnknown(f"what the host of {member} says cannot be understood: {error!r}") from error


class Said:
    """A JSON object of which nothing is taken for granted."""

    def __init__(self, values: Mapping[str, object]) -> None:
        self._values = values

    def text(self, key: str, *, default: str | None = None) -> str:
        """A text; a number counts as one, null as not said."""
        value = self._values.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, bool) or not isinstance(value, str | int | float):
            raise TypeError(f"{key} is {value!r}")
        return str(value)

    def truth(self, key: str, *, default: bool) -> bool:
        """True or false."""
        value = self._values.get(key, default)
        if not isinstance(value, bool):
            raise TypeError(f"{key} is {value!r}")
        return value

    def whole(self, key: str) -> int | None:
        """A whole number; None when it is not said."""
        value = self._values.get(key)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise TypeError(f"{key} is {value!r}")
        return value

    def lsn(self, key: str) -> Lsn | None:
        """A WAL position; None when it is not said."""
        value = self._values.get(key)
        return None if value is None else parse_lsn(str(value))

    def position(self, timeline: str, lsn: str) -> Position | None:
        """A timeline and a position; None unless both are said."""
        line, place = self.whole(timeline), self.lsn(lsn)
        return None if line is None or place is None else Position(timeline=Timeline(line), lsn=place)

    def inner(self, key: str) -> Said:
        """An object inside; an empty one when it is not said."""
        value = self._values.get(key)
        return Said(value if isinstance(value, dict) else {})

    def inners(self, key: str) -> tuple[Said, ...]:
        """A list of objects inside."""
        value = self._values.get(key)
        return tuple(Said(item) for item in value if isinstance(item, dict)) if isinstance(value, list) else ()
