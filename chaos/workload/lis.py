"""What a laboratory says to its database."""

# ruff: noqa: S608 - the text that is put together is all in this folder; values are bound by the driver

from __future__ import annotations

from typing import TYPE_CHECKING

from chaos.workload import names
from chaos.workload.operation import OpId
from chaos.workload.record import SeenOperations
from chaos.workload.transaction import LOG, READ_AT, Reply, done, log, place_of, rows_of, transaction, wrote

if TYPE_CHECKING:
    from collections.abc import Iterable

    from psycopg.rows import TupleRow

    from chaos.workload.operation import (
        Accession,
        Archive,
        CompleteSamples,
        CorrectResult,
        DepartmentDay,
        InstrumentUpkeep,
        PatientResults,
    )
    from chaos.workload.transaction import Arguments, Connection

_ROWS_SEEN_MAX = 50

_SAMPLE_COLUMNS = """sample_no, patient_id, patient_name, gender, age, dept_name, bed_no, sample_type, collect_time,
    receive_time, status"""
_INSERT_SAMPLES = f"""INSERT INTO lis_sample ({_SAMPLE_COLUMNS}, op_id)
    SELECT *, %(op)s FROM unnest(%(sample_no)s::text[], %(patient_id)s::text[], %(patient_name)s::text[],
        %(gender)s::text[], %(age)s::smallint[], %(dept_name)s::text[], %(bed_no)s::text[], %(sample_type)s::text[],
        %(collect_time)s::timestamptz[], %(receive_time)s::timestamptz[], %(status)s::text[])"""
_INSERT_ORDERS = """INSERT INTO lis_test_result
        (sample_no, test_item, reference_range, test_time, operator, update_time, op_id)
    SELECT ordered.sample_no, ordered.test_item, ordered.reference_range, now(), %(operator)s, now(), %(op)s
    FROM unnest(%(ordered_sample)s::text[], %(ordered_item)s::text[], %(ordered_range)s::text[])
        AS ordered (sample_no, test_item, reference_range)"""


async def accession(connection: Connection, mark: Arguments, operation: Accession) -> Reply:
    """Take in samples with the tests that were ordered."""
    samples = operation.samples
    ordered = [(s.sample_no, item, span) for s in samples for item, span in zip(s.items, s.ranges, strict=True)]
    arguments = {
        **mark,
        "sample_no": [s.sample_no for s in samples],
        "patient_id": [s.patient_id for s in samples],
        "patient_name": [s.patient_name for s in samples],
        "gender": [s.gender for s in samples],
        "age": [s.age for s in samples],
        "dept_name": [s.dept_name for s in samples],
        "bed_no": [s.bed_no for s in samples],
        "sample_type": [s.sample_type for s in samples],
        "collect_time": [s.collect_time for s in samples],
        "receive_time": [s.receive_time for s in samples],
        "status": [s.status for s in samples],
        "ordered_sample": [sample_no for sample_no, _, _ in ordered],
        "ordered_item": [item for _, item, _ in ordered],
        "ordered_range": [span for _, _, span in ordered],
    }
    if len(samples) == 1:
        # One statement, as a program does that never heard of transactions.
        return wrote(
            await rows_of(
                connection,
                f"""WITH sample AS ({_INSERT_SAMPLES} RETURNING 1), ordered AS ({_INSERT_ORDERS} RETURNING 1),
                    logged AS ({LOG} RETURNING 1)
                {done("sample", "ordered", "logged")}""",
                arguments,
            )
        )
    async with transaction(connection):
        await connection.execute(_INSERT_SAMPLES, arguments)
        await connection.execute(_INSERT_ORDERS, arguments)
        return wrote(await log(connection, mark))


async def patient_results(connection: Connection, operation: PatientResults) -> Reply:
    """A patient's results of the last three months, newest first."""
    rows = await rows_of(
        connection,
        f"""SELECT {READ_AT}, found.* FROM (SELECT 1) AS always LEFT JOIN LATERAL (
            SELECT result.op_id, result.sample_no, result.test_item, result.test_result, result.reference_range,
                result.test_time, result.operator, result.remark
            FROM lis_sample AS sample JOIN lis_test_result AS result USING (sample_no)
            WHERE sample.patient_id = %(patient_id)s AND sample.collect_time >= now() - interval '3 months'
            ORDER BY sample.collect_time DESC, result.test_item LIMIT {_ROWS_SEEN_MAX}) AS found ON true""",
        {"patient_id": operation.patient_id},
    )
    return _saw(rows, _distinct(str(row[3]) for row in rows if row[3] is not None))


async def department_day(connection: Connection, operation: DepartmentDay) -> Reply:
    """A department's samples of one day by type, with done and waiting counts."""
    rows = await rows_of(
        connection,
        f"""SELECT {READ_AT}, counted.* FROM (SELECT 1) AS always LEFT JOIN LATERAL (
            SELECT (array_agg(op_id ORDER BY receive_time DESC, sample_no DESC))[1:5] AS newest, sample_type, count(*),
                count(*) FILTER (WHERE status = '{names.DONE}') AS done,
                count(*) FILTER (WHERE status IN ('{names.WAITING}', '{names.TESTING}')) AS waiting
            FROM lis_sample
            WHERE dept_name = %(dept_name)s AND receive_time >= %(day)s AND receive_time < %(day)s + interval '1 day'
            GROUP BY sample_type ORDER BY sample_type) AS counted ON true""",
        {"dept_name": operation.dept_name, "day": operation.day},
    )
    return _saw(rows, _distinct(str(op) for row in rows for op in row[3] or ()))


async def correct_result(connection: Connection, mark: Arguments, operation: CorrectResult) -> Reply:
    """Correct one result; the log line says who did it."""
    rows = await rows_of(
        connection,
        f"""WITH corrected AS (UPDATE lis_test_result SET test_result = %(value)s, operator = %(operator)s,
                update_time = now(), remark = %(remark)s, op_id = %(op)s
            WHERE sample_no = %(sample_no)s AND test_item = %(test_item)s RETURNING 1), logged AS ({LOG} RETURNING 1)
        {done("corrected", "logged")}""",
        {
            **mark,
            "value": operation.result.value,
            "remark": operation.remark,
            "sample_no": operation.result.sample_no,
            "test_item": operation.result.test_item,
        },
    )
    return wrote(rows)


async def complete_samples(connection: Connection, mark: Arguments, operation: CompleteSamples) -> Reply:
    """Enter results and set their samples to done."""
    arguments = {
        **mark,
        "sample_no": [result.sample_no for result in operation.results],
        "test_item": [result.test_item for result in operation.results],
        "value": [result.value for result in operation.results],
    }
    async with transaction(connection):
        await connection.execute(
            """UPDATE lis_test_result AS stored SET test_result = entered.value, test_time = now(), update_time = now(),
                operator = %(operator)s, op_id = %(op)s
            FROM unnest(%(sample_no)s::text[], %(test_item)s::text[], %(value)s::text[])
                AS entered (sample_no, test_item, value)
            WHERE stored.sample_no = entered.sample_no AND stored.test_item = entered.test_item""",
            arguments,
        )
        await connection.execute(
            f"""UPDATE lis_sample SET status = '{names.DONE}', complete_time = now(), op_id = %(op)s
            WHERE sample_no = ANY(%(sample_no)s) AND status <> '{names.INVALID}'""",
            arguments,
        )
        return wrote(await log(connection, mark))


async def archive(connection: Connection, mark: Arguments, operation: Archive) -> Reply:
    """Move old invalid samples to the history and purge them, over three tables at once."""
    async with transaction(connection):
        moved = await rows_of(
            connection,
            f"""WITH old AS (SELECT * FROM lis_sample
                WHERE status = '{names.INVALID}' AND collect_time < now() - interval '3 years'
                ORDER BY collect_time LIMIT %(samples_max)s FOR UPDATE SKIP LOCKED)
            INSERT INTO lis_sample_history ({_SAMPLE_COLUMNS}, complete_time, op_id)
            SELECT {_SAMPLE_COLUMNS}, complete_time, %(op)s FROM old RETURNING sample_no""",
            {**mark, "samples_max": operation.samples_max},
        )
        purged = {"sample_no": [row[0] for row in moved]}
        await connection.execute("DELETE FROM lis_test_result WHERE sample_no = ANY(%(sample_no)s)", purged)
        await connection.execute("DELETE FROM lis_sample WHERE sample_no = ANY(%(sample_no)s)", purged)
        return wrote(await log(connection, mark))


async def instrument(connection: Connection, mark: Arguments, operation: InstrumentUpkeep) -> Reply:
    """Set the state of one analyser."""
    rows = await rows_of(
        connection,
        f"""WITH kept AS (UPDATE lis_instrument SET status = %(status)s, op_id = %(op)s WHERE id = %(id)s RETURNING 1),
            logged AS ({LOG} RETURNING 1)
        {done("kept", "logged")}""",
        {**mark, "status": operation.status, "id": operation.instrument_id},
    )
    return wrote(rows)


def _saw(rows: list[TupleRow], ops: tuple[OpId, ...]) -> Reply:
    return Reply(wrote=False, place=place_of(rows), seen=SeenOperations(ops=ops))


def _distinct(ops: Iterable[str]) -> tuple[OpId, ...]:
    return tuple(OpId(op) for op in dict.fromkeys(ops))
