"""Which statements each operation is made of."""

from __future__ import annotations

from typing import TYPE_CHECKING, assert_never

from chaos.workload import lis, proof
from chaos.workload.operation import (
    Accession,
    Append,
    Archive,
    CompleteSamples,
    CorrectResult,
    DepartmentDay,
    InstrumentUpkeep,
    LisOperation,
    Operation,
    OpId,
    PatientResults,
    ProofOperation,
    RegisterCas,
    RegisterRead,
    RegisterWrite,
    SetInsert,
    kind_of,
)

if TYPE_CHECKING:
    from chaos.workload.transaction import Arguments, Connection, Reply

_SYSTEM_OPERATOR = "系统"


async def perform(connection: Connection, op: OpId, operation: Operation) -> Reply:
    """Do `operation` on an idle connection in autocommit mode; on return it is committed.

    Every write leaves its operation id in the same transaction. Raises psycopg.Error: what it means is for the caller
    to judge.
    """
    mark = {"op": op, "kind": kind_of(operation).value, "operator": getattr(operation, "operator", _SYSTEM_OPERATOR)}
    if isinstance(operation, ProofOperation):
        return await _perform_proof(connection, mark, operation)
    return await _perform_lis(connection, mark, operation)


async def _perform_lis(connection: Connection, mark: Arguments, operation: LisOperation) -> Reply:
    match operation:
        case Accession():
            return await lis.accession(connection, mark, operation)
        case PatientResults():
            return await lis.patient_results(connection, operation)
        case DepartmentDay():
            return await lis.department_day(connection, operation)
        case CorrectResult():
            return await lis.correct_result(connection, mark, operation)
        case CompleteSamples():
            return await lis.complete_samples(connection, mark, operation)
        case Archive():
            return await lis.archive(connection, mark, operation)
        case InstrumentUpkeep():
            return await lis.instrument(connection, mark, operation)
        case _:
            assert_never(operation)


async def _perform_proof(connection: Connection, mark: Arguments, operation: ProofOperation) -> Reply:
    match operation:
        case RegisterRead():
            return await proof.register_read(connection, operation)
        case RegisterWrite():
            return await proof.register_write(connection, mark, operation)
        case RegisterCas():
            return await proof.register_cas(connection, mark, operation)
        case Append():
            return await proof.append(connection, mark, operation)
        case SetInsert():
            return await proof.set_insert(connection, mark)
        case _:
            assert_never(operation)
