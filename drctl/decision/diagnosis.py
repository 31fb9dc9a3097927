"""Is the primary alive? Suspicion is cheap and fast; safety never depends on it."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import assert_never

from drctl.model.identity import MemberName
from drctl.model.policy import OnCrash
from drctl.model.report import MemberReport, Postmaster, Reachability
from drctl.model.view import GroupView


class Health(StrEnum):
    """What the evidence says of a primary."""

    ALIVE = "alive"
    SUSPECT = "suspect"
    """Something is wrong, not for long enough or not on enough evidence."""
    DEAD = "dead"
    UNKNOWN = "unknown"
    """Never probed yet."""


class Evidence(StrEnum):
    """Which line of the table of evidence spoke."""

    ANSWERS = "answers"
    HEARD_BY_STANDBYS = "heard_by_standbys"
    ONE_OBSERVER = "one_observer"
    POSTMASTER_GONE = "postmaster_gone"
    SILENT_TO_ALL = "silent_to_all"
    STUCK = "stuck"
    RECOVERING = "recovering"
    NOT_A_PRIMARY = "not_a_primary"
    NOT_YET = "not_yet"


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The primary's health, and why."""

    health: Health
    evidence: Evidence
    reason: str
    """For people: what was seen, of whom, for how long."""

    @property
    def dead(self) -> bool:
        """Whether to act."""
        return self.health is Health.DEAD


def diagnose(view: GroupView, primary: MemberName) -> Diagnosis:
    """The health of `primary` from one set of observations, without waiting for anyone."""
    report = view.report(primary)
    if report is None:
        return _unknown(f"{primary} has not been probed yet")
    match report.reachability:
        case Reachability.ANSWERS:
            return _answering(view, primary, report)
        case Reachability.FAULTY:
            # It answers, even if with an error: slow or overcrowded is not dead.
            return _alive(Evidence.ANSWERS, f"{primary} answers with an error: {report.detail}")
        case Reachability.STARTING:
            return _recovering(view, primary, report)
        case Reachability.REFUSED | Reachability.SILENT:
            return _unreachable(view, primary, report)
        case _:
            assert_never(report.reachability)


def _answering(view: GroupView, primary: MemberName, report: MemberReport) -> Diagnosis:
    assert report.facts is not None, "an answer has facts"
    if report.facts.in_recovery:
        return _dead(Evidence.NOT_A_PRIMARY, f"{primary} runs as a standby although it is recorded as the primary")
    marker, policy = view.marker, view.group.policy
    if marker.member == primary and marker.pending_since_s is not None:
        waited_s = view.now_s - marker.pending_since_s
        willing = {standby.name for standby in report.facts.standbys if standby.state == "streaming"}
        enough = (
            view.record is not None and len(willing & set(view.record.rule.sync.members)) >= view.record.rule.sync.count
        )
        # Without standbys a waiting commit is what the rule demands, not a fault of the primary.
        if enough and waited_s >= policy.stuck_s:
            return _dead(
                Evidence.STUCK,
                f"{primary} answers, but no marker commits since {waited_s:.1f} s although its standbys are connected",
            )
    return _alive(Evidence.ANSWERS, f"{primary} answers")


def _recovering(view: GroupView, primary: MemberName, report: MemberReport) -> Diagnosis:
    policy = view.group.policy
    patience_s = policy.suspicion_s
    if policy.on_crash is OnCrash.RESTART:
        patience_s += policy.restart_recovery_max_s
    for_s = view.now_s - last_answer_s(report)
    if for_s >= patience_s:
        return _dead(Evidence.RECOVERING, f"{primary} has refused sessions for {for_s:.1f} s ({report.detail})")
    return _suspect(Evidence.RECOVERING, f"{primary} starts, stops or recovers ({report.detail})")


def _unreachable(view: GroupView, primary: MemberName, report: MemberReport) -> Diagnosis:
    host = view.host(primary)
    if (
        report.reachability is Reachability.REFUSED
        and host is not None
        and host.answers
        and host.at_s >= last_answer_s(report)
        and host.postmaster in {Postmaster.DOWN, Postmaster.ORPHANS}
    ):
        return _dead(Evidence.POSTMASTER_GONE, f"the host of {primary} says that its postmaster is gone")
    hearer = heard_by(view, primary)
    if hearer is not None:
        return _alive(
            Evidence.HEARD_BY_STANDBYS, f"{primary} does not answer here, but {hearer} still receives from it"
        )
    accusers = complaining(view, primary)
    home = view.group.member(primary).center
    own_controller_confirms = home not in view.observers or home in accusers
    others = {center for center in view.observers if center not in {view.center, home}}
    # Its own controller may be cut off together with it and not yet be missed by the coordinator: then every other
    # observer must complain. What its controller says is no longer of use to anybody, since no standby hears the primary.
    everybody_else_confirms = bool(others) and others <= accusers
    confirmed = everybody_else_confirms or (
        own_controller_confirms and (home != view.center or bool(accusers - {view.center}))
    )
    for_s = view.now_s - last_answer_s(report)
    if not confirmed:
        return _suspect(Evidence.ONE_OBSERVER, f"only {view.center} gets no answer from {primary}: {report.detail}")
    if not any(_answers(view, member.name) for member in view.group.peers if member.name != primary):
        return _suspect(Evidence.ONE_OBSERVER, f"{view.center} reaches no member of {view.group.name} at all")
    if for_s < view.group.policy.suspicion_s:
        return _suspect(Evidence.NOT_YET, f"{primary} has been silent for {for_s:.1f} s: {report.detail}")
    return _dead(
        Evidence.SILENT_TO_ALL,
        f"{primary} has been silent for {for_s:.1f} s to {', '.join(sorted(accusers | {view.center}))}, and no standby hears it",
    )


def last_answer_s(report: MemberReport) -> float:
    """When the member answered last; for one that never did, when it was first asked is not known: the last probe."""
    return report.answered_at_s if report.answered_at_s is not None else report.at_s - _NEVER_ANSWERED_S


_NEVER_ANSWERED_S = 3600.0
"""A member that has not answered since this controller began has been silent for long enough for any policy."""


def heard_by(view: GroupView, primary: MemberName) -> MemberName | None:
    """A standby that has received from `primary` within the suspicion time; None when there is none."""
    for member in view.group.members:
        if member.name == primary:
            continue
        if hears(view, member.name, primary):
            return member.name
        for observer in view.observers.values():
            sighting = observer.sighting(member.name)
            # What it sees itself, a controller need not be told by another.
            if (
                observer.center != view.center
                and not _answers(view, member.name)
                and sighting
                and sighting.hears_primary
            ):
                return member.name
    return None


def hears(view: GroupView, standby: MemberName, primary: MemberName) -> bool:
    """Whether this observer sees that `standby` has received from `primary` within the suspicion time."""
    report = view.report(standby)
    if report is None or not report.answers or report.facts is None or report.facts.receiver is None:
        return False
    receiver = report.facts.receiver
    sender = (receiver.sender_host, receiver.sender_port)
    # Names and addresses of one host may differ, so only a sender that is certainly another member does not count.
    if any(sender == (member.host, member.port) for member in view.group.members if member.name != primary):
        return False
    return receiver.last_message_age_s + (view.now_s - report.at_s) < view.group.policy.suspicion_s


def complaining(view: GroupView, member: MemberName) -> set[str]:
    """The other centers whose controllers get no answer from `member`."""
    return {
        observer.center
        for observer in view.observers.values()
        if observer.center != view.center
        and (sighting := observer.sighting(member)) is not None
        and sighting.reachability in {Reachability.SILENT, Reachability.REFUSED}
    }


def _answers(view: GroupView, member: MemberName) -> bool:
    report = view.report(member)
    return report is not None and report.answers


def _alive(evidence: Evidence, reason: str) -> Diagnosis:
    return Diagnosis(health=Health.ALIVE, evidence=evidence, reason=reason)


def _suspect(evidence: Evidence, reason: str) -> Diagnosis:
    return Diagnosis(health=Health.SUSPECT, evidence=evidence, reason=reason)


def _dead(evidence: Evidence, reason: str) -> Diagnosis:
    return Diagnosis(health=Health.DEAD, evidence=evidence, reason=reason)


def _unknown(reason: str) -> Diagnosis:
    return Diagnosis(health=Health.UNKNOWN, evidence=Evidence.NOT_YET, reason=reason)
