"""What every fault can do: happen, be seen to have happened, and be healed."""

from __future__ import annotations

from typing import Protocol, TypeVar

from chaos.lab.errors import DeadlineMissed, LabError
from chaos.lab.waiting import wait_until

SEEN_DEADLINE_S = 5.0


class Fault(Protocol):
    """One disturbance. `heal` may be called again, and finds the work done."""

    @property
    def name(self) -> str:
        """What it is, as the command line calls it."""

    @property
    def target(self) -> str:
        """What it happens to."""

    def inject(self) -> None:
        """Make it happen. Raises LabError when it cannot."""

    def in_effect(self) -> bool:
        """Whether the world shows it, by a look that does not trust `inject`."""

    def heal(self) -> None:
        """Undo it, as far as it can be undone."""


class FaultNotSeen(LabError):
    """The fault was injected, the world does not show it, and it was healed: what follows would prove nothing."""


F = TypeVar("F", bound=Fault)


def apply(fault: F) -> F:
    """Inject, and look whether it took effect. Raises FaultNotSeen."""
    fault.inject()
    try:
        wait_until(fault.in_effect, deadline_s=SEEN_DEADLINE_S, what=f"{fault.name} of {fault.target} is seen")
    except DeadlineMissed as error:
        fault.heal()
        raise FaultNotSeen(str(error)) from error
    return fault
