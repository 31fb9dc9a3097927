"""What a group must have before drctl can promise anything, as far as its databases tell."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from drctl.model.identity import MemberName
from drctl.model.takeover import Finding, FindingSeverity
from drctl.model.topology import Group, Member
from drctl.postgres.dialect import VERSION_MIN
from drctl.postgres.findings import alter, error, psql, warning, well
from drctl.postgres.overrides import weak
from drctl.postgres.portrait import Portrait, Sender

WAL_SENDERS_SPARE = 2
"""Beyond one a standby: for a base backup, which takes two."""
LAG_BYTES_MAX = 64 << 20
CLOCKS_APART_MAX_S = 1.0
AT_LEAST_THE_PRIMARYS = (
    "max_connections", "max_worker_processes", "max_wal_senders", "max_prepared_transactions", "max_locks_per_transaction",
)  # fmt: skip
"""Source: PostgreSQL documentation, "Hot Standby", "Administrator's Overview"."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """What a setting should be on every member, because any of them may be the primary tomorrow."""

    name: str
    holds: Callable[[str], bool]
    why: str
    """What goes wrong where it does not hold."""
    value: str | None
    """What to set; None to take away what was set."""
    restart: bool = False
    severity: FindingSeverity = FindingSeverity.ERROR


def _between(least: int, greatest: int) -> Callable[[str], bool]:
    return lambda value: least <= int(value) <= greatest


SETTINGS_WANTED = (
    Wanted(name="fsync", holds=lambda value: value == "on", value="on",
           why="what it acknowledges may not survive a loss of power"),
    Wanted(name="full_page_writes", holds=lambda value: value == "on", value="on",
           why="a page that was half written when power went is not mended, and pg_rewind refuses to work"),
    Wanted(name="wal_level", holds=lambda value: value in {"replica", "logical"}, value="replica", restart=True,
           why="it cannot be a primary"),
    Wanted(name="hot_standby", holds=lambda value: value == "on", value="on", restart=True,
           why="as a standby it could not be asked how far it is"),
    Wanted(name="synchronous_commit", holds=lambda value: not weak(value), value=None,
           why="commits would be acknowledged before a standby has them on disk"),
    Wanted(name="recovery_target_timeline", holds=lambda value: value in {"", "latest"}, value=None, restart=True,
           why="as a standby it could not follow an heir to a new timeline"),
    Wanted(name="wal_receiver_status_interval", holds=lambda value: value != "0", value="1s",
           why="as a standby it would never tell what it has flushed, and commits would wait for it for ever"),
    Wanted(name="wal_retrieve_retry_interval", holds=_between(0, 1000), value="200ms", severity=FindingSeverity.WARNING,
           why="as a standby it waits that many milliseconds before it connects again, and commits wait with it"),
    Wanted(name="wal_receiver_timeout", holds=_between(1, 10_000), value="5s", severity=FindingSeverity.WARNING,
           why="as a standby it clings for so many milliseconds (0: for ever) to a primary that fell silent"),
    Wanted(name="wal_sender_timeout", holds=_between(1, 10_000), value="5s", severity=FindingSeverity.WARNING,
           why="as a primary it believes for so many milliseconds (0: for ever) in a standby that fell silent, "
           "and a stop may wait as long for it"),
)  # fmt: skip


def of_member(portrait: Portrait, member: Member) -> Iterator[Finding]:
    """What is wrong with one member by itself."""
    if portrait.version_num < VERSION_MIN:
        yield error(
            member.name,
            f"runs PostgreSQL {portrait.major}",
            f"PostgreSQL {VERSION_MIN // 10000} is the oldest that drctl is tested with",
            "pg_upgrade --help; or move the group to a newer server by logical replication",
        )
    for wanted in SETTINGS_WANTED:
        value = portrait.settings.get(wanted.name)
        if value is not None and not wanted.holds(value):
            yield Finding(
                severity=wanted.severity,
                subject=member.name,
                what=f"{wanted.name} is {value}",
                why=wanted.why,
                remedy=alter(member, wanted.name, wanted.value, restart=wanted.restart),
            )
    if portrait.settings.get("wal_log_hints") != "on" and portrait.settings.get("data_checksums") != "on":
        yield error(
            member.name,
            "has neither wal_log_hints nor data checksums",
            "pg_rewind cannot bring it back after a failover",
            alter(member, "wal_log_hints", "on", restart=True),
        )
    if portrait.number("wal_keep_size", 0) < 64:
        yield warning(
            member.name,
            f"wal_keep_size is {portrait.number('wal_keep_size', 0)} MB",
            "a member that was away for a moment would need a base backup",
            alter(member, "wal_keep_size", "1GB"),
        )


def of_group(group: Group, portraits: Mapping[MemberName, Portrait]) -> Iterator[Finding]:
    """What is wrong between the members that could be looked at."""
    primaries = [name for name, portrait in portraits.items() if not portrait.in_recovery]
    if len(primaries) > 1 or (not primaries and len(portraits) == len(group.members)):
        yield _not_one_primary(group, primaries)
    yield from _clocks(group, portraits)
    for member in group.members:
        if member.name in portraits:
            yield from _senders(group, portraits[member.name], member)
            yield from _slot_elsewhere(group, portraits, member)
    if len(primaries) == 1:
        yield from _replication(group, portraits, portraits[primaries[0]])


def primary_of(portraits: Mapping[MemberName, Portrait]) -> MemberName | None:
    """The one primary; None when there is none, or more than one."""
    primaries = [name for name, portrait in portraits.items() if not portrait.in_recovery]
    return primaries[0] if len(primaries) == 1 else None


def _not_one_primary(group: Group, primaries: list[MemberName]) -> Finding:
    if primaries:
        return error(
            group.name,
            f"has {len(primaries)} primaries: {', '.join(primaries)}",
            "which of them has the hospital's data cannot be told from outside",
            "stop the one that is wrong and make it a standby: pg_rewind --help, or pg_basebackup --help",
        )
    return error(
        group.name,
        "has no primary: every member is in recovery",
        "drctl takes over replication that runs",
        "promote the right one: " + psql(group.members[0], "SELECT pg_promote()"),
    )


def _clocks(group: Group, portraits: Mapping[MemberName, Portrait]) -> Iterator[Finding]:
    if len(portraits) < 2:
        return
    slow, *_, fast = sorted(portraits.values(), key=lambda portrait: portrait.clock_ahead_s)
    apart_s = fast.clock_ahead_s - slow.clock_ahead_s
    if apart_s - fast.clock_doubt_s - slow.clock_doubt_s > CLOCKS_APART_MAX_S:
        yield warning(
            group.name,
            f"the clocks of {slow.member} and {fast.member} are {apart_s:.1f} s apart",
            "nothing depends on it but the times in logs, rows and reports",
            "on both hosts: chronyc tracking; chronyc makestep",
        )


def _senders(group: Group, portrait: Portrait, member: Member) -> Iterator[Finding]:
    wanted = len(group.members) - 1 + WAL_SENDERS_SPARE
    if portrait.number("max_wal_senders", wanted) < wanted:
        yield error(
            member.name,
            f"max_wal_senders is {portrait.settings['max_wal_senders']}",
            f"as a primary it needs {wanted}, for the standbys and a base backup",
            alter(member, "max_wal_senders", str(max(10, wanted)), restart=True),
        )


def _slot_elsewhere(group: Group, portraits: Mapping[MemberName, Portrait], member: Member) -> Iterator[Finding]:
    slot = portraits[member.name].settings.get("primary_slot_name", "")
    if not slot:
        return
    for other in group.peers:
        portrait = portraits.get(other.name)
        if other.name == member.name or portrait is None or any(one.name == slot for one in portrait.slots):
            continue
        make = psql(other, f"SELECT pg_create_physical_replication_slot('{slot}')")
        yield error(
            member.name,
            f"streams through the slot {slot!r}, which {other.name} has not",
            f"were {other.name} the primary, it could not stream from it, and commits would wait for it",
            f"{make}; or do without the slot: {alter(member, 'primary_slot_name', None)}",
        )


def _replication(group: Group, portraits: Mapping[MemberName, Portrait], head: Portrait) -> Iterator[Finding]:
    for member in group.members:
        if member.name == head.member or member.name not in portraits:
            continue
        portrait = portraits[member.name]
        if portrait.system_identifier != head.system_identifier:
            yield error(
                member.name,
                "is of another database system than the primary",
                "it was made by initdb, not by copying the primary",
                f"make it anew: pg_basebackup -h {group.member(head.member).host} -p {group.member(head.member).port} -R --help",
            )
            continue
        if portrait.major != head.major:
            yield error(
                member.name,
                f"runs PostgreSQL {portrait.major}, the primary {head.major}",
                "streaming replication needs the same major version",
                "make it anew with the primary's version: pg_basebackup --help",
            )
        for setting in AT_LEAST_THE_PRIMARYS:
            if portrait.number(setting, 0) < head.number(setting, 0):
                yield error(
                    member.name,
                    f"{setting} is {portrait.settings.get(setting)}, the primary's {head.settings.get(setting)}",
                    "as a standby it stops to replay, or does not start, with less than the primary has",
                    alter(member, setting, head.settings.get(setting), restart=True),
                )
        yield from _standby(group, portrait, head, member)
    yield from _strangers(group, portraits, head)


def _standby(group: Group, portrait: Portrait, head: Portrait, member: Member) -> Iterator[Finding]:
    # The server compares names without regard to case, and would count such an acknowledgement.
    claims = [one for one in head.senders if not one.logical and one.name.lower() == member.name.lower()]
    if len(claims) > 1:
        yield error(
            member.name,
            f"{len(claims)} standbys call themselves {member.name}: {', '.join(one.address or 'local' for one in claims)}",
            "an acknowledgement of the wrong one would count",
            f"let each have a name of its own: {_named(group, head, member)}",
        )
    elif not portrait.in_recovery:
        return  # told as one primary too many
    elif not claims:
        yield _no_claim(group, portrait, head, member)
    elif portrait.calls_itself and portrait.calls_itself.lower() != member.name.lower():
        yield error(
            member.name,
            f"calls itself {portrait.calls_itself!r}, and another standby calls itself {member.name!r}",
            "an acknowledgement of the wrong one would count",
            _named(group, head, member),
        )
    elif claims[0].address and claims[0].address != (portrait.address or member.host):
        yield error(
            member.name,
            f"streams from {claims[0].address}, and cluster.yaml says that it is at {member.host}",
            "another machine may use its name",
            f"correct groups.{group.name}.members.{member.name}.host, or on the other machine: ALTER SYSTEM SET primary_conninfo",
        )
    else:
        yield _progress(claims[0], head, member)


def _progress(claim: Sender, head: Portrait, member: Member) -> Finding:
    look = psql(member, "SELECT * FROM pg_stat_wal_receiver")
    if claim.state != "streaming":
        return error(
            member.name, f"is in state {claim.state}, not streaming", "it has not caught up", f"wait, and look: {look}"
        )
    if claim.lag_bytes > LAG_BYTES_MAX:
        return error(
            member.name,
            f"is {claim.lag_bytes} bytes behind",
            "commits would wait for it",
            f"wait until it has caught up, and look: {look}",
        )
    return well(member.name, f"streams from {head.member}")


def _no_claim(group: Group, portrait: Portrait, head: Portrait, member: Member) -> Finding:
    known = ""
    if portrait.calls_itself and portrait.calls_itself.lower() != member.name.lower():
        known = f": it calls itself {portrait.calls_itself!r}"
    elif portrait.receives_from:
        known = f": it streams from {portrait.receives_from}"
    return error(
        member.name,
        f"is no standby of {head.member}{known}",
        "its acknowledgements could not be counted under its name",
        _named(group, head, member),
    )


def _named(group: Group, head: Portrait, member: Member) -> str:
    upstream = group.member(head.member)
    return alter(
        member,
        "primary_conninfo",
        f"host={upstream.host} port={upstream.port} user=REPLICATOR application_name={member.name}",
    )


def _strangers(group: Group, portraits: Mapping[MemberName, Portrait], head: Portrait) -> Iterator[Finding]:
    known = {member.name.lower() for member in group.members}
    for portrait in portraits.values():
        for one in portrait.senders:
            if one.logical or one.name.lower() in known:
                continue
            yield warning(
                portrait.member,
                f"feeds {one.name!r} at {one.address or 'a local socket'}, which is no member of {group.name}",
                "drctl leaves it alone: after a failover it goes on only if this server is still its primary"
                if portrait.member == head.member
                else "it is fed by a standby: drctl leaves it alone",
                f"add it to groups.{group.name}.members in cluster.yaml if it should be one; else nothing",
            )
