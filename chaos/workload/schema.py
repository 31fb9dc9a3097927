"""The laboratory's tables, the tables of the oracles, and the stock that a laboratory begins with."""

from __future__ import annotations

from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING

import psycopg

from chaos.workload import names

if TYPE_CHECKING:
    from collections.abc import Iterator

LIS_TABLES = ("lis_sample", "lis_test_result", "lis_instrument", "lis_sample_history", "lis_operation_log")
PROOF_TABLES = ("chaos_register", "chaos_list", "chaos_set")
TABLES = LIS_TABLES + PROOF_TABLES
"""Everything that must be identical on all members."""

STOCK_OP = "stock"
"""The operation id of rows that were there before the first client."""

_SAMPLE_COLUMNS = """
    sample_no     text PRIMARY KEY,
    patient_id    text NOT NULL,
    patient_name  text NOT NULL,
    gender        text NOT NULL CHECK (gender IN ('男', '女', '未知')),
    age           smallint NOT NULL CHECK (age BETWEEN 0 AND 150),
    dept_name     text NOT NULL,
    bed_no        text,
    sample_type   text NOT NULL,
    collect_time  timestamptz NOT NULL,
    receive_time  timestamptz,
    complete_time timestamptz,
    status        text NOT NULL CHECK (status IN ('待检验', '检验中', '已完成', '无效')),
    op_id         text NOT NULL
"""
_SAMPLE_COMMENTS = {
    "sample_no": "标本编号",
    "patient_id": "患者编号",
    "patient_name": "患者姓名",
    "gender": "性别",
    "age": "年龄",
    "dept_name": "申请科室",
    "bed_no": "床号",
    "sample_type": "标本类型",
    "collect_time": "采集时间",
    "receive_time": "接收时间",
    "complete_time": "完成时间",
    "status": "状态：待检验、检验中、已完成、无效",
    "op_id": "最后写入该行的操作编号",
}
_COMMENTS: dict[str, tuple[str, dict[str, str]]] = {
    "lis_sample": ("检验标本", _SAMPLE_COMMENTS),
    "lis_sample_history": ("三年以上的无效标本（归档）", _SAMPLE_COMMENTS),
    "lis_test_result": (
        "检验结果",
        {
            "sample_no": "标本编号",
            "test_item": "检验项目",
            "test_result": "检验结果值，未出结果时为空",
            "reference_range": "参考范围",
            "test_time": "检验时间",
            "operator": "检验者或更正者",
            "update_time": "更新时间",
            "remark": "备注，更正时写明原因",
            "op_id": "最后写入该行的操作编号",
        },
    ),
    "lis_instrument": (
        "检验仪器",
        {
            "id": "仪器编号",
            "name": "仪器名称",
            "campus": "所在院区",
            "status": "状态",
            "op_id": "最后写入该行的操作编号",
        },
    ),
    "lis_operation_log": (
        "操作留痕：每次写操作一行，与其数据同一事务",
        {"op_id": "操作编号", "kind": "操作类别", "operator": "操作者", "at": "操作时间"},
    ),
    "chaos_register": ("线性一致性检验用寄存器", {"key": "键", "value": "值", "op_id": "最后写入该行的操作编号"}),
    "chaos_list": ("列表追加检验用列表", {"key": "键", "elements": "按追加顺序排列的元素"}),
    "chaos_set": ("集合完整性检验用元素", {"op_id": "操作编号"}),
}
_DDL = (
    f"CREATE TABLE lis_sample ({_SAMPLE_COLUMNS})",
    # A patient's samples, newest first; a department's day; and what the archive looks for.
    "CREATE INDEX lis_sample_patient ON lis_sample (patient_id, collect_time DESC)",
    "CREATE INDEX lis_sample_department_day ON lis_sample (dept_name, receive_time)",
    "CREATE INDEX lis_sample_invalid ON lis_sample (collect_time) WHERE status = '无效'",
    f"CREATE TABLE lis_sample_history ({_SAMPLE_COLUMNS})",
    "CREATE INDEX lis_sample_history_patient ON lis_sample_history (patient_id, collect_time DESC)",
    """CREATE TABLE lis_test_result (
        sample_no       text NOT NULL REFERENCES lis_sample (sample_no),
        test_item       text NOT NULL,
        test_result     text,
        reference_range text NOT NULL,
        test_time       timestamptz NOT NULL,
        operator        text NOT NULL,
        update_time     timestamptz NOT NULL,
        remark          text,
        op_id           text NOT NULL,
        PRIMARY KEY (sample_no, test_item)
    )""",
    """CREATE TABLE lis_instrument (
        id     text PRIMARY KEY,
        name   text NOT NULL,
        campus text NOT NULL,
        status text NOT NULL,
        op_id  text NOT NULL
    )""",
    # Not unique, on purpose: an operation that was applied twice must be seen, not refused.
    """CREATE TABLE lis_operation_log (
        op_id    text NOT NULL,
        kind     text NOT NULL,
        operator text NOT NULL,
        at       timestamptz NOT NULL DEFAULT clock_timestamp()
    )""",
    "CREATE INDEX lis_operation_log_op ON lis_operation_log (op_id)",
    "CREATE TABLE chaos_register (key bigint PRIMARY KEY, value bigint NOT NULL, op_id text NOT NULL)",
    "CREATE TABLE chaos_list (key bigint PRIMARY KEY, elements bigint[] NOT NULL)",
    "CREATE TABLE chaos_set (op_id text NOT NULL)",
    "CREATE INDEX chaos_set_op ON chaos_set (op_id)",
)


def install_schema(dsn: str, *, samples: int = 3000, invalid_samples: int = 1000, seed: int = 1) -> None:
    """Create the tables and their stock in the database that `dsn` names; what an earlier run left there is dropped.

    One transaction: it is there whole or not at all.
    """
    with psycopg.connect(dsn, connect_timeout=10) as connection:
        connection.execute("SET LOCAL statement_timeout = '60s'")
        [encoding] = connection.execute("SHOW server_encoding").fetchone() or ("",)
        if encoding != "UTF8":
            raise ValueError(
                f"the database is encoded in {encoding}: create it with ENCODING 'UTF8' TEMPLATE template0"
            )
        connection.execute(f"DROP TABLE IF EXISTS {', '.join(TABLES)} CASCADE")
        for statement in _DDL:
            connection.execute(statement)
        for statement in _comment_statements():
            connection.execute(statement)
        _fill(connection, Random(seed), samples=samples, invalid_samples=invalid_samples)
    with psycopg.connect(dsn, connect_timeout=10, autocommit=True) as connection:
        connection.execute("SET statement_timeout = '60s'")
        connection.execute(f"ANALYZE {', '.join(TABLES)}")


def _comment_statements() -> Iterator[str]:
    for table, (comment, columns) in _COMMENTS.items():
        yield f"COMMENT ON TABLE {table} IS '{comment}'"
        for column, text in columns.items():
            yield f"COMMENT ON COLUMN {table}.{column} IS '{text}'"


def _fill(connection: psycopg.Connection, random: Random, *, samples: int, invalid_samples: int) -> None:
    now = datetime.now().astimezone()
    cursor = connection.cursor()
    with cursor.copy("COPY lis_instrument FROM STDIN") as copy:
        for instrument, name, campus in names.INSTRUMENTS:
            copy.write_row((instrument, name, campus, names.INSTRUMENT_STATES[0], STOCK_OP))
    rows = [
        _stock_sample(random, now, number, invalid=number >= samples) for number in range(samples + invalid_samples)
    ]
    with cursor.copy("COPY lis_sample FROM STDIN") as copy:
        for row in rows:
            copy.write_row(row)
    columns = "sample_no, test_item, test_result, reference_range, test_time, operator, update_time, op_id"
    with cursor.copy(f"COPY lis_test_result ({columns}) FROM STDIN") as copy:
        for row in rows:
            for item in random.sample(names.ITEMS_OF_TYPE[row[7]], k=2):
                value, operator = item.measure(random), random.choice(names.OPERATORS)
                copy.write_row((row[0], item.name, value, item.reference_range, row[9], operator, row[9], STOCK_OP))


_SampleRow = tuple[str, str, str, str, int, str, str, str, datetime, datetime, datetime | None, str, str]


def _stock_sample(random: Random, now: datetime, number: int, *, invalid: bool) -> _SampleRow:
    patient = random.randrange(names.PATIENTS)
    received = now - timedelta(minutes=random.randrange(1, 88 * 24 * 60))
    if invalid:
        received -= timedelta(days=1200)
    return (
        # Stock counts from one within its day, live numbers carry the client's digits: they cannot meet.
        f"S{received:%Y%m%d}{number:04d}",
        names.patient_id(patient),
        names.patient_name(patient),
        "男" if patient % 2 else "女",
        1 + patient % 95,
        random.choice(names.DEPARTMENTS),
        f"{random.randrange(1, 60)}床",
        random.choice(names.SAMPLE_TYPES),
        received - timedelta(minutes=20),
        received,
        None if invalid else received + timedelta(hours=1),
        names.INVALID if invalid else names.DONE,
        STOCK_OP,
    )
