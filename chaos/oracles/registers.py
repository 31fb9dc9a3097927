"""Every register behaves as if there were one, and its calls came one after the other."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import replace
from typing import TYPE_CHECKING

from chaos.oracles.linearizable import NEVER_NS, Call, Contradiction, Effect, Exhausted, linearize
from chaos.oracles.verdict import Finding, conclude
from chaos.workload.operation import RegisterCas, RegisterRead, RegisterWrite
from chaos.workload.record import OutcomeClass, SeenValue

if TYPE_CHECKING:
    from collections.abc import Iterable

    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict
    from chaos.workload.record import Attempt, History

ORACLE = "registers"
STEPS_MAX = 500_000
"""For each register; about five seconds. Twenty calls at one time on one register are beyond it, ten are not."""


def check_registers(history: History, final: MemberDump | None = None, *, steps_max: int = STEPS_MAX) -> Verdict:
    """Search for an order, register by register. `final` is read as one more call after all others."""
    calls_of = _calls_of(history.attempts)
    calls_total = sum(map(len, calls_of.values()))
    findings = []
    exhausted = []
    for key, calls in sorted(calls_of.items()):
        if final is not None:
            calls.append(_final_read(final, key))
        match linearize(settle_unknown(calls), steps_max=steps_max):
            case Contradiction() as contradiction:
                findings.append(_finding(key, contradiction))
            case Exhausted():
                exhausted.append(key)
            case None:
                pass
    summary = f"{calls_total} calls on {len(calls_of)} registers, {len(findings)} of them not linearizable"
    counts = {"registers": len(calls_of), "calls": calls_total, "exhausted": len(exhausted)}
    doubt = None
    if not calls_of:
        doubt = "no register was called"
    elif exhausted:
        doubt = f"the search was given up on {len(exhausted)} of {len(calls_of)} registers"
    return conclude(ORACLE, summary, counts, findings, doubt=doubt)


def settle_unknown(calls: list[Call]) -> list[Call]:
    """Decide from the answers which calls of unknown outcome took effect, so that the search need not guess.

    No value is written twice. A value that was seen was therefore written, before the first that saw it returned; a
    value that was never seen can be left out, unless a compare-and-set that did not match may have met it.
    """
    written = Counter(call.value for call in calls if call.effect in (Effect.WRITE, Effect.CAS))
    if any(count > 1 for count in written.values()):
        return calls
    seen_ns: dict[int | None, int] = {}
    for call in calls:
        if call.returned_ns < NEVER_NS:
            _see(seen_ns, call)
    pending = {call.value: call for call in calls if call.returned_ns == NEVER_NS}
    # A compare-and-set that took effect saw the value before it: that may settle another one.
    unsettled = True
    while unsettled:
        unsettled = False
        for value, call in pending.items():
            if call.called_ns <= seen_ns.get(value, NEVER_NS) < call.returned_ns:
                pending[value] = replace(call, returned_ns=seen_ns[value])
                _see(seen_ns, pending[value])
                unsettled = True
    mismatches = any(call.effect is Effect.MISMATCH for call in calls)
    settled = [pending.get(call.value, call) if call.returned_ns == NEVER_NS else call for call in calls]
    return [call for call in settled if mismatches or call.returned_ns < NEVER_NS]


def _see(seen_ns: dict[int | None, int], call: Call) -> None:
    seen = call.value if call.effect is Effect.READ else call.expected if call.effect is Effect.CAS else None
    if seen is not None:
        seen_ns[seen] = min(call.returned_ns, seen_ns.get(seen, NEVER_NS))


def _calls_of(attempts: Iterable[Attempt]) -> dict[int, list[Call]]:
    calls: dict[int, list[Call]] = defaultdict(list)
    for attempt in attempts:
        operation = attempt.intent.call
        if isinstance(operation, RegisterRead | RegisterWrite | RegisterCas) and attempt.pinned is None:
            call = _call(attempt, operation)
            if call is not None:
                calls[operation.key].append(call)
    return calls


def _call(attempt: Attempt, operation: RegisterRead | RegisterWrite | RegisterCas) -> Call | None:
    """The call as the search knows it; None when it certainly did nothing and said nothing."""
    told = attempt.told
    if attempt.outcome is OutcomeClass.FAILED:
        return None
    certain = told is not None and attempt.acked
    returned_ns = told.done_ns if told is not None and certain else NEVER_NS
    expected: int | None = None
    value: int | None
    match operation:
        case RegisterRead():
            if told is None or not certain or not isinstance(told.seen, SeenValue):
                return None
            effect, value = Effect.READ, told.seen.value
        case RegisterWrite():
            effect, value = Effect.WRITE, operation.value
        case RegisterCas():
            matched = told is None or not certain or told.wrote
            effect = Effect.CAS if matched else Effect.MISMATCH
            value, expected = operation.value, operation.expected
    return Call(
        name=attempt.op,
        effect=effect,
        called_ns=attempt.called_ns,
        returned_ns=returned_ns,
        value=value,
        expected=expected,
    )


def _final_read(final: MemberDump, key: int) -> Call:
    return Call(
        name=f"final read on {final.member}",
        effect=Effect.READ,
        called_ns=NEVER_NS - 2,
        returned_ns=NEVER_NS - 1,
        value=final.registers.get(key),
    )


def _finding(key: int, contradiction: Contradiction) -> Finding:
    call = contradiction.call
    what = {
        Effect.READ: f"read {call.value}",
        Effect.WRITE: f"wrote {call.value}",
        Effect.CAS: f"changed {call.expected} to {call.value}",
        Effect.MISMATCH: f"did not find {call.expected}",
    }[call.effect]
    held = ", ".join(map(str, contradiction.values))
    return Finding(
        kind="not-linearizable",
        subject=f"register {key}",
        text=f"{call.name} {what}; no order of the calls explains it: before it the register held one of {held}",
    )
