"""A hospital's own check: one query, in a transaction that can only read, of which no more than a row is looked at."""

from __future__ import annotations

import time
from collections.abc import Callable

from drctl.model.command import Query
from drctl.model.errors import EffectRefused, Unreachable
from drctl.model.evidence import TEXT_LENGTH_MAX, Queried
from drctl.model.identity import MemberName
from drctl.postgres.connection import CannotConnect, Connection, NoAnswer, ServerError

QUERY_OPTIONS = {"default_transaction_read_only": "on", "lock_timeout": "2000", "idle_session_timeout": "0"}
ROWS_MAX = 2
"""Enough to see that a query gave more than one."""


def options_of(deadline_s: float) -> dict[str, str]:
    """Settings of the session: whatever becomes of us, the server ends the query when nobody waits for it any more."""
    return {**QUERY_OPTIONS, "statement_timeout": str(max(1, int(deadline_s * 1000)))}


def ask(connect: Callable[[float], Connection], member: MemberName, query: Query, *, deadline_s: float) -> Queried:
    """What `query` gives. `connect` opens a session before a moment.

    Raises Unreachable without a session or an answer, EffectRefused when the server refuses. Nothing is changed by it, so
    that a missing answer is no unknown effect.
    """
    end_s = time.monotonic() + deadline_s
    try:
        connection = connect(end_s)
    except (NoAnswer, CannotConnect) as error:
        raise Unreachable(f"{member}: {error.message}") from error
    try:
        # Each statement alone by the extended protocol: a text that holds several is refused by the server.
        connection.query("BEGIN TRANSACTION READ ONLY", end_s=end_s)
        connection.query(f"DECLARE drctl_check NO SCROLL CURSOR FOR {_bare(query.text)}", end_s=end_s)
        rows = connection.query(f"FETCH FORWARD {ROWS_MAX} FROM drctl_check", end_s=end_s)
    except ServerError as error:
        raise EffectRefused(f"{member} refused the query: {error.message}") from error
    except NoAnswer as error:
        raise Unreachable(f"{member}: {error.message}") from error
    finally:
        connection.close()
    value = rows[0][0] if rows and rows[0] else None
    return Queried(value=None if value is None else value[:TEXT_LENGTH_MAX], rows=len(rows))


def _bare(text: str) -> str:
    return text.strip().removesuffix(";").strip()
