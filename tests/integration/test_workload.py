"""The load and the oracles against a real PostgreSQL with one standby."""

from __future__ import annotations

import asyncio
import json
import os
import pwd
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
import pytest
from click.testing import CliRunner

from chaos.oracles.__main__ import main as judge_command
from chaos.oracles.dump import NotQuiet, await_quiet, read_members, rows_that_differ
from chaos.oracles.judgement import judge, overall
from chaos.oracles.set_full import check_set_full
from chaos.oracles.verdict import Result
from chaos.workload.generator import Birth, Generator
from chaos.workload.judge import judge_error, judge_success
from chaos.workload.ledger import read_history, read_ledger
from chaos.workload.load import Plan, run_load
from chaos.workload.operation import Accession, Archive, Kind, OpId, RegisterCas, SetInsert, kind_of, writes
from chaos.workload.record import OutcomeClass, SeenOperations
from chaos.workload.schema import TABLES, install_schema
from chaos.workload.session import Session

ROOT = Path(__file__).resolve().parents[2]
BINDIR = max(Path("/usr/lib/postgresql").glob("*/bin"), default=None, key=lambda path: int(path.parent.name))
AS_POSTGRES = ["runuser", "-u", "postgres", "--"] if os.geteuid() == 0 else []

pytestmark = pytest.mark.skipif(BINDIR is None, reason="PostgreSQL is not installed: apt-get install postgresql-15")


@dataclass(frozen=True)
class Member:
    name: str
    pgdata: Path
    port: int

    @property
    def dsn(self):
        return f"host=127.0.0.1 port={self.port} user=postgres dbname=lis"

    def control(self, *arguments):
        _run("pg_ctl", "-D", self.pgdata, "-l", f"{self.pgdata}.log", "-w", "-t", "30", *arguments)

    def sql(self, statement):
        with psycopg.connect(self.dsn, autocommit=True, connect_timeout=5) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def set(self, name, value):
        self.sql(f"ALTER SYSTEM SET {name} = '{value}'")
        self.sql("SELECT pg_reload_conf()")
        _until(lambda: self.sql(f"SHOW {name}") == [(value,)])


@dataclass(frozen=True)
class Pair:
    primary: Member
    standby: Member

    @property
    def service(self):
        ports = f"{self.standby.port},{self.primary.port}"
        return f"host=127.0.0.1,127.0.0.1 port={ports} user=postgres dbname=lis target_session_attrs=read-write"

    @property
    def members(self):
        return {self.primary.name: self.primary.dsn, self.standby.name: self.standby.dsn}


@contextmanager
def running_pair():
    folder = Path(tempfile.mkdtemp(prefix="drctl-workload-"))
    if AS_POSTGRES:
        os.chown(folder, pwd.getpwnam("postgres").pw_uid, -1)
    primary, standby = (Member(name, folder / name, _free_port()) for name in ("lis-zhaohui", "lis-yuecheng"))
    try:
        _run("initdb", "-D", primary.pgdata, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C.UTF-8", "-N")
        settings = f"-c port={primary.port} -c cluster_name={primary.name} -c listen_addresses=127.0.0.1"
        primary.control("start", "-o", f"{settings} -c unix_socket_directories={folder} -c fsync=off")
        _run("createdb", "-h", "127.0.0.1", "-p", str(primary.port), "-U", "postgres", "lis")
        _run("pg_basebackup", "-D", standby.pgdata, "-d", f"host=127.0.0.1 port={primary.port} user=postgres", "-R",
             "-c", "fast")  # fmt: skip
        settings = f"-c port={standby.port} -c cluster_name={standby.name} -c listen_addresses=127.0.0.1"
        standby.control("start", "-o", f"{settings} -c unix_socket_directories={folder} -c fsync=off")
        primary.set("synchronous_standby_names", f'ANY 1 ("{standby.name}")')
        yield Pair(primary, standby)
    finally:
        for member in (primary, standby):
            subprocess.run([*AS_POSTGRES, BINDIR / "pg_ctl", "-D", member.pgdata, "-m", "immediate", "stop"],
                           check=False, capture_output=True, timeout=60, cwd="/")  # fmt: skip
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="module")
def pair():
    with running_pair() as pair:
        yield pair


@pytest.fixture
def lis(pair):
    """Fresh tables."""
    install_schema(pair.primary.dsn, samples=200, invalid_samples=100)
    return pair


@pytest.fixture
def without_standby(lis):
    """No standby will ever acknowledge: every commit waits."""
    rule = lis.primary.sql("SHOW synchronous_standby_names")[0][0]
    lis.primary.set("synchronous_standby_names", "nobody")
    yield lis
    lis.primary.set("synchronous_standby_names", rule)


def test_a_run_of_the_program_ends_at_sigterm_and_passes_every_oracle(lis, tmp_path):
    clients = [
        _start_client(lis.service, tmp_path / "zhaohui.jsonl", "zhaohui", "--rate", "60"),
        _start_client(lis.service, tmp_path / "fuyang.jsonl", "fuyang", "--rate", "60"),
        _start_client(
            lis.standby.dsn, tmp_path / "reader.jsonl", "reader", "--rate", "20", "--pinned", lis.standby.name
        ),
    ]
    # Four lines of progress each, then the end.
    lines = [[json.loads(client.stdout.readline()) for _ in range(8)] for client in clients]
    for client in clients:
        client.send_signal(signal.SIGTERM)
    ends = [[json.loads(line) for line in client.communicate(timeout=20)[0].splitlines()][-1] for client in clients]
    assert [client.returncode for client in clients] == [0, 0, 0]

    last = lines[0][-1]
    assert last["acked"] > 50
    assert last["connections"] > 0
    assert last["member"] == lis.primary.name
    assert last["p50_ms"] <= last["p99_ms"]
    history = read_history(sorted(tmp_path.glob("*.jsonl")))
    assert sum(end["acked"] for end in ends) == sum(attempt.acked for attempt in history.attempts)
    assert {attempt.outcome for attempt in history.attempts} <= {OutcomeClass.ACKED, OutcomeClass.FAILED}
    assert all(attempt.told is not None for attempt in history.attempts)

    dumps = read_members(lis.members, deadline_s=20)
    verdicts = judge(history, dumps)
    assert overall(verdicts) is Result.PASS, verdicts

    arguments = [f"--member={name}={dsn}" for name, dsn in lis.members.items()]
    ledgers = [str(path) for path in tmp_path.glob("*.jsonl")]
    told = CliRunner().invoke(judge_command, [*arguments, "--json", *ledgers])
    assert told.exit_code == 0, told.output
    assert {verdict["result"] for verdict in json.loads(told.output)} == {"pass"}

    # What the oracles would say of a member that lost one row.
    gone = next(attempt.op for attempt in history.attempts if attempt.intent.kind is Kind.SET_INSERT and attempt.acked)
    lis.primary.sql(f"DELETE FROM chaos_set WHERE op_id = '{gone}'")  # noqa: S608 - an id of our own
    [finding] = check_set_full(history, read_members(lis.members, deadline_s=20)).findings
    assert (finding.kind, finding.subject, finding.member) == ("lost", gone, None)
    told = CliRunner().invoke(judge_command, [*arguments, *ledgers])
    assert told.exit_code == 1
    assert "lost:" in told.output


def test_a_primary_that_went_on_alone_before_a_failover_turns_the_oracles_red(tmp_path):
    with running_pair() as pair:
        install_schema(pair.primary.dsn, samples=200, invalid_samples=100)
        # Nothing seals the old primary, and nobody counts its acknowledgements: what drctl exists to prevent.
        pair.standby.set("primary_conninfo", "")
        pair.primary.set("synchronous_standby_names", "")
        plan = Plan(dsn=pair.primary.dsn, ledger=tmp_path / "ledger", client="zhaohui", rate_per_s=100, seconds=1.5)
        asyncio.run(run_load(plan, asyncio.Event(), lambda _: None))
        pair.primary.control("stop", "-m", "immediate")
        pair.standby.control("promote")
        dumps = read_members({pair.standby.name: pair.standby.dsn}, deadline_s=20)
    verdicts = {verdict.oracle: verdict for verdict in judge(read_history([tmp_path / "ledger"]), dumps)}
    assert verdicts["set-full"].counts["lost"] == verdicts["set-full"].counts["acked"] > 50
    assert {finding.kind for finding in verdicts["wal-line"].findings} == {"split-brain"}
    assert {finding.kind for finding in verdicts["vanished-reads"].findings} == {"vanished"}
    assert {"lost-append"} <= {finding.kind for finding in verdicts["list-append"].findings}
    assert verdicts["registers"].result is Result.FAIL


def test_every_kind_of_write_leaves_its_operation_id_once(lis):
    generator = Generator(Birth(client="zhaohui", seed=3, at=datetime.now().astimezone()))
    done = {}

    async def run():
        session = await Session.open(lis.service)
        deadline = time.monotonic() + 60
        while {kind_of(operation) for operation, _ in done.values()} != set(Kind) or len(done) < 300:
            assert time.monotonic() < deadline
            operation, op = generator.next(), OpId(f"zhaohui.1.{len(done)}")
            done[op] = operation, await session.perform(op, operation)
        session.discard()

    asyncio.run(run())
    primary, standby = read_members(lis.members, deadline_s=20)
    written = {op for op, (_, reply) in done.items() if reply.wrote}
    assert primary.operations == standby.operations == dict.fromkeys(written, 1)
    assert all(
        reply.wrote == writes(operation) for operation, reply in done.values() if not isinstance(operation, RegisterCas)
    )
    assert primary.tables == standby.tables
    assert primary.registers
    assert primary.lists
    archived = [op for op, (operation, _) in done.items() if isinstance(operation, Archive)]
    assert {op for (op,) in lis.primary.sql("SELECT DISTINCT op_id FROM lis_sample_history")} <= set(archived)
    numbers = {
        s.sample_no for operation, _ in done.values() if isinstance(operation, Accession) for s in operation.samples
    }
    there = "SELECT sample_no FROM lis_sample UNION ALL SELECT sample_no FROM lis_sample_history"
    assert numbers <= {number for (number,) in lis.standby.sql(there)}
    # The position of a write lies before its commit, so the positions of one client never go back.
    lsns = [psycopg_lsn(reply.place.lsn) for _, reply in done.values()]
    assert lsns == sorted(lsns)
    assert all(reply.place.wal_file.startswith("00000001") for _, reply in done.values())
    seen = {op for _, reply in done.values() if isinstance(reply.seen, SeenOperations) for op in reply.seen.ops}
    assert seen & written


def test_tables_and_columns_are_explained_in_chinese(lis):
    comments = lis.primary.sql(
        """SELECT coalesce(col_description(c.oid, a.attnum), ''), coalesce(obj_description(c.oid), '')
        FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid
        WHERE c.relkind = 'r' AND c.relnamespace = 'public'::regnamespace AND a.attnum > 0 AND NOT a.attisdropped"""
    )
    assert len(comments) > 40
    assert all(any("\u4e00" <= letter <= "\u9fff" for letter in text) for pair in comments for text in pair)
    assert {
        table for (table,) in lis.primary.sql("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
    } == set(TABLES)


def test_a_cancelled_wait_for_the_standby_is_acked_unsafe(without_standby):
    async def run():
        session = await Session.open(without_standby.service)
        waiting = asyncio.create_task(session.perform(OpId("zhaohui.1.1"), SetInsert()))
        await asyncio.to_thread(_until, lambda: _waiters(without_standby.primary))
        without_standby.primary.sql("SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")
        reply = await waiting
        session.discard()
        return reply, judge_success(session.notices)

    reply, outcome = asyncio.run(run())
    assert reply.wrote
    assert outcome is OutcomeClass.ACKED_UNSAFE


@pytest.mark.parametrize("operation", [SetInsert(), Archive(samples_max=3, operator="陈静")])
def test_a_connection_that_breaks_during_the_wait_is_unknown(without_standby, operation):
    async def run():
        session = await Session.open(without_standby.service)
        waiting = asyncio.create_task(session.perform(OpId("zhaohui.1.1"), operation))
        await asyncio.to_thread(_until, lambda: _waiters(without_standby.primary))
        without_standby.primary.sql(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"
        )
        with pytest.raises(psycopg.OperationalError) as lost:
            await waiting
        assert not await session.recover()
        session.discard()
        return judge_error(lost.value)

    assert asyncio.run(run()) is OutcomeClass.UNKNOWN


def test_an_operation_that_takes_too_long_is_abandoned_and_its_wait_goes_on(without_standby, tmp_path):
    plan = Plan(dsn=without_standby.service, ledger=tmp_path / "ledger", client="zhaohui", mix={Kind.SET_INSERT: 1},
                rate_per_s=5, seconds=0.5, connections=4, operation_timeout_s=0.3)  # fmt: skip
    last = asyncio.run(run_load(plan, asyncio.Event(), lambda _: None))
    assert (last.acked, last.acked_unsafe, last.failed, last.unknown) == (0, 0, 0, 3)
    _, attempts = read_ledger(tmp_path / "ledger")
    assert all("closed the connection" in attempt.told.text for attempt in attempts)
    # Nobody was asked to cancel: that would have made the server give up its wait.
    assert _waiters(without_standby.primary) == 3
    without_standby.primary.sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")


def test_a_write_on_a_standby_is_refused_and_certainly_not_done(lis):
    async def run():
        session = await Session.open(lis.standby.dsn)
        with pytest.raises(psycopg.Error) as refused:
            await session.perform(OpId("zhaohui.1.1"), SetInsert())
        session.discard()
        return judge_error(refused.value)

    assert asyncio.run(run()) is OutcomeClass.FAILED


def test_without_a_server_operations_are_refused_before_they_are_sent(tmp_path):
    plan = Plan(dsn=f"host=127.0.0.1 port={_free_port()} user=postgres", ledger=tmp_path / "ledger", client="zhaohui",
                rate_per_s=20, seconds=0.5, queue_timeout_s=0.1)  # fmt: skip
    last = asyncio.run(run_load(plan, asyncio.Event(), lambda _: None))
    assert (last.acked, last.failed, last.unknown) == (0, 10, 0)
    _, attempts = read_ledger(tmp_path / "ledger")
    assert all(attempt.told.sent_ns is None and "refused" in attempt.told.text for attempt in attempts[1:])


def test_a_pinned_reader_may_not_write(tmp_path):
    plan = Plan(dsn="", ledger=tmp_path / "ledger", client="reader", pinned="lis-fuyang")
    with pytest.raises(ValueError, match="must not write"):
        asyncio.run(run_load(plan, asyncio.Event(), lambda _: None))


def test_members_that_differ_are_shown_row_by_row(lis):
    """Two databases stand for two members: real ones cannot be made to differ without breaking them."""
    lis.primary.sql("DROP DATABASE IF EXISTS other")
    lis.primary.sql("CREATE DATABASE other")
    other = lis.primary.dsn.replace("dbname=lis", "dbname=other")
    install_schema(other, samples=200, invalid_samples=100)
    with psycopg.connect(other, autocommit=True) as connection:
        connection.execute("UPDATE lis_instrument SET status = '停用' WHERE id = 'AU5800-01'")
    rows = rows_that_differ({"lis-zhaohui": lis.primary.dsn, "other": other}, "lis_instrument", deadline_s=10)
    assert rows == (
        "only on lis-zhaohui: (AU5800-01,全自动生化分析仪,朝晖,运行,stock)",
        "only on other: (AU5800-01,全自动生化分析仪,朝晖,停用,stock)",
    )
    lis.primary.sql("DROP DATABASE other")


def test_members_that_do_not_come_to_rest_prove_nothing(lis):
    lis.standby.sql("SELECT pg_wal_replay_pause()")
    try:
        lis.primary.sql("INSERT INTO chaos_set VALUES ('x.1.1')")
        with pytest.raises(NotQuiet, match="behind: lis-yuecheng"):
            await_quiet(lis.members, deadline_s=0.5)
    finally:
        lis.standby.sql("SELECT pg_wal_replay_resume()")
    await_quiet(lis.members, deadline_s=20)


def psycopg_lsn(text):
    high, low = text.split("/")
    return int(high, 16) << 32 | int(low, 16)


def _waiters(member):
    return member.sql("SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'")[0][0]


def _start_client(dsn, ledger, client, *options):
    return subprocess.Popen(
        [sys.executable, "-m", "chaos.workload", "--dsn", dsn, "--ledger", ledger, "--client-id", client,
         "--progress-s", "0.25", *options],
        cwd=ROOT, stdout=subprocess.PIPE, text=True, encoding="utf-8",
    )  # fmt: skip


def _run(program, *arguments):
    subprocess.run([*AS_POSTGRES, BINDIR / program, *map(str, arguments)], check=True, capture_output=True, timeout=60,
                   cwd="/")  # fmt: skip


def _until(true, deadline_s=20.0):
    end = time.monotonic() + deadline_s
    while not true():
        assert time.monotonic() < end, "it did not come true in time"
        time.sleep(0.02)


def _free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
