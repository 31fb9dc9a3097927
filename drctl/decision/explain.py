"""What would happen if the primary died now: the very decision, asked about a view in which it is dead."""

from __future__ import annotations

from dataclasses import replace

from drctl.decision.decide import decide
from drctl.decision.exposure import exposures
from drctl.decision.memory import Memory
from drctl.decision.quorum import choose_heir
from drctl.decision.verdict import Ask, Begin
from drctl.model.explanation import Explanation
from drctl.model.identity import MemberName
from drctl.model.playbook import RunKind
from drctl.model.position import Position
from drctl.model.report import HostReport, MemberReport, Reachability
from drctl.model.view import GroupView

LONG_AGO_S = 3600.0


def explain(view: GroupView, memory: Memory, *, took_s: float | None) -> Explanation:
    """What would follow the death of the primary's center. `took_s` is how long failovers took from their beginning to
    their commit, by the history; None when there is none yet.
    """
    if view.record is None:
        return Explanation(would=f"{view.group.name} is not initialised; type: drctl init {view.group.name}")
    decision = decide(bereaved(view, view.record.primary), memory, view.group.policy)
    match decision:
        case Begin(kind=RunKind.FAILOVER):
            heir = likely_heir(view, view.record.primary)
            seconds = None if took_s is None else view.group.policy.suspicion_s + took_s
            within = "" if seconds is None else f" within about {seconds:.1f} s"
            lost = "and what was committed while it is exposed may be lost" if exposures(view) else "with nothing lost"
            return Explanation(would=f"{heir} would take over{within}, {lost}", heir=heir, seconds=seconds)
        case Ask(reason=reason, missing=missing):
            return Explanation(would=f"a person would be asked: {reason}", missing=missing)
        case Begin(reason=reason):
            return Explanation(would=f"{decision.kind} would begin: {reason}")
        case _:
            return Explanation(would=f"nothing would be done: {getattr(decision, 'reason', '')}")


def bereaved(view: GroupView, primary: MemberName) -> GroupView:
    """`view` as it would be, to a leader, a while after the center of `primary` was lost."""
    now_s = view.now_s
    reports = dict(view.reports)
    for name, report in reports.items():
        if report.facts is not None and report.facts.receiver is not None:
            deaf = replace(report.facts.receiver, last_message_age_s=LONG_AGO_S)
            reports[name] = replace(report, facts=replace(report.facts, receiver=deaf))
    reports[primary] = MemberReport(
        member=primary,
        at_s=now_s,
        reachability=Reachability.SILENT,
        detail="supposed to be dead",
        answered_at_s=now_s - LONG_AGO_S,
    )
    home = view.group.member(primary).center
    observers = {
        center: replace(
            report,
            sightings=tuple(
                (
                    name,
                    replace(
                        sighting,
                        hears_primary=False,
                        reachability=Reachability.SILENT if name == primary else sighting.reachability,
                    ),
                )
                for name, sighting in report.sightings
            ),
        )
        for center, report in view.observers.items()
        if center != home
    }
    # The decision would be made by a controller that is left, whichever that is.
    observer = view.center if view.center != home else next(iter(observers), view.center)
    hosts = dict(view.hosts) | {primary: HostReport(member=primary, at_s=now_s, answers=False)}
    return replace(
        view,
        center=observer,
        connected=True,
        leading=True,
        run=None,
        record=None if view.record is None else replace(view.record, run=None),
        reports=reports,
        hosts=hosts,
        observers=observers,
        requests=(),
    )


def likely_heir(view: GroupView, primary: MemberName) -> MemberName | None:
    """The standby that would be chosen if all were sealed now; None when none answers."""
    seen = {
        name: Position(timeline=report.facts.timeline, lsn=report.facts.written_lsn)
        for name, report in view.reports.items()
        if name != primary and report.answers and report.facts is not None
    }
    return choose_heir(seen, view.group.peers, candidate=None)
