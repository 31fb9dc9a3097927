"""Where `synchronous_commit` is weaker than the group promises.

What can be known, and what cannot. The server's own setting and those of roles and databases (`pg_db_role_setting`) are
read whole. A session that sets it for itself shows that in no view: PostgreSQL does not tell another session's settings.
What is seen is the text of its statement in `pg_stat_activity`, for as long as it is the session's last one; seen once, the
session stays under suspicion until it ends or is seen to set the value back. A session that sets it and goes on between two
looks, or asks for it when it connects (`PGOPTIONS`), is not seen here; `pg_stat_statements`, where it is installed, has the
statement afterwards, and `drctl doctor` looks there. Only what cannot be overridden proves: an acknowledgement counts when
the client's own session asked for it.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Any

from drctl.model.report import SyncOverride

WEAK = frozenset({"off", "local", "remote_write"})
"""Values that do not wait until a standby has flushed."""
_FALSE = frozenset({"off", "false", "no", "0", "f", "n"})
SESSIONS_MAX = 100
"""Sessions under suspicion that are remembered for a member."""

OVERRIDES_SQL = """
SELECT json_build_object(
  'settings', (SELECT coalesce(json_agg(json_build_object('role', pg_get_userbyid(nullif(s.setrole, 0)), 'database', d.datname,
      'value', substr(c, strpos(c, '=') + 1), 'mine', (s.setrole IN (0, r.oid) AND s.setdatabase IN (0, m.oid)))
      ORDER BY s.setrole, s.setdatabase), '[]'::json)
    FROM pg_db_role_setting s CROSS JOIN unnest(s.setconfig) c LEFT JOIN pg_database d ON d.oid = s.setdatabase
    LEFT JOIN pg_roles r ON r.rolname = current_user LEFT JOIN pg_database m ON m.datname = current_database()
    WHERE c LIKE 'synchronous_commit=%'),
  'sessions', (SELECT coalesce(json_agg(json_build_object('pid', pid, 'began', extract(epoch FROM backend_start)::text,
      'xact', extract(epoch FROM xact_start)::text, 'role', usename, 'app', application_name, 'idle', state = 'idle',
      'query', query)), '[]'::json)
    FROM pg_stat_activity
    WHERE backend_type = 'client backend' AND pid <> pg_backend_pid()
      AND (query ILIKE '%synchronous_commit%' OR pid = ANY ($1::int[]))))::text
"""

# Only where a statement begins: a text that speaks of the setting does not set it.
_SET = re.compile(
    r"""(?:\A|;)\s*(?:/\*.*?\*/\s*)*
        (?: (?P<set>SET)\s+(?:SESSION\s+|(?P<local>LOCAL)\s+)?"?synchronous_commit"?\s*(?:=|\bTO\b)\s*'?(?P<value>\w+)'?
          | RESET\s+"?synchronous_commit\b | RESET\s+ALL\b | DISCARD\s+ALL\b )""",
    re.IGNORECASE | re.VERBOSE | re.DOTALL,
)
_SET_CONFIG = re.compile(
    r"\bset_config\s*\(\s*'synchronous_commit'\s*,\s*'(?P<value>\w+)'\s*,\s*(?P<local>\w+)", re.IGNORECASE
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Suspect:
    value: str
    local: bool
    """For one transaction only."""
    transaction: str


class Overrides:
    """What is known of one member, from look to look."""

    def __init__(self) -> None:
        self._suspects: dict[tuple[int, str], _Suspect] = {}
        self.latest: tuple[SyncOverride, ...] = ()

    def parameters(self) -> list[str]:
        """Of OVERRIDES_SQL: the sessions to look at again."""
        return ["{" + ",".join(str(pid) for pid, _ in self._suspects) + "}"]

    def see(self, text: str, commit_setting: str) -> tuple[SyncOverride, ...]:
        """Take the row of OVERRIDES_SQL. `commit_setting` is what our own session came to have without asking."""
        said: dict[str, Any] = json.loads(text)
        settings = said["settings"]
        found: list[SyncOverride] = []
        # Where a setting of our own role or database applies, what our session has says nothing of the server's.
        if not any(setting["mine"] for setting in settings) and weak(commit_setting):
            found.append(SyncOverride(scope="server", name="synchronous_commit", value=weak(commit_setting)))
        found += [_of_setting(setting) for setting in settings if weak(setting["value"])]
        found += self._sessions(said["sessions"])
        self.latest = tuple(found)
        return self.latest

    def forget(self) -> None:
        """It is no primary, or another server process: nothing of before holds."""
        self._suspects.clear()
        self.latest = ()

    def _sessions(self, sessions: list[dict[str, Any]]) -> list[SyncOverride]:
        before, self._suspects = self._suspects, {}
        found = []
        for session in sessions:
            key = (int(session["pid"]), str(session["began"]))
            suspect = _judged(session, before.get(key))
            if suspect is None or len(self._suspects) >= SESSIONS_MAX:
                continue
            self._suspects[key] = suspect
            application = f" ({session['app']})" if session["app"] else ""
            found.append(
                SyncOverride(scope="session", name=f"{key[0]} of {session['role']}{application}", value=suspect.value)
            )
        return sorted(found, key=lambda override: override.name)


def _judged(session: dict[str, Any], before: _Suspect | None) -> _Suspect | None:
    transaction = str(session["xact"] or "")
    said = said_of(str(session["query"] or ""))
    if said is not None:
        value, local = said
        if not value:
            return None
        return _Suspect(value=value, local=local, transaction=transaction)
    if before is not None and before.local and (session["idle"] or transaction != before.transaction):
        return None
    return before


def said_of(query: str) -> tuple[str, bool] | None:
    """What a statement does to its own session: the weak value (empty: none is left), and whether for one transaction.

    None when it says nothing of it.
    """
    found: tuple[str, bool] | None = None
    for match in _SET.finditer(query):
        found = (weak(match["value"]) if match["set"] else "", bool(match["local"]))
    for match in _SET_CONFIG.finditer(query):
        found = (weak(match["value"]), match["local"].lower() in {"true", "t", "on", "yes", "1"})
    return found


def weak(value: str) -> str:
    """The value as PostgreSQL calls it where it is too weak; empty where it is not."""
    value = value.strip().strip("'\"").lower()
    if value in _FALSE:
        return "off"
    return value if value in WEAK else ""


def _of_setting(setting: dict[str, Any]) -> SyncOverride:
    role, database, value = setting["role"], setting["database"], weak(setting["value"])
    if role is None and database is not None:
        return SyncOverride(scope="database", name=database, value=value)
    name = role or "ALL"
    return SyncOverride(scope="role", name=f"{name} in {database}" if database else name, value=value)
