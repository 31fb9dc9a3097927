"""Where commits of a group may be acknowledged by its primary alone, each with the SQL that ends it."""

from __future__ import annotations

from dataclasses import dataclass

from drctl.decision.memory import primary_facts, set_as_recorded
from drctl.model.report import SyncOverride
from drctl.model.view import GroupView


@dataclass(frozen=True, slots=True, kw_only=True)
class Exposure:
    """One place where the promise is not kept."""

    code: str
    """`rpo_setting` or `rpo_override`."""
    what: str
    """The same text as long as it is the same exposure."""
    remedy: str


def exposures(view: GroupView) -> tuple[Exposure, ...] | None:
    """What the recorded primary says of itself that breaks the promise; None while it does not say."""
    facts, record = primary_facts(view), view.record
    if facts is None or record is None:
        return None
    found = []
    if not set_as_recorded(record, facts):
        found.append(
            Exposure(
                code="rpo_setting",
                what=f"{record.primary} has synchronous_standby_names = {facts.sync_names!r}, "
                f"the record says {record.rule.sync.setting!r}",
                remedy=_put_back(view),
            )
        )
    found += [_of(override) for override in facts.overrides]
    return tuple(found)


def _put_back(view: GroupView) -> str:
    assert view.record is not None, "asked about a record"
    if view.record.paused:
        return f"drctl resume {view.group.name}"
    if view.connected:
        return "nothing: the leader puts it back within a second, and it is recorded in drctl history"
    value = view.record.rule.sync.setting.replace("'", "''")
    return f"ALTER SYSTEM SET synchronous_standby_names = '{value}'; SELECT pg_reload_conf();"


def _of(override: SyncOverride) -> Exposure:
    what = (
        f"synchronous_commit is {override.value} for {override.scope} {override.name}: its commits wait for no standby"
    )
    if override.value == "remote_write":
        what = (
            f"synchronous_commit is remote_write for {override.scope} {override.name}: its commits may not be on disk"
        )
    return Exposure(code="rpo_override", what=what, remedy=remedy(override))


def remedy(override: SyncOverride) -> str:
    """The SQL that takes an override away."""
    match override.scope:
        case "role":
            role, inside, database = override.name.partition(" in ")
            where = f" IN DATABASE {_quoted(database)}" if inside else ""
            return f"ALTER ROLE {_quoted(role)}{where} RESET synchronous_commit; -- then let its sessions reconnect"
        case "database":
            name = _quoted(override.name)
            return f"ALTER DATABASE {name} RESET synchronous_commit; -- then let its sessions reconnect"
        case "session":
            return f"SELECT pg_terminate_backend({override.name.partition(' ')[0]}); -- and correct the application"
        case _:
            return "ALTER SYSTEM RESET synchronous_commit; SELECT pg_reload_conf();"


def _quoted(name: str) -> str:
    return name if name == "ALL" else '"' + name.replace('"', '""') + '"'
