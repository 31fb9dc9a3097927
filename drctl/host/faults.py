"""What can go wrong, by what is known of the effect."""

from __future__ import annotations


class HostFault(Exception):
    """A command failed. `kind` is what the controller must know: whether the effect may have happened."""

    kind = "unknown"

    def __init__(self, message: str, remedy: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.remedy = remedy


class Invalid(HostFault):
    """The request or the configuration makes no sense; a person has to edit something."""

    kind = "invalid"


class Refused(HostFault):
    """The effect certainly did not happen."""

    kind = "refused"


class StaleEpoch(Refused):
    """A higher epoch has been seen: the controller that sent this was replaced."""

    kind = "stale_epoch"


class Unknown(HostFault):
    """The effect may have happened: look before acting again."""

    kind = "unknown"
