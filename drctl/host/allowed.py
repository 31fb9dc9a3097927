"""A command of the host's own list, run for a playbook: no shell, no words from the wire, ended by a higher epoch."""

from __future__ import annotations

from typing import NamedTuple

from drctl.host import epoch as epochs
from drctl.host.config import HostConfig, Member
from drctl.host.deadline import Deadline
from drctl.host.faults import Refused, Unknown
from drctl.host.programs import run

OUTPUT_LENGTH_MAX = 2000
"""Of what it said: the end, where programs say why they failed."""


class Ended(NamedTuple):
    """A command that ended by itself."""

    code: int
    output: str


def run_allowed(
    config: HostConfig, member: Member, allowed: str, *, epoch: int, run_id: str, step: str, deadline: Deadline
) -> Ended:
    """Run an allowed command to its end. Raises Invalid, Refused, StaleEpoch, Unknown.

    It holds no lock of the member's: a failover that begins meanwhile must not wait for it, and ends it within moments.
    """
    argv = config.command(allowed)
    told = {
        "DRCTL_MEMBER": member.name,
        "DRCTL_GROUP": member.group,
        "DRCTL_EPOCH": str(epoch),
        "DRCTL_RUN": _printable(run_id),
        "DRCTL_STEP": _printable(step),
    }
    finished = run(argv, deadline, told, still=lambda: epochs.still(member.state_dir, epoch))
    if finished.code is None:
        raise Unknown(
            f"{allowed} did not end in time, and was killed: {finished.complaint}", "look at what it had done by then"
        )
    if finished.code == 127 and not finished.output:
        raise Refused(f"{allowed} could not be started: {finished.complaint}", f"look at `commands` of {config.path}")
    said = "\n".join(part.strip() for part in (finished.output, finished.errors) if part.strip())
    return Ended(finished.code, said[-OUTPUT_LENGTH_MAX:])


def _printable(text: str) -> str:
    return "".join(character for character in text if character.isprintable())[:200]
