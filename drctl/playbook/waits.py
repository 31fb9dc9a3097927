"""What a step can wait for: conditions about one member, read from what the controller sees anyway."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from drctl.decision.memory import primary_facts, streaming
from drctl.model.identity import MemberName
from drctl.model.report import MemberFacts, StandbyFacts
from drctl.model.view import GroupView


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """A condition that a member can meet."""

    words: str
    missing: Callable[[GroupView, MemberName, int], str]
    """What it still lacks, in words; empty when it is met. The number is the allowed lag in bytes."""
    about_lag: bool = False


def missing(condition: str, view: GroupView, member: MemberName, lag_bytes: int) -> str:
    """What `member` lacks of `condition`; empty when it is met."""
    return WAITS[condition].missing(view, member, lag_bytes)


def _answers(view: GroupView, member: MemberName, _: int) -> str:
    report = view.report(member)
    return "" if report is not None and report.answers else f"the database of {member} does not answer"


def _host_answers(view: GroupView, member: MemberName, _: int) -> str:
    host = view.host(member)
    return "" if host is not None and host.answers else f"the host of {member} does not answer"


def _is_primary(view: GroupView, member: MemberName, _: int) -> str:
    facts = _facts(view, member)
    return "" if facts is not None and not facts.in_recovery else f"{member} does not accept writes"


def _is_standby(view: GroupView, member: MemberName, _: int) -> str:
    facts = _facts(view, member)
    return "" if facts is not None and facts.in_recovery else f"{member} does not answer as a standby"


def _streams(view: GroupView, member: MemberName, _: int) -> str:
    return "" if _seen(view, member) is not None else f"the primary does not see {member} streaming"


def _in_sync(view: GroupView, member: MemberName, _: int) -> str:
    if view.record is None or member not in view.record.rule.sync.members:
        return f"{member} is not in the sync set"
    seen = _seen(view, member)
    if seen is None:
        return f"the primary does not see {member} streaming"
    return "" if seen.sync_state in {"sync", "quorum"} else f"{member} is {seen.sync_state}, not synchronous"


def _lag_below(view: GroupView, member: MemberName, lag_bytes: int) -> str:
    seen, facts = _seen(view, member), primary_facts(view)
    if seen is None or facts is None or seen.flushed_lsn is None:
        return f"the primary does not see {member} streaming"
    behind_bytes = max(0, facts.written_lsn - seen.flushed_lsn)
    return "" if behind_bytes < lag_bytes else f"{member} is {behind_bytes} bytes behind"


def _replay_lag_below(view: GroupView, member: MemberName, lag_bytes: int) -> str:
    seen, facts = _seen(view, member), primary_facts(view)
    if seen is None or facts is None or seen.replayed_lsn is None:
        return f"the primary does not see {member} streaming"
    behind_bytes = max(0, facts.written_lsn - seen.replayed_lsn)
    return "" if behind_bytes < lag_bytes else f"{member} shows a state {behind_bytes} bytes old"


def _facts(view: GroupView, member: MemberName) -> MemberFacts | None:
    report = view.report(member)
    return report.facts if report is not None and report.answers else None


def _seen(view: GroupView, member: MemberName) -> StandbyFacts | None:
    facts = primary_facts(view)
    return None if facts is None else streaming(facts, member)


WAITS: Mapping[str, Wait] = {
    "answers": Wait(words="its database answers", missing=_answers),
    "host_answers": Wait(words="its host answers", missing=_host_answers),
    "is_primary": Wait(words="it accepts writes", missing=_is_primary),
    "is_standby": Wait(words="it answers as a standby", missing=_is_standby),
    "streaming": Wait(words="the primary sees it streaming", missing=_streams),
    "in_sync": Wait(words="it streams, and commits may wait for its acknowledgement", missing=_in_sync),
    "lag_below": Wait(words="it has flushed all but less than `lag`", missing=_lag_below, about_lag=True),
    "replay_lag_below": Wait(
        words="readers there see all but less than `lag`", missing=_replay_lag_below, about_lag=True
    ),
}
"""Every condition of `wait_until` by its name."""
