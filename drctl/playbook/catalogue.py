"""What every action promises: the one list that validation, runs, documentation and crash points share."""

from __future__ import annotations

from dataclasses import dataclass, field

from drctl.model.playbook import RunKind
from drctl.playbook.param import ON, Param, ParamKind
from drctl.playbook.waits import WAITS


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
    after_in: frozenset[RunKind] = frozenset(RunKind)
    """The kinds of run in which that is so."""
    kinds: frozenset[RunKind] = frozenset(RunKind)
    """The kinds of run that it makes sense in."""
    params: tuple[Param, ...] = ()
    """The keys that `with` may have."""
    own: bool = False
    """Whether a hospital adds it for purposes of its own; the protocol does not need it."""
    limit_s: float | None = None
    """The longest timeout; None when the budget is the only bound."""
    needed: frozenset[str] = field(init=False)
    """The keys that `with` must have."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "needed", frozenset(param.name for param in self.params if param.required))

    def param(self, name: str) -> Param | None:
        """The parameter called `name`; None when there is none."""
        return next((param for param in self.params if param.name == name), None)


_PRIMARY = Param(
    name="on",
    kind=ParamKind.CHOICE,
    choices=("primary",),
    words="on the way back, and only there: the old primary",
)
_HOUR_S, _TEN_MINUTES_S, _DAY_S = 3600.0, 600.0, 86400.0
_POOLS_S = 10.0
_MOVES = frozenset({RunKind.FAILOVER, RunKind.SWITCHOVER, RunKind.SWITCHBACK, RunKind.EVACUATE, RunKind.DRILL})
_HANDOVERS = _MOVES - {RunKind.FAILOVER}

_PROTOCOL = (
    Contract(
        name="ready",
        words="Check that the candidate is ready",
        changes=False,
        proven_by_epoch=False,
        kinds=_HANDOVERS,
    ),
    Contract(name="checkpoint", words="Write a checkpoint on the primary", changes=True, proven_by_epoch=False),
    Contract(
        name="fence",
        words="Ask the old primary's host to keep it down",
        changes=True,
        proven_by_epoch=True,
        kinds=_MOVES,
    ),
    Contract(
        name="pause_pools",
        words="Pause the PgBouncers",
        changes=True,
        proven_by_epoch=False,
        kinds=_HANDOVERS,
        limit_s=_POOLS_S,
    ),
    Contract(
        name="resume_pools",
        words="Resume the PgBouncers",
        changes=True,
        proven_by_epoch=False,
        kinds=_MOVES,
        limit_s=_POOLS_S,
    ),
    Contract(name="stop", words="Stop the old primary cleanly", changes=True, proven_by_epoch=True, kinds=_HANDOVERS),
    Contract(name="seal", words="Seal the standbys", changes=True, proven_by_epoch=True, kinds=_MOVES),
    Contract(
        name="choose",
        words="Choose the heir",
        changes=False,
        proven_by_epoch=True,
        after=("seal",),
        kinds=_MOVES,
    ),
    Contract(
        name="record",
        words="Record the new rule",
        changes=False,
        proven_by_epoch=True,
        after=("choose",),
        after_in=_MOVES,
        kinds=_MOVES | {RunKind.SYNCSET},
    ),
    Contract(
        name="promote",
        words="Promote the heir",
        changes=True,
        proven_by_epoch=True,
        after=("seal", "choose", "record"),
        kinds=_MOVES,
    ),
    Contract(
        name="appoint",
        words="Name the new primary; both rules still stand",
        changes=False,
        proven_by_epoch=True,
        after=("promote",),
        kinds=_MOVES,
    ),
    Contract(
        name="follow",
        words="Let the others follow",
        changes=True,
        proven_by_epoch=True,
        params=(_PRIMARY,),
        kinds=_MOVES | {RunKind.RESTART},
    ),
    Contract(
        name="set_sync",
        words="Change synchronous_standby_names",
        changes=True,
        proven_by_epoch=True,
        after=("record",),
        after_in=frozenset({RunKind.SYNCSET}),
        params=(_PRIMARY,),
    ),
    Contract(
        name="marker",
        words="Wait for a marker's acknowledgement",
        changes=True,
        proven_by_epoch=True,
        params=(_PRIMARY,),
    ),
    Contract(
        name="commit",
        words="Drop the old rule",
        changes=False,
        proven_by_epoch=True,
        after=("marker",),
        params=(_PRIMARY,),
    ),
    Contract(name="start", words="Start the old primary again", changes=True, proven_by_epoch=True),
    Contract(
        name="rejoin",
        words="Bring the member's data onto the primary's history",
        changes=True,
        proven_by_epoch=True,
        kinds=frozenset({RunKind.REJOIN}),
    ),
    Contract(
        name="streaming",
        words="Wait until the primary sees it streaming",
        changes=False,
        proven_by_epoch=False,
        kinds=frozenset({RunKind.REJOIN}),
    ),
)

_OWN = (
    Contract(
        name="command",
        words="Run a command that the host allows",
        changes=True,
        proven_by_epoch=False,
        own=True,
        limit_s=_HOUR_S,
        params=(
            Param(
                name="run", kind=ParamKind.NAME, required=True, words="its name in `commands` of the host's host.json"
            ),
            ON,
            Param(
                name="expect",
                kind=ParamKind.WHOLE,
                default="0",
                words="the exit code that counts as success",
            ),
        ),
    ),
    Contract(
        name="sql",
        words="Check a member by a query",
        changes=False,
        proven_by_epoch=False,
        own=True,
        limit_s=_TEN_MINUTES_S,
        params=(
            Param(
                name="query",
                kind=ParamKind.TEXT,
                required=True,
                words="one statement; it runs as drctl's own role, in a transaction that can only read",
            ),
            ON,
            Param(
                name="expect",
                kind=ParamKind.SCALAR,
                words="what the first column of the first row must be; without it the query need only be answered",
            ),
            Param(name="database", kind=ParamKind.NAME, words="without it, the one that drctl looks at"),
        ),
    ),
    Contract(
        name="http",
        words="Send a request to a server outside",
        changes=True,
        proven_by_epoch=False,
        own=True,
        limit_s=_TEN_MINUTES_S,
        params=(
            Param(name="url", kind=ParamKind.URL, required=True, words="`http://` or `https://`, with a host"),
            Param(name="method", kind=ParamKind.CHOICE, choices=("GET", "POST"), default="GET", words="how it is sent"),
            Param(name="body", kind=ParamKind.TEXT, words="what is sent, with `method: POST`"),
            Param(
                name="content_type",
                kind=ParamKind.TEXT,
                default="application/json",
                words="of what is sent",
            ),
            Param(name="expect", kind=ParamKind.WHOLE, default="200", words="the status that counts as success"),
        ),
    ),
    Contract(
        name="wait_until",
        words="Wait for a condition",
        changes=False,
        proven_by_epoch=False,
        own=True,
        params=(
            Param(
                name="condition",
                kind=ParamKind.CHOICE,
                choices=tuple(WAITS),
                required=True,
                words="what must be true of the member",
            ),
            ON,
            Param(name="lag", kind=ParamKind.SIZE, words="with `lag_below` and `replay_lag_below`: less than this"),
        ),
    ),
    Contract(
        name="approve",
        words="Wait until people agree",
        changes=False,
        proven_by_epoch=False,
        own=True,
        limit_s=_DAY_S,
        params=(
            Param(name="min", kind=ParamKind.WHOLE, default="1", words="how many people, besides the one who asked"),
            Param(name="roles", kind=ParamKind.WORDS, words="whose word counts; for now any operator's does"),
        ),
    ),
)

CATALOGUE = {contract.name: contract for contract in (*_PROTOCOL, *_OWN)}
"""Every action by its name."""
