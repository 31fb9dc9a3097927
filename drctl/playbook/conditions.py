"""`when:` conditions: a small list instead of a language. Each is a fact about the run at the moment when its step's turn comes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drctl.model.playbook import HANDOVERS
from drctl.model.run import Run
from drctl.model.view import GroupView
from drctl.playbook.subject import heir

NOT = "not "
"""Before a condition's name: the opposite."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Condition:
    """A fact about a run."""

    words: str
    holds: Callable[[Run, GroupView], bool]
    about_heir: bool = False
    """Whether it can be told only when the heir is known."""


def holds(when: str, run: Run, view: GroupView) -> bool:
    """Whether `when`, as the file writes it, is true now."""
    if not when:
        return True
    name = condition_of(when)
    return CONDITIONS[name].holds(run, view) is not when.startswith(NOT)


def condition_of(when: str) -> str:
    """The condition's name, without a `not`."""
    return when.removeprefix(NOT).strip()


def _planned(run: Run, _: GroupView) -> bool:
    return run.kind in HANDOVERS


def _asked_for(run: Run, _: GroupView) -> bool:
    return bool(run.request)


def _heir_in_home(run: Run, view: GroupView) -> bool:
    name = heir(run)
    return name is not None and view.group.member(name).center == view.group.home


def _old_primary_reachable(run: Run, view: GroupView) -> bool:
    report, host = view.report(run.old_primary), view.host(run.old_primary)
    return (report is not None and report.answers) or (host is not None and host.answers)


def _adopted(run: Run, _: GroupView) -> bool:
    return bool(run.adoptions)


def _loss_accepted(run: Run, _: GroupView) -> bool:
    return run.accept_data_loss


CONDITIONS: Mapping[str, Condition] = {
    "planned": Condition(words="a healthy primary hands over", holds=_planned),
    "asked_for": Condition(words="a person asked for the run; otherwise the policy decided it", holds=_asked_for),
    "heir_in_home": Condition(
        words="the member that takes over stands in the group's home center", holds=_heir_in_home, about_heir=True
    ),
    "old_primary_reachable": Condition(
        words="the old primary's database or its host answers", holds=_old_primary_reachable
    ),
    "adopted": Condition(words="another controller has taken the run over", holds=_adopted),
    "loss_accepted": Condition(
        words="a person accepted that acknowledged commits may be missing", holds=_loss_accepted
    ),
}
"""Every condition by its name."""
