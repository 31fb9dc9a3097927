"""A configuration change that is proved to have reached every process, instead of being asked for.

`pg_reload_conf()` only signals the postmaster; it says nothing of when, or whether, anybody has read the new value.

What is observable. The postmaster is single-threaded: it reads the files, then signals one child after the other in a loop.
Our own backend is one of the children: when `pg_conf_load_time()` changes in it, some loop has reached us.

Why three rounds. When ALTER SYSTEM returns, a loop that somebody else asked for may be under way, and may already have
signalled, say, the startup process *before* our change was on disk. Its signal to us can be what ends round one. But there
is one such loop at most. What ends round two therefore comes from a loop that began after our change; and what ends round
three comes from a later loop still, so the loop of round two is over: it has signalled *every* child (walsenders,
checkpointer, startup process) after the change was on disk. One or two milliseconds a round buy the certainty.

What "signalled" is worth. A walsender reads its configuration at the top of its loop, before it reads the replies of its
standby. So a reply to WAL that was written after this proof (the marker's) is judged by the new setting. The checkpointer,
which alone publishes whether any synchronous standby is set at all, may be busy for long: see `checkpointer_knows`.

Source: PostgreSQL `postmaster.c` (process_pm_reload_request, SignalChildren), `walsender.c` (WalSndLoop), `syncrep.c`
(SyncRepWaitForLSN, SyncRepUpdateSyncStandbysDefined), `checkpointer.c`; read for versions 15 and 18.
"""

from __future__ import annotations

from collections.abc import Mapping

from drctl.host.deadline import Deadline
from drctl.host.faults import Refused, Unknown
from drctl.host.processes import slept_through
from drctl.host.psql import Session, StatementFailed, identifier, literal

ROUNDS = 3
_POLL_S = 0.001
_CHECKPOINTER_SLEEPS = frozenset({"CheckpointerMain", "CheckpointWriteDelay"})
"""Places that the checkpointer only sleeps at after it has looked whether it was told to reload."""


def alter_system(session: Session, settings: Mapping[str, str], deadline: Deadline) -> None:
    """Write settings to `postgresql.auto.conf` and prove that every process was told. Works on a standby too.

    Raises Refused when the server does not take a value, or when the value is set somewhere that outranks ALTER SYSTEM.
    """
    for name, value in settings.items():
        try:
            session.rows(f"ALTER SYSTEM SET {identifier(name)} = {literal(value)}", deadline)
        except StatementFailed as error:
            raise Refused(
                f"ALTER SYSTEM SET {name}: {error}",
                "ALTER SYSTEM must be allowed for the superuser (allow_alter_system)",
            ) from error
    confirm_reload(session, deadline)
    for name, value in settings.items():
        shown = session.value(f"SELECT current_setting({literal(name)})", deadline)
        if shown != value:
            raise Refused(
                f"{name} is {shown!r} after ALTER SYSTEM and a reload",
                f"it is set on the server's command line, or waits for a restart: look up {name} in pg_settings",
            )


def confirm_reload(session: Session, deadline: Deadline) -> None:
    """Reload until a whole loop of the postmaster is known to lie between now and the return of this function."""
    for _ in range(ROUNDS):
        before = session.value("SELECT pg_conf_load_time()", deadline)
        session.rows("SELECT pg_reload_conf()", deadline)
        # Different, not later: the wall clock may be set back.
        condition = f"pg_conf_load_time() <> {literal(before or '')}::timestamptz"
        for _ in deadline.polls(_POLL_S):
            if session.is_true(condition, deadline):
                break
        else:
            raise Unknown(
                "the server did not reload its configuration in time",
                "is its postmaster frozen, or the machine overloaded?",
            )


def checkpointer_knows(session: Session, deadline: Deadline) -> bool:
    """Whether the checkpointer has acted on a reload that was confirmed before this call.

    A commit waits for its standbys only if a flag in shared memory says that some are set, and only the checkpointer sets
    that flag. Where `synchronous_standby_names` was empty, commits return *without waiting* until it has: after a
    promotion, that would be acknowledged commits on one member alone. While it writes a checkpoint it may not look for long,
    so it is watched until it sleeps, which proves that it has looked (see `slept_through`).
    """
    for _ in deadline.polls(_POLL_S * 2):
        found = session.rows("SELECT pid FROM pg_stat_activity WHERE backend_type = 'checkpointer'", deadline)
        if found and slept_through(
            int(found[0][0] or 0), lambda: _sleeping_place(session, deadline) in _CHECKPOINTER_SLEEPS
        ):
            return True
    return False


def _sleeping_place(session: Session, deadline: Deadline) -> str | None:
    found = session.rows("SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'checkpointer'", deadline)
    return found[0][0] if found else None
