"""A marker: a commit that is made to learn that a synchronous acknowledgement really happens."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

from drctl.model.errors import EffectRefused, EffectUnknown
from drctl.model.evidence import MarkerAcked
from drctl.model.identity import Epoch
from drctl.model.position import Position, Timeline, parse_lsn
from drctl.postgres.connection import Connection, NoAnswer, ServerError
from drctl.postgres.line import Line

LOCK_TIMEOUT_MS = 500
MARKER_OPTIONS = {
    # What an administrator may have set for the role or the database must not decide what a marker proves.
    "synchronous_commit": "on",
    "client_min_messages": "warning",
    "default_transaction_read_only": "off",
    "statement_timeout": "0",
    "lock_timeout": str(LOCK_TIMEOUT_MS),
    "idle_in_transaction_session_timeout": "0",
    "idle_session_timeout": "0",
}
MARKER_SQL = """
INSERT INTO drctl.marker AS m (writer, sequence, epoch, written_at) VALUES ($1, $2::bigint, $3::bigint, clock_timestamp())
ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, epoch = excluded.epoch, written_at = excluded.written_at
RETURNING ('x' || substr(pg_walfile_name(pg_current_wal_insert_lsn()), 1, 8))::bit(32)::int, pg_current_wal_insert_lsn()
"""
"""Its position lies before its commit, so all of it is proved: what is read after the commit may be ahead of the standbys."""
MESSAGE_SQL = """
SELECT ('x' || substr(pg_walfile_name(lsn), 1, 8))::bit(32)::int, lsn
FROM pg_logical_emit_message(true, 'drctl.marker', concat_ws(' ', $1::text, $2::text, $3::text)) lsn
"""
"""A commit that takes no lock: for when somebody holds one on the table."""
ABANDONED_SQL = """
SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
WHERE usename = current_user AND application_name = current_setting('application_name') AND pid <> pg_backend_pid()
"""
"""Sessions of ours that a broken link left waiting for a standby: else every broken link would leave one more."""
LOCK_NOT_AVAILABLE = "55P03"


@dataclass(frozen=True, slots=True, kw_only=True)
class Marker:
    """What to write."""

    writer: str
    sequence: int
    epoch: Epoch

    @property
    def parameters(self) -> list[str]:
        """Of both statements."""
        return [self.writer, str(self.sequence), str(self.epoch)]


def mark(line: Line, marker: Marker, connect: Callable[[float], Connection], *, deadline_s: float) -> MarkerAcked:
    """Commit `marker` on a line that the caller holds. `connect` opens a session before a moment.

    Raises EffectRefused when nothing was sent or the server refused it, EffectUnknown, NoAnswer, CannotConnect.
    """
    began_s = time.monotonic()
    end_s = began_s + deadline_s
    _settle(line, end_s)
    if line.connection is None:
        line.connection = connect(end_s)
        _end_abandoned(line.connection, end_s)
    connection = line.connection
    try:
        position = _commit(line, connection, MARKER_SQL, marker, end_s)
    except ServerError as error:
        if error.sqlstate != LOCK_NOT_AVAILABLE:
            raise EffectRefused(f"{line.member.name} refused the marker: {error.message}") from error
        try:
            position = _commit(line, connection, MESSAGE_SQL, marker, end_s)
        except ServerError as worse:
            raise EffectRefused(f"{line.member.name} refused the marker: {worse.message}") from worse
    return MarkerAcked(sequence=marker.sequence, position=position, elapsed_s=time.monotonic() - began_s)


def _settle(line: Line, end_s: float) -> None:
    """Wait for an earlier commit that still waits: one is in flight, never a second one behind it."""
    if not line.pending or line.connection is None:
        return
    try:
        line.connection.receive(end_s=end_s)
        line.pending = False
    except ServerError:
        line.pending = False
    except NoAnswer as error:
        if not error.broken:
            raise EffectRefused(f"an earlier marker on {line.member.name} still waits: none was added") from error
        line.drop()


def _end_abandoned(connection: Connection, end_s: float) -> None:
    try:
        connection.query(ABANDONED_SQL, end_s=end_s)
    except ServerError:
        return  # they wait on; the marker below is not worse for it
    except NoAnswer as error:
        raise NoAnswer(error.message, broken=error.broken) from error  # the marker was not sent


def _commit(line: Line, connection: Connection, sql: str, marker: Marker, end_s: float) -> Position:
    """Returns a position up to which all is proved."""
    connection.send(sql, marker.parameters, end_s=end_s)
    line.pending = True
    try:
        timeline, lsn = connection.receive(end_s=end_s)[0]
    except ServerError:
        line.pending = False
        raise
    line.pending = False
    # Nothing else that these statements do is worth a warning. What it says depends on the server's language.
    warning = next((notice for notice in connection.notices if notice.severity == "WARNING"), None)
    if warning is not None:
        raise EffectUnknown(f"{line.member.name}: the wait for the standby was cancelled: {warning.message}")
    assert timeline is not None, "a primary has a timeline"
    assert lsn is not None, "a primary has a position"
    return Position(timeline=Timeline(int(timeline)), lsn=parse_lsn(lsn))
