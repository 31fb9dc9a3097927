"""What to do about a group: one pass over one set of observations, never waiting for a member that is silent."""

from __future__ import annotations

from datetime import datetime, timedelta

from drctl.decision.crash import predicted_recovery_s
from drctl.decision.diagnosis import Diagnosis, Evidence, Health, diagnose
from drctl.decision.memory import Memory, primary_facts, streaming
from drctl.decision.quorum import down_when_sealed, missing, unmet
from drctl.decision.requests import answer_request
from drctl.decision.returning import wants_home, who_rejoins
from drctl.decision.syncset import wanted_change
from drctl.decision.verdict import Adopt, Ask, Begin, Decision, Stay, Why
from drctl.model.evidence import Chosen
from drctl.model.identity import MemberName, RunId
from drctl.model.playbook import HANDOVERS, RunKind
from drctl.model.policy import OnCrash, Policy
from drctl.model.report import Postmaster
from drctl.model.rule import RULES_MAX, GroupRecord, SyncSet
from drctl.model.run import Run
from drctl.model.view import GroupView


def decide(view: GroupView, memory: Memory, policy: Policy, *, driving: RunId | None = None) -> Decision:
    """The one thing to do now. `driving` is the run that this controller drives already; None when it drives none."""
    if not view.connected:
        return Stay(why=Why.NO_COORDINATOR, reason="the coordinator does not answer: nothing is changed")
    if not view.leading:
        return Stay(why=Why.NOT_LEADING, reason="another controller leads")
    record = view.record
    if record is None:
        return Stay(why=Why.NOT_INITIALISED, reason=f"no record; type: drctl init {view.group.name}")
    diagnosis = diagnose(view, record.primary)
    return (
        _about_the_run(view, record, diagnosis, memory, policy, driving)
        or answer_request(view, memory, diagnosis)
        or _about_a_pause(record)
        or _about_the_primary(view, record, diagnosis, memory, policy)
        or _about_an_interruption(view, record, memory, policy)
        or _about_the_standbys(view, memory, policy)
        or Stay(why=Why.HEALTHY, reason=diagnosis.reason)
    )


def _about_the_run(
    view: GroupView, record: GroupRecord, diagnosis: Diagnosis, memory: Memory, policy: Policy, driving: RunId | None
) -> Decision | None:
    """A run that is under way: let it go on, take it over, or supersede it when the primary dies meanwhile."""
    run = view.run
    if record.run is None:
        return None
    if run is None:
        return Stay(why=Why.UNKNOWN, reason=f"the journal of {record.run} has not been read yet")
    going_on = Stay(why=Why.RUNNING, reason=f"{run.id} ({run.kind}) is under way")
    if not record.paused and _overtaken(view, record, run, diagnosis):
        return _about_the_primary(view, record, diagnosis, memory, policy) or going_on
    if run.id != driving:
        return Adopt(reason=f"{run.id} was left by {run.owner}")
    return answer_request(view, memory, diagnosis) or going_on


def _overtaken(view: GroupView, record: GroupRecord, run: Run, diagnosis: Diagnosis) -> bool:
    """Whether a second failure makes the run that is under way pointless."""
    if run.kind in {RunKind.REJOIN, RunKind.SYNCSET} or record.primary != run.old_primary:
        return diagnosis.dead
    if run.kind is RunKind.RESTART:
        # Recovery that takes longer than was predicted is not waited for where another can serve.
        return diagnosis.evidence is Evidence.RECOVERING and diagnosis.dead and _heir_possible(view, record)
    if run.kind in HANDOVERS and not run.began("stop", "seal"):
        # It may be waiting for people; the primary's death is not its doing.
        return diagnosis.dead
    heir = record.rule.primary
    chosen = {evidence.heir for _, evidence in run.evidence("choose") if isinstance(evidence, Chosen)}
    # The heir of an earlier run that was interrupted may well be dead: that is why this run goes on without it.
    if heir == record.primary or heir not in chosen:
        return False
    # What was seen of the heir may be from before its promotion: only its death counts, and not that it was down when it
    # was sealed, for then the promotion starts it.
    evidence = diagnose(view, heir).evidence
    waits_for_its_start = heir in down_when_sealed(run) and not run.evidence("promote")
    return evidence is Evidence.SILENT_TO_ALL or (evidence is Evidence.POSTMASTER_GONE and not waits_for_its_start)


def _about_a_pause(record: GroupRecord) -> Decision | None:
    if record.paused:
        return Stay(why=Why.PAUSED, reason=f"paused; type: drctl resume {record.group}")
    return None


def _about_the_primary(
    view: GroupView, record: GroupRecord, diagnosis: Diagnosis, memory: Memory, policy: Policy
) -> Decision | None:
    if diagnosis.health is Health.UNKNOWN:
        return Stay(why=Why.UNKNOWN, reason=diagnosis.reason)
    if diagnosis.health is Health.SUSPECT:
        return Stay(why=Why.SUSPECT, reason=diagnosis.reason)
    if diagnosis.health is Health.ALIVE:
        return None
    waiting = _waits(view, memory, policy)
    if waiting:
        return waiting
    recent = [at for at in record.failovers_utc if _within_an_hour(at, view.now_utc)]
    if len(recent) >= policy.failovers_per_hour:
        return Ask(
            reason=f"{diagnosis.reason}; there were {len(recent)} failovers in the last hour, and the policy allows no more",
            remedy=f"drctl failover {view.group.name}",
        )
    return bring_back(view, record, diagnosis, memory, policy)


def bring_back(view: GroupView, record: GroupRecord, diagnosis: Diagnosis, memory: Memory, policy: Policy) -> Decision:
    """How service returns after the death of the primary: an heir, the old primary itself, or a person."""
    sealable = {member.name for member in view.group.peers if _reachable(view, member.name)} - {record.primary}
    host = view.host(record.primary)
    restartable = host is not None and host.answers and host.postmaster in {Postmaster.DOWN, Postmaster.ORPHANS}
    recovery_s = predicted_recovery_s(host, memory, record.primary)
    prefers_restart = (
        policy.on_crash is OnCrash.RESTART
        and diagnosis.evidence is Evidence.POSTMASTER_GONE
        and memory.failures == 0
        and recovery_s is not None
        and recovery_s <= policy.restart_recovery_max_s
    )
    heir_possible = _heir_possible(view, record)
    if heir_possible and not (prefers_restart and restartable):
        return Begin(kind=RunKind.FAILOVER, reason=diagnosis.reason)
    # It has everything when the newest rule is its own: what the older ones demand was proven before it was promoted.
    if restartable and record.rule.primary == record.primary:
        why = (
            f"the policy tries that first when recovery is short, and {recovery_s:.1f} s are predicted"
            if heir_possible
            else "no heir is proven to have every acknowledged commit"
        )
        return Begin(kind=RunKind.RESTART, reason=f"{diagnosis.reason}; {why}", candidate=record.primary)
    if sealable and not unmet(record.rules, sealable):
        # A former primary is needed: it is taken where there is no other way.
        return Begin(kind=RunKind.FAILOVER, reason=diagnosis.reason)
    absent = missing(record.rules, sealable)
    return Ask(
        reason=(
            f"{diagnosis.reason}; the rule {', '.join(str(rule) for rule in unmet(record.rules, sealable))} cannot be met: "
            f"an acknowledged commit may be on {' or '.join(absent)} alone"
        ),
        remedy=f"bring back one of: {', '.join(absent)}",
        missing=absent,
    )


def _heir_possible(view: GroupView, record: GroupRecord) -> bool:
    """Whether the standbys that can be sealed are proven to have every acknowledged commit."""
    standbys = {
        member.name
        for member in view.group.peers
        if member.name != record.primary and _reachable(view, member.name) and _stands_by(view, member.name)
    }
    return bool(standbys) and not unmet(record.rules, standbys)


def _about_an_interruption(view: GroupView, record: GroupRecord, memory: Memory, policy: Policy) -> Decision | None:
    """More than one rule and no run: a change was interrupted, and is resumed towards the newest rule."""
    if not record.joint:
        return None
    moved = record.rule.primary != record.primary
    sync = record.rule.sync if moved or _can_acknowledge(view, record.rule.sync) else _who_can_acknowledge(view, memory)
    if sync is None:
        return None  # no marker could be acknowledged: first the standbys must come back
    waiting = _waits(view, memory, policy)
    if waiting:
        return waiting
    reason = f"a change to {record.rule} was interrupted"
    if moved:
        return Begin(kind=RunKind.FAILOVER, reason=reason)
    if sync != record.rule.sync:
        reason += ", and nobody of that set can acknowledge"
    return Begin(kind=RunKind.SYNCSET, reason=reason, sync=sync)


def _can_acknowledge(view: GroupView, sync: SyncSet) -> bool:
    facts = primary_facts(view)
    return facts is not None and sum(streaming(facts, name) is not None for name in sync.members) >= sync.count


def _who_can_acknowledge(view: GroupView, memory: Memory) -> SyncSet | None:
    """The newest set together with who has caught up meanwhile; None when they cannot acknowledge either."""
    record = view.record
    assert record is not None, "asked about a change of rules"
    ready = {member.name for member in view.group.peers if member.name in memory.caught_up_since_s}
    members = record.rule.sync.members | ready
    sync = SyncSet(count=min(view.group.policy.sync_count, len(members)), members=members)
    # One place is kept for the heir of a failover.
    return sync if _can_acknowledge(view, sync) and len(record.rules) < RULES_MAX - 1 else None


def _about_the_standbys(view: GroupView, memory: Memory, policy: Policy) -> Decision | None:
    if view.record is None or primary_facts(view) is None:
        return None
    joint = view.record.joint
    change = None if joint else wanted_change(view, memory)
    rejoins = who_rejoins(view, memory)
    home = None if joint else wants_home(view, memory)
    if change is None and rejoins is None and home is None:
        return None
    waiting = _waits(view, memory, policy)
    if waiting:
        return waiting
    if change is not None:
        return Begin(kind=RunKind.SYNCSET, reason=change.reason, sync=change.sync)
    if rejoins is not None:
        return Begin(kind=RunKind.REJOIN, reason=rejoins[1], candidate=rejoins[0])
    assert home is not None, "one of the three is wanted"
    return Begin(kind=RunKind.SWITCHBACK, reason=home[1], candidate=home[0])


def _waits(view: GroupView, memory: Memory, policy: Policy) -> Decision | None:
    if memory.failed_at_s is None:
        return None
    pause_s = min(policy.retry_after_s * 2 ** (memory.failures - 1), policy.retry_after_max_s)
    left_s = memory.failed_at_s + pause_s - view.now_s
    if left_s <= 0:
        return None
    return Stay(why=Why.WAITING, reason=f"{memory.failures} tries failed; the next one in {left_s:.0f} s")


def _reachable(view: GroupView, name: MemberName) -> bool:
    report, host = view.report(name), view.host(name)
    return (report is not None and report.answers) or (host is not None and host.answers)


def _stands_by(view: GroupView, name: MemberName) -> bool:
    report, host = view.report(name), view.host(name)
    if report is not None and report.answers and report.facts is not None:
        return report.facts.in_recovery
    return host is not None and host.answers and host.standby_signal


def _within_an_hour(at_utc: str, now_utc: str) -> bool:
    return datetime.fromisoformat(now_utc) - datetime.fromisoformat(at_utc) < timedelta(hours=1)
