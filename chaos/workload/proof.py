"""What the oracles say to the database: registers, lists and a set."""

# ruff: noqa: S608 - the text that is put together is all in this folder; values are bound by the driver

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.workload.operation import writes
from chaos.workload.record import SeenLists, SeenValue
from chaos.workload.transaction import LOG, READ_AT, WROTE_AT, Reply, done, log, place_of, rows_of, transaction, wrote

if TYPE_CHECKING:
    from chaos.workload.operation import Append, RegisterCas, RegisterRead, RegisterWrite
    from chaos.workload.transaction import Arguments, Connection


async def register_read(connection: Connection, operation: RegisterRead) -> Reply:
    """What the register holds."""
    rows = await rows_of(
        connection,
        f"SELECT {READ_AT}, (SELECT value FROM chaos_register WHERE key = %(key)s)",
        {"key": operation.key},
    )
    return Reply(wrote=False, place=place_of(rows), seen=SeenValue(value=rows[0][3]))


async def register_write(connection: Connection, mark: Arguments, operation: RegisterWrite) -> Reply:
    """Write the register, whatever it holds."""
    rows = await rows_of(
        connection,
        f"""WITH written AS (INSERT INTO chaos_register (key, value, op_id) VALUES (%(key)s, %(value)s, %(op)s)
                ON CONFLICT (key) DO UPDATE SET value = excluded.value, op_id = excluded.op_id RETURNING 1),
            logged AS ({LOG} RETURNING 1)
        {done("written", "logged")}""",
        {**mark, "key": operation.key, "value": operation.value},
    )
    return wrote(rows)


async def register_cas(connection: Connection, mark: Arguments, operation: RegisterCas) -> Reply:
    """Write the register if it holds what is expected; the reply says whether it did."""
    rows = await rows_of(
        connection,
        f"""WITH matched AS (UPDATE chaos_register SET value = %(value)s, op_id = %(op)s
                WHERE key = %(key)s AND value = %(expected)s RETURNING 1),
            logged AS (INSERT INTO lis_operation_log (op_id, kind, operator)
                SELECT %(op)s, %(kind)s, %(operator)s FROM matched RETURNING 1)
        {done("logged")}""",
        {**mark, "key": operation.key, "expected": operation.expected, "value": operation.value},
    )
    return Reply(wrote=rows[0][3] > 0, place=place_of(rows))


async def append(connection: Connection, mark: Arguments, operation: Append) -> Reply:
    """Read and append in one serializable transaction."""
    lists: list[tuple[int, ...] | None] = []
    async with transaction(connection, "BEGIN ISOLATION LEVEL SERIALIZABLE"):
        for step in operation.steps:
            if step.value is None:
                rows = await rows_of(
                    connection, "SELECT elements FROM chaos_list WHERE key = %(key)s", {"key": step.key}
                )
                lists.append(tuple(rows[0][0]) if rows else ())
            else:
                await connection.execute(
                    """INSERT INTO chaos_list AS stored (key, elements) VALUES (%(key)s, ARRAY[%(value)s::bigint])
                    ON CONFLICT (key) DO UPDATE SET elements = stored.elements || excluded.elements""",
                    {"key": step.key, "value": step.value},
                )
                lists.append(None)
        if writes(operation):
            place = place_of(await log(connection, mark))
        else:
            place = place_of(await rows_of(connection, f"SELECT {READ_AT}", {}))
    return Reply(wrote=writes(operation), place=place, seen=SeenLists(lists=tuple(lists)))


async def set_insert(connection: Connection, mark: Arguments) -> Reply:
    """Insert one element."""
    return wrote(await rows_of(connection, f"INSERT INTO chaos_set (op_id) VALUES (%(op)s) RETURNING {WROTE_AT}", mark))
