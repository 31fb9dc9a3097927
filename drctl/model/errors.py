"""Errors by what is known of the effect, not by the library that raised them."""

from __future__ import annotations


class DrctlError(Exception):
    """Something in the world, not in this program, went wrong. `remedy` is the next thing for a person to do, or empty."""

    def __init__(self, message: str, *, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class InvalidInput(DrctlError):
    """A person has to edit something; nothing was done."""


class EffectRefused(DrctlError):
    """The effect certainly did not happen."""


class StaleEpoch(EffectRefused):
    """The host, or the record, has seen a higher epoch: another controller acts. Stop this run."""


class Unreachable(EffectRefused):
    """The other side could not be reached, so the effect certainly did not happen."""


class EffectUnknown(DrctlError):
    """The effect may have happened: look before acting again."""


class LeadershipLost(DrctlError):
    """This controller no longer leads: stop now."""
