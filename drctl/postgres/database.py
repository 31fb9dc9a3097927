"""The Database port: probes and markers, each over a connection of its own."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from drctl.model.command import Query
from drctl.model.errors import EffectRefused, EffectUnknown, Unreachable
from drctl.model.evidence import MarkerAcked, Queried
from drctl.model.identity import Epoch, MemberName
from drctl.model.report import MemberFacts, MemberReport, Reachability
from drctl.model.topology import Member
from drctl.postgres.connection import CannotConnect, Connection, NoAnswer, ServerError
from drctl.postgres.dialect import VERSION_SQL, Dialect, dialect_of
from drctl.postgres.facts import FACTS_SQL, IDENTITY_SQL, parse_facts, parse_identity
from drctl.postgres.knock import Knock, knock
from drctl.postgres.line import Account, Line, Occupied
from drctl.postgres.marker import MARKER_OPTIONS, Marker, mark
from drctl.postgres.names import Names
from drctl.postgres.overrides import OVERRIDES_SQL
from drctl.postgres.query import ask, options_of
from drctl.postgres.watcher import Watcher

TRIES_MAX = 3
"""Of one probe, within its deadline: on the kept connection, on a fresh one, and once more."""
KEPT_SHARE = 0.5
"""Of a probe's deadline that the kept connection gets: its backend may be stuck where the server is not."""
OVERRIDES_INTERVAL_S = 1.0
OVERRIDES_TIMEOUT_S = 0.25
PROBE_OPTIONS = {"statement_timeout": "0", "lock_timeout": "150", "idle_session_timeout": "0"}
CLOSE_TIMEOUT_S = 0.5
PASSING = frozenset({"40001", "40P01", "55000", "57014"})
"""Errors of a moment: a conflict with recovery, a promotion between two functions, a cancel."""


class PostgresDatabase:
    """Looks at members, and writes markers. Every method may be called from any thread."""

    def __init__(self, *, user: str, password: str | None, dbname: str, sslmode: str, writer: str = "drctl") -> None:
        """`writer` names whose markers these are: each writer has a row of its own, and waits for nobody else's."""
        self._account = Account(user=user, password=password, dbname=dbname, sslmode=sslmode)
        self._writer = writer
        self._names = Names()
        self._dialects: dict[MemberName, Dialect] = {}
        self._watcher = Watcher()
        self._lock = threading.Lock()
        self._probes: dict[MemberName, Line] = {}
        self._markers: dict[MemberName, Line] = {}
        self._closed = False

    # Probes

    def probe(self, member: Member, *, deadline_s: float) -> MemberReport:
        """What `member` says now."""
        end_s = time.monotonic() + deadline_s
        line = self._line(self._probes, member)
        try:
            with line.held(deadline_s):
                answer = self._probed(line, end_s)
                if self._closed:
                    line.drop()
        except Occupied:
            answer = Knock(reachability=Reachability.SILENT, detail="an earlier look at it still waits")
        now_s = time.monotonic()
        if isinstance(answer, MemberFacts):
            return MemberReport(
                member=member.name, at_s=now_s, reachability=Reachability.ANSWERS, facts=answer, answered_at_s=now_s
            )
        return MemberReport(member=member.name, at_s=now_s, reachability=answer.reachability, detail=answer.detail)

    def _probed(self, line: Line, end_s: float) -> MemberFacts | Knock:
        for tries_left in reversed(range(TRIES_MAX)):
            kept = line.connection is not None
            try:
                return self._facts(line, _share(end_s) if kept else end_s, end_s)
            except ServerError as error:
                if error.sqlstate in PASSING and tries_left:
                    continue
                line.drop()
                return Knock(reachability=Reachability.FAULTY, detail=error.message)
            except CannotConnect as error:
                return self._knocked(line.member, error.message, end_s)
            except NoAnswer as error:
                line.drop()
                if kept and time.monotonic() < end_s:
                    # It may have broken for reasons that are past: a fresh one says how it is now.
                    continue
                if not error.broken:
                    return Knock(reachability=Reachability.SILENT, detail=error.message)
                found = self._knocked(line.member, error.message, end_s)
                if found.reachability is not Reachability.FAULTY or not tries_left:
                    return found
        raise AssertionError("the last try returns")

    def _facts(self, line: Line, end_s: float, overrides_end_s: float) -> MemberFacts:
        if line.connection is not None and line.pending:
            _take_late(line, line.connection, end_s)
        if line.connection is None:
            line.connection = self._open(line.member, f"drctl-probe {self._writer}", PROBE_OPTIONS, end_s)
            self._watcher.arm(line, line.connection)
        if line.identity is None:
            line.identity = parse_identity(line.connection.query(IDENTITY_SQL, end_s=end_s)[0])
        text = line.connection.prepared("facts", FACTS_SQL, end_s=end_s)[0][0]
        assert text is not None, "the statement always gives a row"
        answer = parse_facts(text, line.identity)
        if answer.facts.in_recovery:
            line.overrides.forget()
            return answer.facts
        if time.monotonic() - line.overrides_at_s >= OVERRIDES_INTERVAL_S:
            line.overrides_at_s = time.monotonic()
            _look_for_overrides(line, answer.commit_setting, overrides_end_s)
        return replace(answer.facts, overrides=line.overrides.latest)

    def _knocked(self, member: Member, message: str, end_s: float) -> Knock:
        try:
            address = self._names.address(member.host, end_s=end_s)
        except OSError as error:
            return Knock(reachability=Reachability.SILENT, detail=str(error))
        found = knock(address, member.port, user=self._account.user, dbname=self._account.dbname, end_s=end_s)
        return found if found.detail else Knock(reachability=found.reachability, detail=message)

    # Markers

    def write_marker(self, member: Member, *, sequence: int, epoch: Epoch, deadline_s: float) -> MarkerAcked:
        """Commit a marker and wait for its synchronous acknowledgement."""
        began_s = time.monotonic()
        line = self._line(self._markers, member)
        marker = Marker(writer=self._writer, sequence=sequence, epoch=epoch)

        def connect(end_s: float) -> Connection:
            return self._open(member, f"drctl-marker {self._writer}", MARKER_OPTIONS, end_s)

        try:
            with line.held(deadline_s):
                try:
                    return mark(line, marker, connect, deadline_s=deadline_s - (time.monotonic() - began_s))
                except NoAnswer as error:
                    if error.broken or not line.pending:
                        line.drop()
                    if error.sent:
                        raise EffectUnknown(f"the marker on {member.name}: {error.message}") from error
                    raise Unreachable(f"{member.name}: {error.message}") from error
                except CannotConnect as error:
                    raise Unreachable(f"{member.name}: {error.message}") from error
        except Occupied:
            raise EffectRefused(f"an earlier marker on {member.name} still waits: none was added") from None

    # A hospital's own checks

    def query(self, member: Member, query: Query, *, deadline_s: float) -> Queried:
        """Ask `member` one thing, over a session of its own. Raises Unreachable, EffectRefused."""
        account = replace(self._account, dbname=query.database or self._account.dbname)
        options = options_of(deadline_s)

        def connect(end_s: float) -> Connection:
            return self._open(member, f"drctl-check {self._writer}", options, end_s, account)

        return ask(connect, member.name, query, deadline_s=deadline_s)

    # Connections

    def watch(self, lost: Callable[[MemberName], None]) -> None:
        """Call `lost` at once when an idle connection breaks."""
        self._watcher.start(lost)

    def close(self) -> None:
        """Drop every connection. A call that is under way ends by its own deadline, and drops its own."""
        with self._lock:
            self._closed = True
            lines = (*self._probes.values(), *self._markers.values())
        self._watcher.close(deadline_s=CLOSE_TIMEOUT_S)
        for line in lines:
            try:
                with line.held(CLOSE_TIMEOUT_S / len(lines)):
                    line.drop()
            except Occupied:
                continue

    def _line(self, lines: dict[MemberName, Line], member: Member) -> Line:
        with self._lock:
            line = lines.get(member.name)
            if line is None or line.member != member:
                line = lines[member.name] = Line(member)
            return line

    def _open(
        self,
        member: Member,
        application: str,
        options: Mapping[str, str],
        end_s: float,
        account: Account | None = None,
    ) -> Connection:
        """Raises NoAnswer, CannotConnect."""
        if self._closed:
            raise CannotConnect("closed")
        try:
            address = self._names.address(member.host, end_s=end_s)
        except TimeoutError as error:
            raise NoAnswer(str(error)) from error
        except OSError as error:
            raise CannotConnect(str(error)) from error
        parameters = (account or self._account).parameters(member, address, application=application, options=options)
        connection = Connection.open(parameters, end_s=end_s)
        try:
            connection.dialect = self._dialect(member, connection, end_s)
        except ServerError as error:
            connection.close()
            raise CannotConnect(error.message) from error
        except NoAnswer as error:
            connection.close()
            raise NoAnswer(error.message, broken=error.broken) from error  # nothing that has an effect was sent
        return connection

    def _dialect(self, member: Member, connection: Connection, end_s: float) -> Dialect:
        """Asked once: a member does not become another engine."""
        known = self._dialects.get(member.name)
        if known is None:
            known = self._dialects[member.name] = dialect_of(connection.query(VERSION_SQL, end_s=end_s)[0][0] or "")
        return known


def _take_late(line: Line, connection: Connection, end_s: float) -> None:
    """Take the answer that came too late, and drop it."""
    with contextlib.suppress(ServerError):
        connection.receive(end_s=end_s)
    line.pending = False


def _share(end_s: float) -> float:
    now_s = time.monotonic()
    return now_s + (end_s - now_s) * KEPT_SHARE


def _look_for_overrides(line: Line, commit_setting: str, end_s: float) -> None:
    """After the facts, and never at their cost: what was known stays where the answer does not come quickly."""
    assert line.connection is not None, "the facts came over it"
    end_s = min(end_s, time.monotonic() + OVERRIDES_TIMEOUT_S)
    try:
        rows = line.connection.prepared("overrides", OVERRIDES_SQL, line.overrides.parameters(), end_s=end_s)
    except ServerError:
        return
    except NoAnswer as error:
        # Somebody may lock the catalog, and a new session reads it too: this one is kept, and its answer taken later.
        line.pending = not error.broken
        if error.broken:
            line.drop()
        return
    text = rows[0][0]
    assert text is not None, "the statement always gives a row"
    line.overrides.see(text, commit_setting)
