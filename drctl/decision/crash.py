"""How long a primary that has crashed would recover: what is known of its WAL, at a rate that it certainly reaches."""

from __future__ import annotations

from drctl.decision.memory import Memory
from drctl.model.identity import MemberName
from drctl.model.report import HostReport

REPLAY_BYTES_PER_S = 32 * 1024 * 1024
"""Of crash recovery: low on purpose, so that a prediction that is wrong is wrong on the side of the heir."""
START_S = 0.5
"""Of a postmaster that has nothing to recover, until it takes sessions."""


def predicted_recovery_s(host: HostReport | None, memory: Memory, primary: MemberName) -> float | None:
    """Seconds until `primary` would take sessions again; None when its host or its past do not tell."""
    if host is None or not host.answers or host.redo_lsn is None:
        return None
    if memory.primary != primary or memory.written_lsn is None:
        return None
    return START_S + max(0, memory.written_lsn - host.redo_lsn) / REPLAY_BYTES_PER_S
