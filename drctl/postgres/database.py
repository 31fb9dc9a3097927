"""The Database port: probes and markers, each over a connection of its own."""

from __future__ import annotations

import select
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field

from drctl.model.errors import EffectRefused, EffectUnknown, Unreachable
from drctl.model.evidence import MarkerAcked
from drctl.model.identity import Epoch, MemberName
from drctl.model.position import Position, Timeline, parse_lsn
from drctl.model.report import MemberReport, Reachability
from drctl.model.topology import Member
from drctl.postgres.connection import Connection, NoAnswer, ServerError
from drctl.postgres.facts import FACTS_SQL, parse_facts

MARKER_SQL = """
INSERT INTO drctl.marker AS m (writer, sequence, epoch, written_at) VALUES ($1, $2::bigint, $3::bigint, clock_timestamp())
ON CONFLICT (writer) DO UPDATE SET sequence = excluded.sequence, epoch = excluded.epoch, written_at = excluded.written_at
"""
POSITION_SQL = """
SELECT ('x' || substr(pg_walfile_name(pg_current_wal_flush_lsn()), 1, 8))::bit(32)::int, pg_current_wal_flush_lsn()
"""
CANCELLED = "canceling wait for synchronous replication"


@dataclass(slots=True)
class _Line:
    member: Member
    lock: threading.Lock = field(default_factory=threading.Lock)
    connection: Connection | None = None
    pending: bool = False


class PostgresDatabase:
    """Looks at members, and writes markers."""

    def __init__(self, *, user: str, password: str | None, dbname: str, sslmode: str) -> None:
        self._user = user
        self._password = password
        self._dbname = dbname
        self._sslmode = sslmode
        self._probes: dict[MemberName, _Line] = {}
        self._markers: dict[MemberName, _Line] = {}
        self._lost: Callable[[MemberName], None] | None = None
        self._closing = threading.Event()

    def probe(self, member: Member, *, deadline_s: float) -> MemberReport:
        """What `member` says now."""
        line = self._probes.setdefault(member.name, _Line(member))
        end_s = time.monotonic() + deadline_s
        with line.lock:
            try:
                facts = parse_facts(self._ask(line, end_s))
            except NoAnswer as error:
                self._drop(line)
                kind = Reachability.REFUSED if error.refused else Reachability.SILENT
                return MemberReport(member=member.name, at_s=time.monotonic(), reachability=kind, detail=error.message)
            except ServerError as error:
                self._drop(line)
                kind = Reachability.STARTING if error.sqlstate == "57P03" else Reachability.FAULTY
                return MemberReport(member=member.name, at_s=time.monotonic(), reachability=kind, detail=error.message)
        now_s = time.monotonic()
        return MemberReport(
            member=member.name, at_s=now_s, reachability=Reachability.ANSWERS, facts=facts, answered_at_s=now_s
        )

    def _ask(self, line: _Line, end_s: float) -> str:
        fresh = line.connection is None
        try:
            return self._row(line, end_s)
        except NoAnswer:
            if fresh or time.monotonic() >= end_s:
                raise
            # The old connection may have broken for reasons that are past: a fresh one says how it is now.
            self._drop(line)
            return self._row(line, end_s)

    def _row(self, line: _Line, end_s: float) -> str:
        if line.connection is None:
            line.connection = Connection.open(self._conninfo(line.member, "drctl-probe"), end_s=end_s)
        row = line.connection.query(FACTS_SQL, end_s=end_s)[0][0]
        assert row is not None, "the statement always gives a row"
        return row

    def write_marker(self, member: Member, *, sequence: int, epoch: Epoch, deadline_s: float) -> MarkerAcked:
        """Commit a marker and wait for its synchronous acknowledgement."""
        line = self._markers.setdefault(member.name, _Line(member))
        began_s = time.monotonic()
        end_s = began_s + deadline_s
        if not line.lock.acquire(timeout=deadline_s):
            raise EffectUnknown(f"an earlier marker on {member.name} still waits")
        try:
            return self._mark(line, sequence, epoch, began_s, end_s)
        except NoAnswer as error:
            if error.sent and line.connection is not None and line.connection.usable and line.pending:
                raise EffectUnknown(f"the marker on {member.name} was not acknowledged in time") from error
            self._drop(line)
            if error.sent:
                raise EffectUnknown(f"{member.name}: {error.message}") from error
            raise Unreachable(f"{member.name}: {error.message}") from error
        except ServerError as error:
            self._drop(line)
            raise EffectRefused(f"{member.name} refused the marker: {error.message}") from error
        finally:
            line.lock.release()

    def _mark(self, line: _Line, sequence: int, epoch: Epoch, began_s: float, end_s: float) -> MarkerAcked:
        if line.pending and line.connection is not None:
            # A commit that waits is waited for, never sent anew: else waiting sessions would pile up on the server.
            line.connection.receive(end_s=end_s)
            line.pending = False
        if line.connection is None:
            line.connection = Connection.open(self._conninfo(line.member, "drctl-marker"), end_s=end_s)
        line.connection.send(MARKER_SQL, ["drctl", str(sequence), str(epoch)], end_s=end_s)
        line.pending = True
        line.connection.receive(end_s=end_s)
        line.pending = False
        if any(CANCELLED in notice for notice in line.connection.notices):
            raise EffectUnknown(f"{line.member.name}: the wait for the standby was cancelled")
        elapsed_s = time.monotonic() - began_s
        timeline, lsn = line.connection.query(POSITION_SQL, end_s=end_s)[0]
        assert timeline is not None, "a primary has a timeline"
        assert lsn is not None, "a primary has a position"
        return MarkerAcked(
            sequence=sequence,
            position=Position(timeline=Timeline(int(timeline)), lsn=parse_lsn(lsn)),
            elapsed_s=elapsed_s,
        )

    def watch(self, lost: Callable[[MemberName], None]) -> None:
        """Call `lost` at once when an idle connection breaks."""
        self._lost = lost
        threading.Thread(target=self._watch, name="watch", daemon=True).start()

    def _watch(self) -> None:
        while not self._closing.is_set():
            idle = [line for line in list(self._probes.values()) if line.connection is not None]
            poll = select.poll()
            by_socket: dict[int, _Line] = {}
            for line in idle:
                if line.lock.acquire(blocking=False):
                    try:
                        if line.connection is not None:
                            by_socket[line.connection.socket] = line
                            poll.register(line.connection.socket, select.POLLIN | select.POLLRDHUP)
                    finally:
                        line.lock.release()
            for socket, _ in poll.poll(50):
                line = by_socket[socket]
                if line.lock.acquire(blocking=False):
                    try:
                        broken = line.connection is not None and line.connection.socket == socket
                        if broken:
                            self._drop(line)
                    finally:
                        line.lock.release()
                    if broken and self._lost is not None:
                        self._lost(line.member.name)

    def close(self) -> None:
        """Drop every connection."""
        self._closing.set()
        for line in (*self._probes.values(), *self._markers.values()):
            if line.lock.acquire(timeout=0.2):
                self._drop(line)
                line.lock.release()

    def _drop(self, line: _Line) -> None:
        if line.connection is not None:
            line.connection.close()
        line.connection, line.pending = None, False

    def _conninfo(self, member: Member, application: str) -> str:
        words = {
            "host": member.host,
            "port": str(member.port),
            "user": self._user,
            "dbname": self._dbname,
            "sslmode": self._sslmode,
            "application_name": application,
            "tcp_user_timeout": "2000",
            "keepalives_idle": "2",
            "options": "-c synchronous_commit=on -c statement_timeout=0",
        }
        if self._password is not None:
            words["password"] = self._password
        return " ".join(
            f"{key}='{value.replace(chr(92), chr(92) * 2).replace(chr(39), chr(92) + chr(39))}'"
            for key, value in words.items()
        )
