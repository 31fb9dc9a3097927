"""What the actions do that a hospital adds to its copy of a playbook: commands, queries, requests, waits, approvals."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from drctl.controller.plan import (
    POLL_S,
    Broken,
    Call,
    Calls,
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
from drctl.model.command import Query, RunAllowed, WebRequest
from drctl.model.evidence import Checked, CommandRan, HttpAnswered, Queried
from drctl.model.identity import MemberName
from drctl.model.playbook import ParamValue
from drctl.model.run import StepRecord, TaskStatus
from drctl.playbook.people import waiting_words
from drctl.playbook.subject import subject
from drctl.playbook.waits import missing


def _command(situation: Situation) -> Plan:
    member = _subject(situation)
    if not isinstance(member, str):
        return member
    command = RunAllowed(allowed=_text(situation, "run"), run=situation.run.id, step=situation.step.id)
    return Calls(calls=(Call(member=member, command=command),))


def _sql(situation: Situation) -> Plan:
    member = _subject(situation)
    if not isinstance(member, str):
        return member
    query = Query(text=_text(situation, "query"), database=_text(situation, "database"))
    return Calls(calls=(Call(member=member, command=query),))


def _http(situation: Situation) -> Plan:
    request = WebRequest(
        method=_text(situation, "method", "GET"),
        url=_text(situation, "url"),
        body=_text(situation, "body"),
        content_type=_text(situation, "content_type", "application/json"),
    )
    return Calls(calls=(Call(member=None, command=request),))


def _wait_until(situation: Situation) -> Plan:
    member = _subject(situation)
    if not isinstance(member, str):
        return member
    condition, lag = _text(situation, "condition"), situation.step.params.get("lag", 0)
    lacks = missing(condition, situation.view, member, lag if isinstance(lag, int) else 0)
    if lacks:
        return NotYet(note=lacks, after_s=POLL_S / 2)
    return Instant(evidence=Checked(detail=f"{member}: {condition}"))


def _approve(situation: Situation) -> Plan:
    # It is dispatched only after people agreed: its approval is all that there is to it.
    return Instant(evidence=Checked(detail=waiting_words(situation.run, situation.step)))


def _subject(situation: Situation) -> MemberName | Plan:
    """The member that a step is about, or what follows when there is none."""
    word = _text(situation, "on")
    member = subject(situation.run, situation.record, word)
    if member is None:
        return Impossible(note=f"nobody is the {word} of this run")
    if member not in situation.members:
        return Nothing(note=f"{situation.run.group} has no member {member}")
    return member


def _text(situation: Situation, key: str, default: str = "") -> str:
    return str(situation.step.params.get(key, default))


def _judged(situation: Situation, record: StepRecord) -> Judgement:
    """Whether what was answered is what the playbook expects."""
    if any(task.open for task in record.tasks):
        return Pending()
    for task in record.tasks:
        if task.status is not TaskStatus.DONE:
            return Broken(note=f"{task.member}: {task.error}" if task.member else task.error)
        wrong = _unexpected(task.evidence, situation.step.params)
        if wrong:
            return Broken(note=f"{task.member}: {wrong}" if task.member else wrong)
    return Succeeded()


def _unexpected(evidence: object, params: Mapping[str, ParamValue]) -> str:
    """What is wrong with an answer; empty when it is as expected."""
    expected = params.get("expect")
    match evidence:
        case CommandRan(command=command, code=code, output=output):
            wanted = 0 if expected is None else expected
            return "" if code == wanted else f"{command} ended with {code} instead of {wanted}: {_line(output)}"
        case HttpAnswered(status=status, body=body):
            wanted = 200 if expected is None else expected
            return "" if status == wanted else f"answered {status} instead of {wanted}: {_line(body)}"
        case Queried(value=value, rows=rows):
            if expected is None or (value is not None and _same(value, expected)):
                return ""
            found = "no row" if rows == 0 else "null" if value is None else repr(value)
            return f"answered {found} instead of {expected!r}"
        case _:
            return f"answered with {type(evidence).__name__}"


def _same(found: str, expected: ParamValue) -> bool:
    """Whether a database's text says what the playbook's value says."""
    if isinstance(expected, bool):
        return found in ({"t", "true", "on"} if expected else {"f", "false", "off"})
    if isinstance(expected, int | float):
        try:
            return float(found) == expected
        except ValueError:
            return False
    return found == expected


def _line(text: str) -> str:
    return " ".join(text.split())[:300] or "nothing was said"


OWN_PLANS: Mapping[str, Callable[[Situation], Plan]] = {
    "command": _command,
    "sql": _sql,
    "http": _http,
    "wait_until": _wait_until,
    "approve": _approve,
}

OWN_JUDGES: Mapping[str, Callable[[Situation, StepRecord], Judgement]] = {
    "command": _judged,
    "sql": _judged,
    "http": _judged,
}
