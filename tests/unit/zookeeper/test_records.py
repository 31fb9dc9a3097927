from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from drctl.model.errors import InvalidInput
from drctl.model.evidence import CommandRan, DiscardedCommit, Evidence, Rejoined, Sealed, SealedRole
from drctl.model.identity import MemberName
from drctl.model.position import Lsn, Position, Timeline
from drctl.model.report import ObserverReport
from drctl.model.request import Request, RequestAnswer
from drctl.model.rule import GroupRecord, Rule, SyncSet
from drctl.model.run import Adoption, Run, StepRecord, StepStatus, Task, TaskStatus
from drctl.zookeeper.records import (
    abridged,
    decode,
    decode_record,
    decode_run,
    encode,
    encode_record,
    encode_run,
    shortened,
)
from tests.unit.zookeeper.nouns import MEMBERS, PLAYBOOK, ZHAOHUI, a_record, a_request, a_run, an_observer_report

names = st.sampled_from(MEMBERS) | st.text(min_size=1, max_size=8).map(MemberName)
sync_sets = st.frozensets(names, min_size=1, max_size=4).flatmap(
    lambda members: st.builds(SyncSet, count=st.integers(1, len(members)), members=st.just(members))
)
rules = st.builds(lambda sync: Rule(primary=MemberName("🏥"), sync=sync), sync_sets)
st.register_type_strategy(SyncSet, sync_sets)
st.register_type_strategy(Rule, rules)
st.register_type_strategy(float, st.floats(allow_nan=False, allow_infinity=False))
st.register_type_strategy(str, st.text(alphabet=st.characters(codec="utf-8"), max_size=12))
records = st.builds(GroupRecord, rules=st.lists(rules, min_size=1, max_size=3).map(tuple))
tasks = st.builds(Task, evidence=st.none() | st.from_type(Evidence))
steps = st.builds(StepRecord, tasks=st.lists(tasks, max_size=2).map(tuple))
runs = st.builds(
    Run,
    playbook=st.just(PLAYBOOK),
    steps=st.lists(steps, max_size=2).map(tuple),
    adoptions=st.lists(st.builds(Adoption), max_size=1).map(tuple),
)
quick = settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck))


@given(records)
@quick
def test_a_record_comes_back_as_it_was_with_the_version_of_its_node(record: GroupRecord):
    again = decode_record(encode_record(record), path="/x", version=7)
    assert again == replace(record, version=7, paused=False)


@given(runs)
@quick
def test_a_run_comes_back_as_it_was_with_the_version_of_its_node(run: Run):
    assert decode_run(encode_run(run), path="/x", version=3) == replace(run, journal_version=3)


@given(st.builds(Request) | st.builds(RequestAnswer) | st.builds(ObserverReport))
@quick
def test_requests_answers_and_reports_come_back_as_they_were(value: Request | RequestAnswer | ObserverReport):
    assert decode(type(value), encode(value), path="/x") == value


@given(st.permutations(MEMBERS))
def test_equal_records_are_equal_bytes_whatever_the_order_of_their_sets(order: list[MemberName]):
    rule = Rule(primary=MemberName("p"), sync=SyncSet(count=1, members=frozenset(order)))
    fields = json.loads(encode_record(replace(a_record(), rules=(rule,))))
    assert fields["rules"][0]["sync"]["members"] == sorted(MEMBERS)
    assert list(fields) == sorted(fields)


def test_fields_of_a_newer_version_are_skipped():
    fields = json.loads(encode_run(a_run(2)))
    fields["colour"] = "blue"
    fields["steps"][0]["colour"] = {"deep": ["blue"]}
    fields["playbook"]["steps"][0]["colour"] = 1
    assert decode_run(json.dumps(fields).encode(), path="/x", version=-1) == a_run(2)


def test_fields_that_an_older_version_did_not_write_take_their_defaults():
    fields = json.loads(encode_record(a_record()))
    del fields["failovers_utc"], fields["data_loss_accepted"], fields["degraded_since_utc"]
    assert decode_record(json.dumps(fields).encode(), path="/x", version=-1) == a_record()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff\xfe",
        b"null",
        b"[]",
        b"{}",
        b'{"format":1}',
        b'{"format":"1"}',
        encode_record(a_record())[:-1],
        encode_record(a_record()).replace(b'"count":1', b'"count":9'),
        encode_record(a_record()).replace(b'"epoch":1', b'"epoch":"many"'),
    ],
)
def test_bytes_that_are_no_record_are_refused_with_their_path(data: bytes):
    with pytest.raises(InvalidInput, match="/drctl/lab/groups/lis/record") as caught:
        decode_record(data, path="/drctl/lab/groups/lis/record", version=0)
    assert caught.value.remedy


def test_a_format_of_the_future_is_refused_and_the_remedy_is_to_upgrade():
    data = encode_record(a_record()).replace(b'"format":1', b'"format":2')
    with pytest.raises(InvalidInput, match="newer drctl") as caught:
        decode_record(data, path="/x", version=0)
    assert "drctl version" in caught.value.remedy


def test_a_finished_run_is_shortened_step_by_step_until_it_fits():
    position = Position(timeline=Timeline(2), lsn=Lsn(1))
    commits = tuple(DiscardedCommit(xid=n, lsn=Lsn(n), at="2026-01-01") for n in range(500))
    evidence = Rejoined(state="done", phase="done", fork=position, commits=500, discarded=commits)
    task = Task(member=MEMBERS[0], status=TaskStatus.DONE, started_s=1.0, evidence=evidence)
    whole = a_run(2)
    whole = replace(whole, steps=(replace(whole.steps[0], tasks=(task,)), *whole.steps[1:]))

    assert shortened(whole, bytes_max=1_000_000) == encode_run(whole)
    without_lists = decode_run(shortened(whole, bytes_max=4_000), path="/x", version=-1)
    assert without_lists.steps[0].tasks[0].evidence == replace(evidence, discarded=())
    bare = decode_run(shortened(whole, bytes_max=100), path="/x", version=-1)
    assert bare.steps[0].tasks == ()
    assert "shortened" in bare.note


def test_a_run_under_way_drops_words_and_keeps_what_it_builds_on():
    position = Position(timeline=Timeline(2), lsn=Lsn(1))
    sealed = Sealed(role=SealedRole.STANDBY, sealed=True, position=position)
    told = CommandRan(command="announce", code=0, output="x" * 1_000)
    tasks = tuple(
        Task(member=MEMBERS[0], status=TaskStatus.DONE, started_s=1.0, evidence=evidence, error="e" * 2_000)
        for evidence in (sealed, told)
    )
    seal, promote = a_run(2).steps
    grown = replace(
        a_run(2),
        note="n" * 5_000,
        steps=(replace(seal, status=StepStatus.DONE, tasks=tasks), replace(promote, status=StepStatus.RUNNING)),
    )

    assert abridged(grown, bytes_max=1_000_000) == encode_run(grown)
    less = decode_run(abridged(grown, bytes_max=len(encode_run(grown)) - 1), path="/x", version=-1)
    assert [task.evidence for task in less.steps[0].tasks] == [sealed, replace(told, output="x" * 100 + "...")]
    least = decode_run(abridged(grown, bytes_max=1), path="/x", version=-1)
    assert [task.evidence for task in least.steps[0].tasks] == [sealed]
    assert least.steps[1].status is StepStatus.RUNNING
    assert len(encode_run(least)) < 3_500


def test_an_observers_report_keeps_what_it_sees():
    report = an_observer_report(ZHAOHUI)
    assert decode(ObserverReport, encode(report), path="/x") == report
    assert decode(Request, encode(a_request()), path="/x") == a_request()
