"""Is every action used where it makes sense, with parameters that go together?"""

from __future__ import annotations

from collections.abc import Iterable

from drctl.model.playbook import HANDOVERS, MOVES, OnFailure, Playbook, RunKind, Step
from drctl.playbook.catalogue import CATALOGUE
from drctl.playbook.conditions import CONDITIONS, condition_of
from drctl.playbook.flaw import Flaw, certainly_before
from drctl.playbook.waits import WAITS

_MAY_BE_LEFT_OUT = frozenset({"checkpoint", "fence", "ready"})
"""Steps of the protocol that may have a `when`: nothing is proved by them that others build on."""
_WHOLE: dict[RunKind, tuple[str, ...]] = {
    RunKind.FAILOVER: ("seal", "choose", "record", "promote", "appoint", "marker", "commit"),
    **dict.fromkeys(
        HANDOVERS, ("stop", "seal", "choose", "record", "promote", "follow", "appoint", "marker", "commit")
    ),
    RunKind.SYNCSET: ("record", "set_sync", "marker", "commit"),
    RunKind.REJOIN: ("rejoin",),
    RunKind.RESTART: ("start", "marker", "commit"),
}
"""What an operation of a kind is not complete without."""


def gaps(playbook: Playbook) -> Iterable[Flaw]:
    """What is missing for the operation to come to its end."""
    used = {step.uses for step in playbook.steps}
    wanted = [uses for uses in _WHOLE.get(playbook.kind, ()) if uses not in used]
    if wanted:
        yield Flaw(
            step="",
            message=f"a {playbook.kind} does not come to its end without steps that use {', '.join(wanted)}",
            remedy=f"begin with a copy of the one that came with drctl: drctl playbook show {playbook.kind} --source",
        )


def misuses(playbook: Playbook) -> Iterable[Flaw]:
    """Steps that make no sense where they stand."""
    for step in (*playbook.steps, *playbook.rollback):
        yield from _kind(playbook, step)
        yield from _heir(playbook, step)
        yield from _left_out(step)
        yield from _together(step)
    for step in playbook.steps:
        yield from _forward(playbook, step)
    for step in playbook.rollback:
        yield from _back(step)


def _kind(playbook: Playbook, step: Step) -> Iterable[Flaw]:
    contract = CATALOGUE[step.uses]
    if playbook.kind not in contract.kinds and playbook.kind is not RunKind.DRILL:
        yield Flaw(
            step=step.id,
            message=f"{step.uses} makes no sense in a {playbook.kind}",
            remedy=f"remove it; it is for {', '.join(sorted(contract.kinds))}",
        )
    if step.params.get("on") == "returning" and playbook.kind is not RunKind.REJOIN:
        yield Flaw(
            step=step.id, message=f"nobody returns in a {playbook.kind}", remedy="write on: primary, or a member's name"
        )


def _heir(playbook: Playbook, step: Step) -> Iterable[Flaw]:
    about = [f"on: {step.params['on']}"] if step.params.get("on") == "heir" else []
    if step.when and (condition := CONDITIONS.get(condition_of(step.when))) is not None and condition.about_heir:
        about.append(f"when: {step.when}")
    if not about or playbook.kind in HANDOVERS:
        return
    words = " and ".join(about)
    if playbook.kind not in MOVES and playbook.kind is not RunKind.DRILL:
        yield Flaw(step=step.id, message=f"{words}: there is no heir in a {playbook.kind}", remedy="write on: primary")
    elif not any(each.uses == "choose" for each in certainly_before(playbook, step)):
        yield Flaw(
            step=step.id,
            message=f"{words}: the heir is not known before the step that uses choose",
            remedy="let it need that step",
        )


def _left_out(step: Step) -> Iterable[Flaw]:
    contract = CATALOGUE[step.uses]
    if step.when and not contract.own and step.uses not in _MAY_BE_LEFT_OUT:
        yield Flaw(
            step=step.id,
            message=f"{step.uses} belongs to the protocol and is always done when its turn comes",
            remedy="remove when",
        )


def _together(step: Step) -> Iterable[Flaw]:
    wait = WAITS.get(str(step.params.get("condition", "")))
    if wait is not None and wait.about_lag != ("lag" in step.params):
        yield Flaw(
            step=step.id,
            message=f"{step.params['condition']} {'needs' if wait.about_lag else 'has no use for'} `lag`",
            remedy="write below `with:` `lag: 16MiB`" if wait.about_lag else "remove lag",
        )
    if step.uses == "http" and step.params.get("method", "GET") == "GET":
        for key in ("body", "content_type"):
            if key in step.params:
                yield Flaw(step=step.id, message=f"a GET has no `{key}`", remedy="write method: POST, or remove it")


def _forward(playbook: Playbook, step: Step) -> Iterable[Flaw]:
    promotes = any(each.uses == "promote" for each in playbook.steps)
    if promotes and not CATALOGUE[step.uses].own and "on" in step.params:
        # The recorded primary is the old one until the heir is appointed: a commit would drop the heir's rule.
        yield Flaw(
            step=step.id,
            message=f"on the way forward {step.uses} is about the heir",
            remedy="remove `on`; it is for the steps under rollback",
        )


def _back(step: Step) -> Iterable[Flaw]:
    contract = CATALOGUE[step.uses]
    if not contract.own and contract.param("on") is not None and "on" not in step.params:
        # An heir may have been chosen before the failure, and was not promoted.
        yield Flaw(
            step=step.id,
            message=f"on the way back {step.uses} is about the old primary",
            remedy="write below it `with: {on: primary}`",
        )
    if step.on_failure in {OnFailure.ROLLBACK, OnFailure.ASK}:
        yield Flaw(
            step=step.id,
            message=f"on_failure: {step.on_failure} cannot be on the way back",
            remedy="write on_failure: abort or continue",
        )
    if step.approval is not None:
        yield Flaw(
            step=step.id,
            message="nobody may be waited for on the way back: service is away",
            remedy="remove it",
        )
