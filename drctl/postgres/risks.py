"""What may go wrong one day in a group that works: for `drctl doctor`."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping

from drctl.decision.exposure import remedy as remedy_of
from drctl.model.identity import MemberName
from drctl.model.report import SyncOverride
from drctl.model.takeover import Finding
from drctl.model.topology import Group, Member
from drctl.postgres.findings import alter, error, psql, warning, well
from drctl.postgres.overrides import said_of, weak
from drctl.postgres.portrait import Portrait, Slot

FAILOVER_SLOTS_SINCE = 17
_PLACEHOLDER = re.compile(r"\$\d+")
SESSIONS_SHARE_MAX = 0.9
SENDER_LAG_BYTES_MAX = 16 << 20
REPLAY_DELAY_MAX_MS = 30_000


def of_member(portrait: Portrait, member: Member) -> Iterator[Finding]:
    """Risks of one member, whatever its role is today."""
    yield from _waits(portrait, member)
    yield from _archive(portrait, member)
    for slot in portrait.slots:
        yield from _slot(portrait, member, slot)
    if portrait.pending_restart:
        yield warning(
            member.name,
            f"waits for a restart to use what was set: {', '.join(portrait.pending_restart)}",
            "it may behave otherwise after the next failover than it does now",
            "restart PostgreSQL there at a quiet time; a primary after: drctl switchover",
        )
    connections = portrait.number("max_connections", 0)
    if connections and portrait.sessions > connections * SESSIONS_SHARE_MAX:
        yield warning(
            member.name,
            f"{portrait.sessions} of {connections} connections are taken",
            "drctl may get none when it has to look",
            alter(member, "max_connections", str(connections * 2), restart=True) + "; standbys first",
        )


def of_group(group: Group, portraits: Mapping[MemberName, Portrait], primary: MemberName) -> Iterator[Finding]:
    """Risks that lie in what the primary does, and in how the members fit together."""
    head, member = portraits[primary], group.member(primary)
    if not head.settings.get("synchronous_standby_names", "").strip():
        yield error(
            primary,
            "synchronous_standby_names is empty",
            "commits are acknowledged that no standby has: a failover now may lose them",
            f"drctl init {group.name}; or, where the policy has let it happen: drctl explain {group.name}",
        )
    yield from overrides(head, member)
    yield from _timeouts(head, member)
    yield from _logical(group, portraits, head)
    yield from _stop(group, head, member)
    if head.unlogged:
        look = psql(member, "SELECT oid::regclass FROM pg_class WHERE relpersistence = 'u'")
        yield warning(
            primary,
            f"has {head.unlogged} unlogged tables",
            "they are empty after every failover: nothing of them reaches a standby",
            f"{look}; then: ALTER TABLE ... SET LOGGED",
        )


def _waits(portrait: Portrait, member: Member) -> Iterator[Finding]:
    delay_ms = portrait.number("recovery_min_apply_delay", 0)
    if delay_ms:
        yield warning(
            member.name,
            f"recovery_min_apply_delay is {delay_ms} ms",
            "it must replay what it has received before it can be promoted, and waits as long",
            alter(member, "recovery_min_apply_delay", None),
        )
    patience_ms = portrait.number("max_standby_streaming_delay", 0)
    if patience_ms < 0 or patience_ms > REPLAY_DELAY_MAX_MS:
        yield warning(
            member.name,
            f"max_standby_streaming_delay is {'unlimited' if patience_ms < 0 else f'{patience_ms} ms'}",
            "a long query on this standby holds up replay for as long, and a promotion waits for replay",
            alter(member, "max_standby_streaming_delay", "30s"),
        )
    if portrait.settings.get("hot_standby_feedback") == "on":
        yield well(
            member.name,
            "hot_standby_feedback is on",
            "long queries on this standby are not cancelled; for as long, dead rows stay on the primary",
        )
    if portrait.settings.get("restart_after_crash") == "off":
        yield well(
            member.name, "restart_after_crash is off", "the crash of one session ends the server: drctl fails over then"
        )


def _archive(portrait: Portrait, member: Member) -> Iterator[Finding]:
    if portrait.settings.get("archive_mode", "off") == "off":
        return
    if not portrait.settings.get("archive_command") and not portrait.settings.get("archive_library"):
        yield warning(
            member.name,
            "archive_mode is on and nothing archives",
            "its WAL is kept until the disk is full",
            alter(member, "archive_mode", "off", restart=True),
        )
    elif portrait.archive_failures:
        look = psql(member, "SELECT * FROM pg_stat_archiver")
        yield warning(
            member.name,
            f"archiving fails: {portrait.archive_failures} times, last with {portrait.archive_failed}",
            "its WAL is kept until the disk is full, and a clean stop (a switchover) tries to archive all of it first",
            f"{look}; then correct archive_command, or what it writes to",
        )


def _slot(portrait: Portrait, member: Member, slot: Slot) -> Iterator[Finding]:
    drop = psql(member, f"SELECT pg_drop_replication_slot('{slot.name}')")
    if slot.wal_status == "lost":
        yield warning(member.name, f"the slot {slot.name!r} has lost WAL that it was to keep",
                      "whoever reads through it cannot go on", drop)  # fmt: skip
    elif (
        not slot.active
        and not slot.synced
        and not slot.temporary
        and slot.wal_status in {"reserved", "extended", "unreserved"}
    ):
        unlimited = portrait.number("max_slot_wal_keep_size", -1) < 0
        yield warning(
            member.name,
            f"nobody reads through the slot {slot.name!r}",
            "WAL is kept for it, "
            + ("without a limit: the disk fills" if unlimited else "up to max_slot_wal_keep_size"),
            f"{drop}; or limit it: {alter(member, 'max_slot_wal_keep_size', '10GB')}" if unlimited else drop,
        )
    elif slot.active and portrait.number("max_slot_wal_keep_size", -1) < 0:
        yield warning(
            member.name,
            f"max_slot_wal_keep_size is unlimited, and the slot {slot.name!r} keeps WAL",
            "when its reader is lost the disk fills, and the primary with it",
            alter(member, "max_slot_wal_keep_size", "10GB"),
        )


def overrides(head: Portrait, member: Member) -> Iterator[Finding]:
    """Roles, databases and applications for which commits do not wait for a standby."""
    for one in head.configured:
        value = weak(one.value) if one.name == "synchronous_commit" else ""
        if not value:
            continue
        if one.role is None and one.database is not None:
            override = SyncOverride(scope="database", name=one.database, value=value)
        else:
            name = (one.role or "ALL") + (f" in {one.database}" if one.database else "")
            override = SyncOverride(scope="role", name=name, value=value)
        yield error(
            member.name,
            f"synchronous_commit is {value} for {override.scope} {override.name}",
            "its commits are acknowledged before a standby has them on disk: a failover may lose them",
            psql(member, remedy_of(override).partition("; -- ")[0]) + "; then let its sessions reconnect",
        )
    for role, query in head.statements:
        # PostgreSQL 18 remembers `SET synchronous_commit = $1`: what was asked for is not known, so the worst is believed.
        said = said_of(_PLACEHOLDER.sub("off", query))
        if said is not None and said[0]:
            yield warning(
                member.name,
                f"{role} has asked for another synchronous_commit: {' '.join(query.split())[:80]}",
                "such a session's commits may be acknowledged before a standby has them on disk",
                f"correct the application of {role}; then: " + psql(member, "SELECT pg_stat_statements_reset()"),
            )


def _timeouts(head: Portrait, member: Member) -> Iterator[Finding]:
    places = ["the server"] if head.number("statement_timeout", 0) else []
    places += [
        " in ".join(filter(None, (one.role, one.database))) or "ALL"
        for one in head.configured
        if one.name == "statement_timeout" and one.value not in {"0", "0s", "0ms"}
    ]
    if places and head.procedures:
        yield warning(
            member.name,
            f"statement_timeout is set for {', '.join(sorted(set(places)))}, and there are {head.procedures} procedures",
            "where a CALL commits, the timeout may end its wait for the standby: the client is told of success with a warning, "
            "and the commit may be lost in a failover",
            "in sessions that CALL procedures with COMMIT: SET statement_timeout = 0; or take the warning for a failure",
        )


def _logical(group: Group, portraits: Mapping[MemberName, Portrait], head: Portrait) -> Iterator[Finding]:
    slots = [slot for slot in head.slots if slot.logical and not slot.temporary]
    if not slots:
        return
    member = group.member(head.member)
    if head.major < FAILOVER_SLOTS_SINCE:
        yield warning(
            head.member,
            f"has logical slots: {', '.join(slot.name for slot in slots)}",
            "they do not survive a failover, and a subscriber may have rows that the heir has not",
            f"upgrade to PostgreSQL {FAILOVER_SLOTS_SINCE}; until then, after a failover: make slots and subscriptions anew",
        )
        return
    for slot in slots:
        if not slot.failover:
            yield warning(
                head.member,
                f"the logical slot {slot.name!r} has no failover flag",
                "it does not survive a failover",
                f"on its subscriber: ALTER SUBSCRIPTION {slot.name} DISABLE; ALTER SUBSCRIPTION {slot.name} SET (failover = true); "
                f"ALTER SUBSCRIPTION {slot.name} ENABLE",
            )
    if not head.settings.get("synchronized_standby_slots", ""):
        yield warning(
            head.member,
            "synchronized_standby_slots is empty, and there are logical slots",
            "a subscriber may have rows that the heir has not",
            alter(member, "synchronized_standby_slots", "SLOT_OF_ONE_STANDBY, SLOT_OF_ANOTHER"),
        )
    for standby in group.peers:
        portrait = portraits.get(standby.name)
        if portrait is not None and portrait.in_recovery and portrait.settings.get("sync_replication_slots") == "off":
            yield warning(
                standby.name,
                "sync_replication_slots is off, and the primary has logical slots",
                "were it the heir, it would not have them",
                alter(standby, "sync_replication_slots", "on"),
            )


def _stop(group: Group, head: Portrait, member: Member) -> Iterator[Finding]:
    """Who has to receive everything before the primary's clean stop ends."""
    known = {one.name.lower() for one in group.members}
    for sender in head.senders:
        if not sender.logical and sender.name.lower() in known:
            continue
        reader = "a logical subscriber" if sender.logical else "a reader of WAL"
        what = f"{reader}, {sender.name!r}, is {sender.lag_bytes} bytes behind"
        why = "a clean stop (a switchover) waits until it has received everything"
        if sender.lag_bytes > SENDER_LAG_BYTES_MAX or head.number("wal_sender_timeout", 0) == 0:
            yield warning(member.name, what, why, psql(member, "SELECT * FROM pg_stat_replication"))
        else:
            yield well(member.name, what, why)
