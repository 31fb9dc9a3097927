"""What each action of the catalogue does: which effects it asks for, and when it is done.

An action plans: it says which calls to make, or that there is nothing to do, or that it cannot be done. When its calls
have ended it is judged. Both are pure functions of the run, the record and the view.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import datetime, timedelta

from drctl.controller.own_steps import OWN_JUDGES, OWN_PLANS
from drctl.controller.plan import (
    Broken,
    Call,
    Calls,
    Change,
    Impossible,
    Instant,
    Judgement,
    Nothing,
    NotYet,
    Pending,
    Plan,
    Situation,
    Succeeded,
)
from drctl.controller.pool_steps import POOL_JUDGES, POOL_PLANS
from drctl.decision.memory import primary_facts, streaming
from drctl.decision.quorum import choose_heir, down_when_sealed, missing, satisfied, sync_set_for, unmet
from drctl.model.command import (
    Checkpoint,
    Fence,
    Follow,
    IfPrimary,
    Promote,
    Rejoin,
    Seal,
    SetSync,
    Start,
    Stop,
)
from drctl.model.evidence import Checked, Chosen, Evidence, Fenced, Recorded, Rejoined, Sealed, SealedRole, Stopped
from drctl.model.identity import MemberName
from drctl.model.playbook import HANDOVERS, RunKind
from drctl.model.position import Position, Timeline
from drctl.model.report import Postmaster, Reachability
from drctl.model.rule import RULES_MAX, DataLossAccepted, GroupRecord, Rule, SyncSet
from drctl.model.run import Run, StepRecord, TaskStatus
from drctl.model.view import GroupView

STRAGGLER_S = 0.3
"""How long a seal that suffices already waits for the others: the more are sealed, the more can follow at once."""


def plan(situation: Situation) -> Plan:
    """What the situation's step wants done."""
    return _PLANS[situation.step.uses](situation)


def judge(situation: Situation, record: StepRecord) -> Judgement:
    """How a running step's try stands after its calls ended, as far as they have."""
    return _JUDGES.get(situation.step.uses, _all_done)(situation, record)


# Switchover


def _ready(situation: Situation) -> Plan:
    run = situation.run
    if run.candidate is None:
        return Impossible(note="a switchover has a candidate")
    facts = primary_facts(situation.view)
    if facts is None or streaming(facts, run.candidate) is None:
        return Impossible(note=f"{run.candidate} does not stream from {run.old_primary}")
    return Instant(evidence=Checked(detail=f"{run.candidate} streams from {run.old_primary}"))


def _checkpoint(situation: Situation) -> Plan:
    return Calls(calls=(Call(member=situation.record.primary, command=Checkpoint()),))


def _stop(situation: Situation) -> Plan:
    return Calls(calls=(Call(member=situation.run.old_primary, command=Stop()),))


def _start(situation: Situation) -> Plan:
    return Calls(calls=(Call(member=situation.run.old_primary, command=Start()),))


# Failover


def _fence(situation: Situation) -> Plan:
    return Calls(calls=(Call(member=situation.run.old_primary, command=Fence()),))


def _seal(situation: Situation) -> Plan:
    newest = situation.record.rule.primary
    calls = tuple(
        Call(
            member=member.name,
            # The heir of an interrupted run may be primary already: it is asked, and left alone if so.
            command=Seal(if_primary=IfPrimary.REPORT if member.name == newest else IfPrimary.FENCE),
        )
        for member in situation.view.group.peers
        if member.name != situation.run.old_primary and not _known_silent(situation.view, member.name)
    )
    if not calls:
        return Impossible(note="no standby can be reached")
    return Calls(calls=calls)


def _known_silent(view: GroupView, name: MemberName) -> bool:
    """Whether neither the member's database nor its host answers: nobody waits for it."""
    report, host = view.report(name), view.host(name)
    return (report is not None and not report.answers) and (host is not None and not host.answers)


def _sealed(situation: Situation, record: StepRecord) -> Judgement:
    sealed = sealed_positions(situation.run)
    promoted = _promoted_heir(situation)
    switching = situation.run.kind in HANDOVERS
    heirs = {situation.run.candidate} if switching else sealed.keys() - {situation.run.old_primary}
    waiting = [task for task in record.tasks if task.open]
    # With a person's word for it, the most advanced of those that could be sealed takes over, once all were tried.
    allowed = situation.run.accept_data_loss and not waiting
    enough = promoted is not None or (
        bool(heirs & sealed.keys()) and (allowed or not unmet(situation.record.rules, sealed))
    )
    if enough:
        ended_s = max(task.ended_s for task in record.tasks if task.ended_s is not None)
        if not waiting or situation.view.now_s - ended_s >= STRAGGLER_S:
            return Succeeded()
        return NotYet(note="enough are sealed; a moment for the others", after_s=STRAGGLER_S)
    if waiting:
        return Pending()
    errors = "; ".join(f"{task.member}: {task.error}" for task in record.tasks if task.error)
    absent = missing(situation.record.rules, sealed)
    return Broken(
        note=f"sealed {', '.join(sorted(sealed)) or 'nobody'}, missing {', '.join(absent)} ({errors or 'silent'})"
    )


def sealed_positions(run: Run) -> dict[MemberName, Position]:
    """How far the WAL of every sealed member goes; a cleanly stopped or fenced primary is sealed too."""
    sealed: dict[MemberName, Position] = {}
    for uses in ("seal", "stop", "fence"):
        for record in run.steps:
            if run.playbook.step(record.id).uses != uses:
                continue
            for task in record.tasks:
                if task.status is not TaskStatus.DONE or task.member is None:
                    continue
                position = _position(task.evidence)
                if position is not None:
                    sealed[task.member] = position
    return sealed


def _position(evidence: Evidence | None) -> Position | None:
    match evidence:
        case Sealed(sealed=True, position=Position() as position):
            return position
        case Stopped(final=final, clean=True):
            return final
        case Fenced(position=Position() as position):
            return position
        case _:
            return None


def _promoted_heir(situation: Situation) -> MemberName | None:
    """The heir of an interrupted run that says it is primary; None when there is none."""
    newest = situation.record.rule.primary
    for member, evidence in situation.run.evidence("seal"):
        if (
            member == newest
            # Not "than the recorded one": it may have been appointed already, when the run was taken over.
            and newest != situation.run.old_primary
            and isinstance(evidence, Sealed)
            and evidence.role is SealedRole.PRIMARY
            and not evidence.sealed
        ):
            return newest
    return None


def _choose(situation: Situation) -> Plan:
    run, record = situation.run, situation.record
    sealed = sealed_positions(run)
    promoted = _promoted_heir(situation)
    if promoted is not None:
        # Its rule stands since before it was promoted: the interrupted run is brought to its end.
        return Instant(
            evidence=Chosen(heir=promoted, rule=record.rule, sealed=tuple(sorted(sealed.items())), satisfied=())
        )
    standbys = {name: position for name, position in sealed.items() if name != run.old_primary}
    # The old primary counts only where the rules need it: its own WAL may go on beyond what anybody acknowledged.
    pool = standbys if not unmet(record.rules, standbys) and run.kind is RunKind.FAILOVER else sealed
    left = unmet(record.rules, pool)
    if left and not run.accept_data_loss:
        return Impossible(note=f"the rule {left[0]} is not met: missing {', '.join(missing(left, pool))}")
    # Only who may have acknowledged something: any other may be ahead on a branch of its own that nobody else has.
    named = {name for rule in record.rules for name in (rule.primary, *rule.sync.members)}
    able = [member for member in situation.view.group.peers if left or member.name in named]
    heir = choose_heir(pool, able, candidate=run.candidate, down=down_when_sealed(run))
    if heir is None:
        return Impossible(note="nobody is sealed")
    if heir == run.old_primary:
        return Impossible(note=f"{heir} alone has everything that may have been acknowledged: start it in place")
    if run.kind in HANDOVERS and heir != run.candidate:
        return Impossible(note=f"{run.candidate} does not have everything: {heir} is further")
    sync = sync_set_for(
        heir,
        # A cleanly stopped primary follows without a rewind, so it may be counted on. Who was down may have been a primary,
        # and one that lies on another branch has first to be rewound.
        followers=[
            name
            for name in sealed
            if name not in down_when_sealed(run) and (name != run.old_primary or run.kind is not RunKind.FAILOVER)
        ],
        told=_told(run),
        count=situation.view.group.policy.sync_count,
    )
    if sync is None and run.accept_data_loss:
        others = frozenset(member.name for member in situation.view.group.peers) - {heir}
        sync = SyncSet(count=min(situation.view.group.policy.sync_count, len(others)), members=others)
    if sync is None:
        return Impossible(
            note=f"no host but that of {heir} has heard of this run: nobody could acknowledge its commits"
        )
    rule = Rule(primary=heir, sync=sync)
    return Instant(
        evidence=Chosen(
            heir=heir,
            rule=rule,
            sealed=tuple(sorted(sealed.items())),
            satisfied=tuple(rule for rule in record.rules if satisfied(rule, pool)),
            lost_possible=bool(left),
        )
    )


def _told(run: Run) -> set[MemberName]:
    """The members whose hosts have heard of the run, and refuse every earlier one."""
    return {member for uses in ("seal", "stop", "fence") for member, _ in run.evidence(uses) if member is not None}


def _record(situation: Situation) -> Plan:
    run, record = situation.run, situation.record
    if run.kind is RunKind.SYNCSET:
        assert run.sync is not None, "a change of the sync set says to what"
        new = Rule(primary=record.primary, sync=run.sync)
    else:
        if situation.chosen is None:
            return Impossible(note="no heir is chosen")
        new = situation.chosen.rule
    chosen = situation.chosen
    if (
        chosen is not None
        and chosen.lost_possible
        and not any(one.epoch == run.epoch for one in record.data_loss_accepted)
    ):
        accepted = DataLossAccepted(
            epoch=run.epoch, operator=run.requested_by, reason=run.reason, at_utc=situation.view.now_utc
        )
        record = replace(record, data_loss_accepted=(*record.data_loss_accepted, accepted))
    if chosen is not None:
        record = replace(record, timeline=_given_timeline(situation, chosen))
    if record.rule == new and record != situation.record:
        return Change(record=record)
    if record.rule == new:
        return Instant(evidence=Recorded(version=record.version, rules=record.rules))
    if len(record.rules) == RULES_MAX:
        return Impossible(note=f"{RULES_MAX} changes were interrupted one after the other: a person must look")
    return Change(record=replace(record, rules=(*record.rules, new)))


def _given_timeline(situation: Situation, chosen: Chosen) -> Timeline:
    """The number of the heir's new timeline: one that no history bears, whether anybody here has seen it or not.

    An heir that failed before anybody followed it has left a number that the next one's PostgreSQL knows nothing of.
    """
    given = situation.record.timeline
    if chosen.heir == _promoted_heir(situation):
        return given
    reports = situation.view.reports.values()
    seen = [report.facts.timeline for report in reports if report.facts is not None]
    used = max((*seen, *(position.timeline for _, position in chosen.sealed)), default=Timeline(0))
    # The same heir under the same rule may be told the same number again, as long as it has not been used.
    again = situation.record.rule == chosen.rule and used < given
    return given if again else Timeline(max(given, used) + 1)


def _promote(situation: Situation) -> Plan:
    chosen = situation.chosen
    if chosen is None or situation.record.rule != chosen.rule:
        return Impossible(note="the heir's rule is not recorded")
    command = Promote(sync=chosen.rule.sync, timeline=situation.record.timeline)
    return Calls(calls=(Call(member=chosen.heir, command=command),))


def _follow(situation: Situation) -> Plan:
    target = situation.target
    told = [member for member, _ in situation.run.evidence("seal") if member is not None and member != target]
    if situation.run.kind in HANDOVERS and target != situation.run.old_primary:
        told.append(situation.run.old_primary)
    if situation.run.kind is RunKind.RESTART:
        told = [
            member.name
            for member in situation.view.group.members
            if member.name != target and not _known_silent(situation.view, member.name)
        ]
    done = {member for member, evidence in situation.run.evidence("follow")}
    calls = tuple(Call(member=member, command=Follow(upstream=target)) for member in told if member not in done)
    return Calls(calls=calls) if calls else Nothing(note="nobody is left that could follow now")


def _set_sync(situation: Situation) -> Plan:
    return Calls(calls=(Call(member=situation.target, command=SetSync(sync=situation.record.rule.sync)),))


def _marker(situation: Situation) -> Plan:
    hopeless = _nobody_follows(situation)
    return Impossible(note=hopeless) if hopeless else Calls(calls=(Call(member=situation.target, command=None),))


def _marked(situation: Situation, record: StepRecord) -> Judgement:
    hopeless = _nobody_follows(situation)
    return Broken(note=hopeless) if hopeless else _all_done(situation, record)


def _nobody_follows(situation: Situation) -> str:
    """Why a marker need not be waited for: nobody is left that could acknowledge it, and who is astray rejoins first. Else
    empty.
    """
    run, target, sync = situation.run, situation.target, situation.record.rule.sync
    follows = [each for each in run.steps if run.playbook.step(each.id).uses == "follow"]
    facts = primary_facts(situation.view)
    over = bool(follows) and all(each.ended for each in follows) and not run.evidence("follow")
    if not over or facts is None or situation.record.primary != target:
        return ""
    return "" if any(streaming(facts, name) for name in sync.members) else f"nobody of {sync} follows {target}"


def _appoint(situation: Situation) -> Plan:
    return Change(record=replace(situation.record, primary=situation.target))


def _commit(situation: Situation) -> Plan:
    target = situation.target
    rules = [rule for rule in situation.record.rules if rule.primary == target]
    if not rules:
        return Impossible(note=f"no rule of {target} is recorded")
    # Going back, the rule that stood before is the one that the marker proved; going forward, the newest.
    kept = rules[0] if situation.run.rolling_back else rules[-1]
    record = replace(situation.record, primary=target, rules=(kept,))
    since_utc = None
    if kept.sync.alone:
        since_utc = record.degraded_since_utc or situation.view.now_utc
    return Change(record=replace(record, degraded_since_utc=since_utc))


# Rejoin


def _rejoin(situation: Situation) -> Plan:
    assert situation.run.candidate is not None, "a rejoin is of a member"
    command = Rejoin(upstream=situation.record.primary, method=situation.run.method)
    return Calls(calls=(Call(member=situation.run.candidate, command=command),))


def _rejoined(situation: Situation, record: StepRecord) -> Judgement:
    for task in record.tasks:
        if isinstance(task.evidence, Rejoined) and task.status is TaskStatus.DONE:
            match task.evidence.state:
                case "done":
                    return Succeeded(note=task.evidence.method)
                case "running":
                    return NotYet(note=f"{task.evidence.phase} {task.evidence.progress}".strip())
                case "failed":
                    return Broken(note=f"{task.evidence.phase}: {task.evidence.detail}")
    return _all_done(situation, record)


def _streaming(situation: Situation) -> Plan:
    name = situation.run.candidate
    assert name is not None, "a rejoin is of a member"
    facts = primary_facts(situation.view)
    standby = None if facts is None else streaming(facts, name)
    if standby is None and _has_died(situation, name):
        return Impossible(note=f"{name} is down again")
    if standby is None:
        return NotYet(note=f"{situation.record.primary} does not see {name} streaming yet", after_s=0.2)
    return Instant(evidence=Checked(detail=f"{name} streams from {situation.record.primary}"))


def _has_died(situation: Situation, name: MemberName) -> bool:
    """Whether a member that was started in this run is down, by its host and by the network, since the step began."""
    report, host = situation.view.report(name), situation.view.host(name)
    began_s = situation.run.step(situation.step.id).attempt_started_s
    return (
        began_s is not None
        and report is not None
        and report.reachability is Reachability.REFUSED
        and host is not None
        and host.postmaster is Postmaster.DOWN
        and min(report.at_s, host.at_s) > began_s
    )


def _all_done(_situation: Situation, record: StepRecord) -> Judgement:
    if any(task.open for task in record.tasks):
        return Pending()
    broken = [task for task in record.tasks if task.status is not TaskStatus.DONE]
    if broken:
        return Broken(note="; ".join(f"{task.member}: {task.error}" for task in broken))
    return Succeeded()


_PLANS: Mapping[str, Callable[[Situation], Plan]] = {
    "ready": _ready,
    "checkpoint": _checkpoint,
    "stop": _stop,
    "start": _start,
    "fence": _fence,
    "seal": _seal,
    "choose": _choose,
    "record": _record,
    "promote": _promote,
    "follow": _follow,
    "set_sync": _set_sync,
    "marker": _marker,
    "appoint": _appoint,
    "commit": _commit,
    "rejoin": _rejoin,
    "streaming": _streaming,
    **POOL_PLANS,
    **OWN_PLANS,
}

_JUDGES: Mapping[str, Callable[[Situation, StepRecord], Judgement]] = {
    "seal": _sealed,
    "marker": _marked,
    "rejoin": _rejoined,
    **POOL_JUDGES,
    **OWN_JUDGES,
}


def recent_failovers(record: GroupRecord, now_utc: str) -> tuple[str, ...]:
    """The times of the automatic failovers of the last hour."""
    now = datetime.fromisoformat(now_utc)
    return tuple(at for at in record.failovers_utc if now - datetime.fromisoformat(at) < timedelta(hours=1))
