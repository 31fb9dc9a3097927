"""The stream of operations depends on the seed and the start alone, and never repeats what must be unique."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from chaos.workload import names
from chaos.workload.generator import LIS_MIX, MIX, PROOF_MIX, READ_MIX, Birth, Generator, about
from chaos.workload.operation import (
    READ_ONLY_KINDS,
    Accession,
    Append,
    Kind,
    RegisterCas,
    RegisterWrite,
    kind_of,
    writes,
)

BIRTH = Birth(client="zhaohui", seed=7, at=datetime(2026, 1, 5, 9, 30, tzinfo=UTC))
CENTERS = ("zhaohui", "yuecheng", "fuyang", "wangjiangshan", "binjiang", "xiaoshan")


def stream(birth=BIRTH, count=2000, **how):
    generator = Generator(birth, **how)
    return [generator.next() for _ in range(count)]


def sample_numbers(operations):
    return [sample.sample_no for op in operations if isinstance(op, Accession) for sample in op.samples]


def values_written(operations):
    cells = [op.value for op in operations if isinstance(op, RegisterWrite | RegisterCas)]
    steps = [step.value for op in operations if isinstance(op, Append) for step in op.steps if step.value is not None]
    return cells + steps


def test_one_seed_gives_one_stream():
    assert stream() == stream()
    assert stream() != stream(replace(BIRTH, seed=8))
    assert stream() != stream(replace(BIRTH, client="fuyang"))


def test_every_kind_comes_about_as_often_as_its_weight_says():
    counts = Counter(map(kind_of, stream(count=10_000)))
    assert set(counts) == set(MIX)
    assert sum(MIX.values()) == 100
    for kind in (Kind.PATIENT_RESULTS, Kind.ACCESSION, Kind.SET_INSERT):
        assert counts[kind] / 100 == pytest.approx(MIX[kind], rel=0.25)


def test_a_mix_of_reads_holds_no_writes():
    assert not any(writes(operation) for operation in stream(mix=READ_MIX))
    assert set(READ_MIX) == READ_ONLY_KINDS
    assert {*LIS_MIX, *PROOF_MIX} == set(Kind)


def test_sample_numbers_and_values_are_unique_over_clients_and_starts():
    births = [replace(BIRTH, client=client) for client in CENTERS]
    births.append(replace(BIRTH, at=BIRTH.at + timedelta(seconds=10)))
    streams = [stream(birth, 3000) for birth in births]
    numbers = [number for operations in streams for number in sample_numbers(operations)]
    values = [value for operations in streams for value in values_written(operations)]
    assert len(set(numbers)) == len(numbers) > 1000
    assert len(set(values)) == len(values) > 1000
    assert max(values) < 2**63
    assert len({birth.run for birth in births}) == len(births)


def test_sample_numbers_look_like_the_hospitals():
    assert all(number.startswith("S20260105") and number[1:].isdigit() for number in sample_numbers(stream()))


def test_a_compare_and_set_expects_what_this_client_once_wrote_there():
    written = set()
    for operation in stream(count=5000):
        if isinstance(operation, RegisterCas):
            assert (operation.key, operation.expected) in written
        if isinstance(operation, RegisterWrite):
            written.add((operation.key, operation.value))


def test_a_register_is_left_alone_after_a_while_so_that_its_history_stays_short():
    mix = {Kind.REGISTER_WRITE: 1, Kind.REGISTER_READ: 1}
    counts = Counter(operation.key for operation in stream(count=20_000, mix=mix))
    assert max(counts.values()) < 100
    assert len(counts) > 300


def test_text_is_chinese_and_a_patient_keeps_his_name():
    samples = [sample for op in stream() if isinstance(op, Accession) for sample in op.samples]
    name_of = {}
    for sample in samples:
        assert name_of.setdefault(sample.patient_id, sample.patient_name) == sample.patient_name
        assert all("\u4e00" <= letter <= "\u9fff" for letter in sample.patient_name + sample.status)
        assert len(sample.items) == len(sample.ranges) > 0
    assert len(set(name_of.values())) > 300


def test_some_accessions_are_old_invalid_samples_for_the_archive():
    samples = [sample for op in stream() if isinstance(op, Accession) for sample in op.samples]
    old = [sample for sample in samples if sample.status == names.INVALID]
    assert 0 < len(old) < len(samples) / 5
    assert all(sample.collect_time < BIRTH.at - timedelta(days=3 * 366) for sample in old)


def test_what_an_operation_touches_is_told_in_a_line():
    assert all("\n" not in about(operation) for operation in stream())
