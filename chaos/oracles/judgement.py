"""All oracles over one run."""

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.oracles.identical import check_identical
from chaos.oracles.list_append import check_list_append
from chaos.oracles.member import primary_of
from chaos.oracles.registers import check_registers
from chaos.oracles.set_full import check_set_full
from chaos.oracles.vanished_reads import check_vanished_reads
from chaos.oracles.verdict import Result
from chaos.oracles.wal_line import check_wal_line

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from chaos.oracles.member import MemberDump
    from chaos.oracles.verdict import Verdict
    from chaos.workload.record import History


def judge(
    history: History, dumps: tuple[MemberDump, ...], rows: Mapping[str, tuple[str, ...]] | None = None
) -> tuple[Verdict, ...]:
    """Ask every oracle that needs no more than ledgers and members; the outage is measured apart."""
    primary = primary_of(dumps)
    return (
        check_set_full(history, dumps),
        check_registers(history, primary),
        check_list_append(history, primary),
        check_wal_line(history, dumps),
        check_vanished_reads(history, dumps),
        check_identical(dumps, rows),
    )


def overall(verdicts: Iterable[Verdict]) -> Result:
    """Fail if any failed; else inconclusive if any proves nothing; else pass."""
    results = {verdict.result for verdict in verdicts}
    if Result.FAIL in results:
        return Result.FAIL
    return Result.INCONCLUSIVE if Result.INCONCLUSIVE in results or not results else Result.PASS
