"""Runs a business check against a member: in a transaction that is rolled back, or in a schema of its own."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import replace

from drctl.model.check import BusinessCheck, CheckScope, StepAnswer
from drctl.model.errors import Unreachable
from drctl.model.identity import MemberName
from drctl.model.topology import Member
from drctl.postgres.connection import CannotConnect, Connection, NoAnswer, ServerError
from drctl.postgres.line import Account
from drctl.postgres.names import Names

SCHEMA = "drctl_check"
ROWS_MAX = 1000
"""Looked at; a statement that gives more is a report, not a check."""
TIDY_UP_S = 5.0
SESSION_OPTIONS = {"lock_timeout": "2000", "idle_in_transaction_session_timeout": "15000", "idle_session_timeout": "0"}
"""Whatever becomes of us: nobody waits for a lock that a check forgot."""
_BEFORE = (
    f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE",
    f"CREATE SCHEMA {SCHEMA}",
    f'SET search_path = {SCHEMA}, "$user", public',
)


class Business:
    """The members' databases, as the drills' role sees them. Every method may be called from any thread."""

    def __init__(self, account: Account) -> None:
        self._account = account
        self._names = Names()

    def check(self, member: Member, check: BusinessCheck) -> tuple[StepAnswer, ...]:
        """Run a business check within its own time: what each step gave, up to the first error. Raises Unreachable."""
        account = replace(self._account, dbname=check.database or self._account.dbname)
        return run_check(lambda end_s: self._open(member, account, options_of(check), end_s), member.name, check)

    def commits(self, member: Member, *, deadline_s: float) -> int:
        """How many transactions its databases have committed since their statistics began. Raises Unreachable."""
        end_s = time.monotonic() + deadline_s
        try:
            connection = self._open(member, self._account, SESSION_OPTIONS, end_s)
            try:
                rows = connection.query("SELECT sum(xact_commit)::bigint FROM pg_stat_database", end_s=end_s)
            finally:
                connection.close()
        except (NoAnswer, CannotConnect, ServerError) as error:
            raise Unreachable(f"{member.name}: {error.message}") from error
        return int(rows[0][0] or 0)

    def _open(self, member: Member, account: Account, options: Mapping[str, str], end_s: float) -> Connection:
        try:
            address = self._names.address(member.host, end_s=end_s)
        except OSError as error:
            raise CannotConnect(str(error)) from error
        parameters = account.parameters(member, address, application="drctl-drill", options=options)
        return Connection.open(parameters, end_s=end_s)


def options_of(check: BusinessCheck) -> dict[str, str]:
    """Settings of the session."""
    return {**SESSION_OPTIONS, "statement_timeout": str(max(1, int(check.timeout_s * 1000)))}


def run_check(
    connect: Callable[[float], Connection], member: MemberName, check: BusinessCheck
) -> tuple[StepAnswer, ...]:
    """What each step gave, up to the first that gave an error. `connect` opens a session before a moment.

    Raises Unreachable without a session. The session ends with it, so that nothing of a transaction is left.
    """
    end_s = time.monotonic() + check.timeout_s
    try:
        connection = connect(end_s)
    except (NoAnswer, CannotConnect) as error:
        raise Unreachable(f"{member}: {error.message}") from error
    try:
        return _steps(connection, check, end_s)
    finally:
        connection.close()


def _steps(connection: Connection, check: BusinessCheck, end_s: float) -> tuple[StepAnswer, ...]:
    before = ("BEGIN",) if check.scope is CheckScope.ROLLED_BACK else _BEFORE
    answers: list[StepAnswer] = []
    try:
        for statement in before:
            connection.query(statement, end_s=end_s)
    except (ServerError, NoAnswer) as error:
        return (StepAnswer(id=check.steps[0].id, error=f"cannot begin: {error.message}"),)
    try:
        for step in check.steps:
            answers.append(_step(connection, step.id, step.sql, end_s))
            if answers[-1].error:
                break
    finally:
        _tidy_up(connection, check.scope)
    return tuple(answers)


def _step(connection: Connection, step: str, sql: str, end_s: float) -> StepAnswer:
    began_s = time.monotonic()
    try:
        # The extended protocol takes one statement: a text that holds several is refused by the server.
        rows = connection.query(sql, end_s=end_s)
    except (ServerError, NoAnswer) as error:
        return StepAnswer(id=step, elapsed_s=time.monotonic() - began_s, error=error.message)
    if len(rows) > ROWS_MAX:
        return StepAnswer(id=step, elapsed_s=time.monotonic() - began_s, error=f"gave more than {ROWS_MAX} rows")
    value = rows[0][0] if rows and rows[0] else None
    return StepAnswer(id=step, rows=len(rows), value=value, elapsed_s=time.monotonic() - began_s)


def _tidy_up(connection: Connection, scope: CheckScope) -> None:
    statement = "ROLLBACK" if scope is CheckScope.ROLLED_BACK else f"DROP SCHEMA IF EXISTS {SCHEMA} CASCADE"
    try:
        if connection.usable:
            connection.query(statement, end_s=time.monotonic() + TIDY_UP_S)
    except (ServerError, NoAnswer):
        # The end of the session rolls back by itself; a schema that is left is dropped by the next check.
        return
