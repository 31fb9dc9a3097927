"""What every action promises: the one list that validation, runs, documentation and crash points share."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """An action's promise."""

    name: str
    words: str
    """What people read while it runs."""
    changes: bool
    """Whether it has an effect outside drctl's own record."""
    proven_by_epoch: bool
    """Whether what it proved holds only under the epoch that it was proved in."""
    after: tuple[str, ...] = ()
    """Actions that must come before it in any playbook, because it is not safe without them."""
    params: tuple[str, ...] = ()
    """The keys that `with` may have."""


_CONTRACTS = (
    Contract(name="ready", words="Check that the candidate is ready", changes=False, proven_by_epoch=False),
    Contract(
        name="checkpoint",
        words="Write a checkpoint on the primary",
        changes=True,
        proven_by_epoch=False,
        params=("on",),
    ),
    Contract(
        name="fence",
        words="Ask the old primary's host to keep it down",
        changes=True,
        proven_by_epoch=True,
    ),
    Contract(name="stop", words="Stop the old primary cleanly", changes=True, proven_by_epoch=True),
    Contract(name="seal", words="Seal the standbys", changes=True, proven_by_epoch=True),
    Contract(name="choose", words="Choose the heir", changes=False, proven_by_epoch=True, after=("seal",)),
    Contract(name="record", words="Record the new rule", changes=False, proven_by_epoch=True),
    Contract(
        name="promote",
        words="Promote the heir",
        changes=True,
        proven_by_epoch=True,
        after=("seal", "choose", "record"),
    ),
    Contract(
        name="appoint",
        words="Name the new primary; both rules still stand",
        changes=False,
        proven_by_epoch=True,
        after=("promote",),
    ),
    Contract(
        name="follow",
        words="Let the others follow",
        changes=True,
        proven_by_epoch=True,
        params=("on",),
    ),
    Contract(
        name="set_sync",
        words="Change synchronous_standby_names",
        changes=True,
        proven_by_epoch=True,
        params=("on",),
    ),
    Contract(
        name="marker",
        words="Wait for a marker's acknowledgement",
        changes=True,
        proven_by_epoch=True,
        params=("on",),
    ),
    Contract(
        name="commit",
        words="Drop the old rule",
        changes=False,
        proven_by_epoch=True,
        after=("marker",),
        params=("on",),
    ),
    Contract(name="start", words="Start the old primary again", changes=True, proven_by_epoch=True),
    Contract(
        name="rejoin", words="Bring the member's data onto the primary's history", changes=True, proven_by_epoch=True
    ),
    Contract(name="streaming", words="Wait until the primary sees it streaming", changes=False, proven_by_epoch=False),
)

PARAM_VALUES = {"on": ("primary",)}
"""What the keys of `with` may say."""

CATALOGUE = {contract.name: contract for contract in _CONTRACTS}
"""Every action by its name."""
