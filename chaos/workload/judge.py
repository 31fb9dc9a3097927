"""What a client may conclude from the end of an operation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import psycopg

from chaos.workload.record import OutcomeClass

READ_ONLY_SQLSTATE = "25006"
# Read-only server, serialization failure, deadlock, too many connections, server starting or stopping.
CERTAINLY_NOT_DONE = frozenset({READ_ONLY_SQLSTATE, "40001", "40P01", "53300", "57P03"})
_TEXT_MAX = 200


def judge_error(error: Exception) -> OutcomeClass:
    """The class of an operation that was sent and ended in `error`."""
    if isinstance(error, psycopg.Error) and error.sqlstate in CERTAINLY_NOT_DONE:
        return OutcomeClass.FAILED
    return OutcomeClass.UNKNOWN


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """What the server said beside its answer."""

    source_function: str | None
    """The C function that said it; the same in every language."""
    text: str

    @classmethod
    def of(cls, diagnostic: psycopg.errors.Diagnostic) -> Self:
        """Copy it at once: libpq frees the original when the notice handler returns, and it then reads as empty."""
        return cls(source_function=diagnostic.source_function, text=diagnostic.message_primary or "")


def judge_success(notices: list[Notice]) -> OutcomeClass:
    """The class of an operation that succeeded with these notices."""
    return OutcomeClass.ACKED_UNSAFE if any(map(wait_was_cancelled, notices)) else OutcomeClass.ACKED


def wait_was_cancelled(notice: Notice) -> bool:
    """Whether the server stopped waiting for its standby: the commit is on this member alone, as far as it knows.

    Asked by the name of the C function first: the text is translated where `lc_messages` says so.
    """
    if notice.source_function == "SyncRepWaitForLSN":
        return True
    return "canceling wait for synchronous replication" in notice.text


def cut(text: str) -> str:
    """One line of bounded length for the ledger."""
    return " ".join(text.split())[:_TEXT_MAX]
