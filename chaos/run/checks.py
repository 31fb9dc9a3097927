"""What is expected of a scenario, held against what was seen; and the verdict."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from chaos.faults.crashpoint import ZOMBIE_EVENT
from chaos.oracles.outage import longest_gap_s, measure_outage
from chaos.oracles.set_full import ORACLE as SET_FULL
from chaos.oracles.verdict import Result
from chaos.workload.record import OutcomeClass

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chaos.oracles.outage import Outage
    from chaos.run.play import Play, Round


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One expectation."""

    name: str
    holds: bool
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """The verdict on a scenario, and the figures of its line in the table."""

    result: Result
    why: str
    checks: tuple[Check, ...]
    outage_s: float | None
    """The longest of the rounds; None when the clients noticed none, or when service did not return."""
    gap_s: float | None
    protected_s: float | None
    """The longest time from the mending to full protection; None when it did not come."""
    acked: int
    lost: int | None
    """None when the members were not read."""


def judge_play(play: Play) -> Judged:
    """Fail when anything that must hold does not; inconclusive when too little was seen; else pass."""
    checks = tuple(_checks(play)) if play.history is not None else ()
    broken = [check.text for check in checks if not check.holds]
    failing = [
        f"{one.oracle}: {one.findings[0].kind} {one.findings[0].text}" if one.findings else one.oracle
        for one in play.verdicts
        if one.result is Result.FAIL and one.oracle not in play.scenario.expect.tolerate
    ]
    doubts = [f"{one.oracle}: {one.summary}" for one in play.verdicts if one.result is Result.INCONCLUSIVE]
    set_full = next((one for one in play.verdicts if one.oracle == SET_FULL), None)
    result, why = Result.PASS, ""
    if play.refuted or broken or failing:
        result, why = Result.FAIL, "; ".join([*play.refuted, *failing, *broken])
    elif play.unproved or doubts or play.history is None:
        result, why = Result.INCONCLUSIVE, play.unproved or "; ".join(doubts) or "nothing was read"
    tolerated = [one for one in play.verdicts if one.result is Result.FAIL and one.oracle not in "".join(failing)]
    if tolerated and result is Result.PASS:
        why = "; ".join(f"tolerated: {one.findings_total} of {one.oracle}" for one in tolerated)
    rounds = play.rounds
    protected = [(one.protected_ns - one.healed_ns) / 1e9 for one in rounds if one.protected_ns is not None]
    outages = [one for one in (_outage(play, number) for number in range(len(rounds))) if one is not None]
    seen = [one.first_s for one in outages if one.first_s is not None]
    gaps = [gap for gap in (_gap_s(play, one) for one in rounds) if gap is not None]
    return Judged(
        result=result,
        why=why,
        checks=checks,
        outage_s=max(seen) if seen else None,
        gap_s=max(gaps) if gaps else None,
        protected_s=max(protected) if protected and len(protected) == len(rounds) else None,
        acked=sum(attempt.acked for attempt in play.history.attempts) if play.history is not None else 0,
        lost=None if set_full is None else int(set_full.counts.get("lost", 0)),
    )


def _checks(play: Play) -> Iterator[Check]:
    expect, rounds = play.scenario.expect, play.rounds
    assert play.watch is not None, "a play is watched"
    assert play.history is not None, "asked of what was read"
    events = list(play.watch.events())
    failovers = [run for run in play.watch.ended("failover") if run["outcome"] in {"done", "degraded"}]
    if expect.failover is not None:
        moved = all(number < len(failovers) for number in range(len(rounds))) if expect.failover else bool(failovers)
        text = (
            f"{len(failovers)} failovers in {len(rounds)} rounds, expected {'one each' if expect.failover else 'none'}"
        )
        yield Check(name="failover", holds=moved is expect.failover, text=text)
    if expect.failovers_max is not None:
        count = len(failovers)
        yield Check(
            name="failovers_max",
            holds=count <= expect.failovers_max,
            text=f"{count} failovers, at most {expect.failovers_max} are explained",
        )
    for kind, outcome in expect.runs.items():
        outcomes = [str(run["outcome"]) for run in play.watch.ended(kind)]
        yield Check(name=kind, holds=outcome in outcomes, text=f"runs of {kind}: {outcomes or 'none'}, not {outcome}")
    if expect.outage_max is not None:
        yield from _outages(play, expect.outage_max)
    if expect.gap_max is not None:
        gaps = [_gap_s(play, one) for one in rounds]
        known = [gap for gap in gaps if gap is not None]
        yield Check(
            name="gap",
            holds=len(known) == len(gaps) and max(known, default=0.0) <= expect.gap_max,
            text=f"the longest gap was {max(known, default=0.0):.2f} s, allowed are {expect.gap_max:g} s",
        )
    if expect.refused:
        yield _refusal(play, events)
    if expect.refused or expect.unserved:
        yield from _unserved(play)
    if expect.alarm is not None:
        codes = {str(event.get("code")) for event in events if event.get("event") == "alarm"}
        yield Check(
            name="alarm", holds=expect.alarm in codes, text=f"alarms: {sorted(codes) or 'none'}, not {expect.alarm}"
        )
    if expect.unsafe_min:
        unsafe = sum(attempt.outcome is OutcomeClass.ACKED_UNSAFE for attempt in play.history.attempts)
        yield Check(name="unsafe", holds=unsafe >= expect.unsafe_min, text=f"only {unsafe} commits with a warning")
    if expect.setting_restored_within is not None:
        worst = max((one.restored_s if one.restored_s is not None else 1e9 for one in rounds), default=1e9)
        yield Check(
            name="restored",
            holds=worst <= expect.setting_restored_within,
            text=f"the setting was put back after {worst:.1f} s, allowed are {expect.setting_restored_within:g} s",
        )
    if expect.zombie_refused:
        woken = [event for event in events if event.get("event") == ZOMBIE_EVENT]
        said = "; ".join(f"{event['effect']}: {event['error'] or 'carried out'}" for event in woken)
        yield Check(
            name="zombie_refused",
            holds=bool(woken) and all(event["error"] for event in woken),
            text=f"what the sleeper went on to do: {said or 'nothing was seen'}",
        )


def _outages(play: Play, limit_s: float) -> Iterator[Check]:
    for number in range(len(play.rounds)):
        outage = _outage(play, number)
        first_s = 0.0 if outage is None else outage.first_s
        words = "never" if first_s is None else f"after {first_s:.2f} s"
        yield Check(
            name="outage",
            holds=first_s is not None and first_s <= limit_s,
            text=f"service returned {words}, allowed are {limit_s:g} s",
        )


def _refusal(play: Play, events: list[Mapping[str, Any]]) -> Check:
    asked = [event for event in events if event.get("event") == "alarm" and event.get("code") == "person_needed"]
    tried = [run for run in play.watch.ended("failover") if "missing" in str(run["note"])] if play.watch else []
    return Check(
        name="refused",
        holds=bool(asked or tried),
        text="drctl never said that it must not promote, and who is missing",
    )


def _unserved(play: Play) -> Iterator[Check]:
    assert play.history is not None, "asked of what was read"
    for one in play.rounds:
        served = [
            attempt
            for attempt in play.history.attempts
            if attempt.acked_write
            and attempt.told is not None
            and attempt.intent.at_ns > one.injected_ns
            and attempt.told.done_ns < one.healed_ns
            and attempt.told.served is not None
            and attempt.told.served.member != one.primary
        ]
        yield Check(
            name="no promotion on a guess",
            holds=not served,
            text=f"{len(served)} writes were acknowledged by another member although the rule could not be met",
        )


def _outage(play: Play, number: int) -> Outage | None:
    """The outage of one round; None when the clients noticed none."""
    one = play.rounds[number]
    if play.history is None or not one.injected_ns:
        return None
    after = [later.injected_ns for later in play.rounds[number + 1 :] if later.injected_ns]
    until_ns = min([one.healed_ns or 1 << 62, *after])
    return measure_outage(play.history, one.injected_ns, play.dumps, until_ns=until_ns)


def _gap_s(play: Play, one: Round) -> float | None:
    if play.history is None or not one.healed_ns:
        return None
    return longest_gap_s(play.history, one.injected_ns, one.healed_ns)
