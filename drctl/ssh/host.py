"""The Host port: one line a host, strict host keys, every call bounded."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from threading import Lock
from typing import TYPE_CHECKING, NoReturn

from drctl.model.errors import DrctlError, EffectRefused, EffectUnknown, InvalidInput, StaleEpoch
from drctl.model.report import HostReport
from drctl.model.topology import Address, Member
from drctl.ssh.line import Credentials, Line
from drctl.ssh.translate import Said, arguments, evidence, report

if TYPE_CHECKING:
    from drctl.host.wire import Failure
    from drctl.model.command import HostCommand
    from drctl.model.evidence import Evidence
    from drctl.model.identity import Epoch


class SshHost:
    """drctl-host on every member's host."""

    def __init__(
        self, *, user: str, port: int, identity: Path, known_hosts: Path, now_s: Callable[[], float] = time.monotonic
    ) -> None:
        self._port = port
        self._credentials = Credentials(user=user, identity=identity, known_hosts=known_hosts)
        self._now_s = now_s
        self._lines: dict[str, Line] = {}
        self._lock = Lock()

    def call(self, member: Member, *, epoch: Epoch, command: HostCommand, deadline_s: float) -> Evidence:
        """Do one thing to a member. Raises StaleEpoch, Unreachable, EffectRefused, EffectUnknown, InvalidInput."""
        answer = self._line(member.host).ask(
            command.name, member=member.name, epoch=epoch, args=arguments(command), deadline_s=deadline_s
        )
        if answer.failure is not None:
            _raise(member, command.name, answer.failure)
        return evidence(command, answer.evidence or {})

    def inspect(self, member: Member, *, deadline_s: float) -> HostReport:
        """What the host says of its member, or that it is silent. Never raises for what the host does."""
        began_s, began_wall_s = self._now_s(), time.time()
        try:
            answer = self._line(member.host).ask(
                "inspect", member=member.name, epoch=None, args={}, deadline_s=deadline_s
            )
            if answer.failure is not None:
                _raise(member, "inspect", answer.failure)
            ended_s = self._now_s()
            wall_s = Said(answer.evidence or {}).text("wall_time_s", default="")
            offset_s = float(wall_s) - (began_wall_s + (ended_s - began_s) / 2) if wall_s else None
            return report(member.name, answer.evidence or {}, at_s=ended_s, offset_s=offset_s)
        except DrctlError as error:
            return HostReport(
                member=member.name, at_s=self._now_s(), answers=False, detail=error.message, remedy=error.remedy
            )

    def close(self) -> None:
        """Hang up every line."""
        with self._lock:
            lines, self._lines = list(self._lines.values()), {}
        for line in lines:
            line.close()

    def _line(self, host: str) -> Line:
        with self._lock:
            if host not in self._lines:
                self._lines[host] = Line(Address(host=host, port=self._port), self._credentials, self._now_s)
            return self._lines[host]


def _raise(member: Member, command: str, failure: Failure) -> NoReturn:
    message = f"{member.name}: {command}: {failure.message}"
    match failure.kind:
        case "stale_epoch":
            raise StaleEpoch(message, remedy=failure.remedy)
        case "refused":
            raise EffectRefused(message, remedy=failure.remedy)
        case "invalid":
            raise InvalidInput(message, remedy=failure.remedy)
        case _:
            raise EffectUnknown(message, remedy=failure.remedy)
