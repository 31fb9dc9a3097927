"""What the exit code of a command says: a contract for scripts."""

from __future__ import annotations

from enum import IntEnum
from typing import assert_never

from drctl.model.errors import DrctlError, EffectRefused, InvalidInput, Unreachable
from drctl.model.run import Outcome
from drctl.model.snapshot import RunSnapshot


class ExitCode(IntEnum):
    """An operation that was refused never exits 0."""

    DONE = 0
    REFUSED = 1
    """Refused or failed; nothing changed."""
    USAGE = 2
    """The command line or the configuration is wrong."""
    UNREACHABLE = 3
    DEGRADED = 4
    """Finished, with less protection than before."""
    UNKNOWN = 5
    """It may have happened: look."""


def of_error(error: DrctlError) -> ExitCode:
    """The code for an error, by what is known of the effect."""
    match error:
        case InvalidInput():
            return ExitCode.USAGE
        case Unreachable():
            return ExitCode.UNREACHABLE
        case EffectRefused():
            return ExitCode.REFUSED
        case _:
            return ExitCode.UNKNOWN


def of_run(run: RunSnapshot) -> ExitCode:
    """The code for a run that ended, or that is not waited for any longer."""
    match run.outcome:
        case Outcome.DONE:
            return ExitCode.DONE
        case Outcome.DEGRADED:
            return ExitCode.DEGRADED
        case Outcome.REFUSED | Outcome.ROLLED_BACK:
            return ExitCode.REFUSED
        case Outcome.FAILED:
            return ExitCode.UNKNOWN if run.irrevocable else ExitCode.REFUSED
        case Outcome.SUPERSEDED | None:
            return ExitCode.UNKNOWN
        case _:
            assert_never(run.outcome)
