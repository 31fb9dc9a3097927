"""A seeded stream of operations in the mix of a laboratory's day."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass
from datetime import datetime, timedelta
from random import Random
from typing import TYPE_CHECKING
from zlib import crc32

from chaos.workload import names
from chaos.workload.operation import (
    READ_ONLY_KINDS,
    Accession,
    Append,
    AppendStep,
    Archive,
    CompleteSamples,
    CorrectResult,
    DepartmentDay,
    InstrumentUpkeep,
    Kind,
    Operation,
    PatientResults,
    RegisterCas,
    RegisterRead,
    RegisterWrite,
    Result,
    Sample,
    SetInsert,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

LIS_MIX: Mapping[Kind, int] = {
    Kind.PATIENT_RESULTS: 26,
    Kind.DEPARTMENT_DAY: 8,
    Kind.ACCESSION: 22,
    Kind.CORRECT_RESULT: 8,
    Kind.COMPLETE_SAMPLES: 6,
    Kind.ARCHIVE: 1,
    Kind.INSTRUMENT: 2,
}
"""Parts of a hundred of what a laboratory does by day; the rest is what the oracles want to see."""
PROOF_MIX: Mapping[Kind, int] = {
    Kind.REGISTER_READ: 5,
    Kind.REGISTER_WRITE: 3,
    Kind.REGISTER_CAS: 2,
    Kind.APPEND: 7,
    Kind.SET_INSERT: 10,
}
MIX: Mapping[Kind, int] = {**LIS_MIX, **PROOF_MIX}
READ_MIX: Mapping[Kind, int] = {kind: weight for kind, weight in MIX.items() if kind in READ_ONLY_KINDS}

_REMEMBERED_SAMPLES = 1000
_REMEMBERED_VALUES = 4
_KEYS_AT_ONCE = 8
"""Registers and lists in use at one time: few enough that clients meet on them."""
_CALLS_A_KEY = 100
"""After about so many calls a key is left alone, so that the search for its order stays small."""
_STEPS_MAX = 4
_LEGACY_IN = 20
"""Every so manieth accession is a late entry of an old invalid sample: what the archive lives on."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Birth:
    """When and as whom a generator begins: with the seed, all that its stream depends on."""

    client: str
    seed: int
    at: datetime

    @property
    def run(self) -> str:
        """The prefix of the client's operation ids: another one for every start."""
        return f"{self.client}.{int(self.at.timestamp() * 1000):x}"


class Generator:
    """The operations of one client, one after the other."""

    def __init__(self, birth: Birth, mix: Mapping[Kind, int] = MIX) -> None:
        self._random = Random(f"{birth.seed}/{birth.client}")
        self._kinds = [kind for kind, weight in mix.items() if weight]
        self._weights = [mix[kind] for kind in self._kinds]
        self._birth = birth
        midnight = birth.at.replace(hour=0, minute=0, second=0, microsecond=0)
        # Numbers of a later start of the same client on the same day lie above those of an earlier one.
        self._next_sample = int((birth.at - midnight).total_seconds()) * 1000
        self._client_digits = crc32(birth.client.encode()) % 1000
        # A value is written once in the whole system: the client's digits and the moment of its start are in it.
        self._next_value = (self._client_digits << 44) | (int(birth.at.timestamp()) & 0xFFFFFFF) << 16
        self._calls = {Kind.REGISTER_READ: 0, Kind.APPEND: 0}
        self._samples: deque[Sample] = deque(maxlen=_REMEMBERED_SAMPLES)
        self._open: deque[Sample] = deque(maxlen=_REMEMBERED_SAMPLES)
        self._last_values: dict[int, deque[int]] = {}
        self._make: dict[Kind, Callable[[], Operation]] = {
            Kind.ACCESSION: self._accession,
            Kind.PATIENT_RESULTS: self._patient_results,
            Kind.DEPARTMENT_DAY: self._department_day,
            Kind.CORRECT_RESULT: self._correct_result,
            Kind.COMPLETE_SAMPLES: self._complete_samples,
            Kind.ARCHIVE: self._archive,
            Kind.INSTRUMENT: self._instrument,
            Kind.REGISTER_READ: self._register_read,
            Kind.REGISTER_WRITE: self._register_write,
            Kind.REGISTER_CAS: self._register_cas,
            Kind.APPEND: self._append,
            Kind.SET_INSERT: SetInsert,
        }

    def next(self) -> Operation:
        """The next operation."""
        [kind] = self._random.choices(self._kinds, self._weights)
        return self._make[kind]()

    def _accession(self) -> Operation:
        count = self._random.choice((1, 1, 1, 1, 2, 2, 3, 5))
        samples = tuple(self._sample() for _ in range(count))
        self._samples.extend(samples)
        self._open.extend(sample for sample in samples if sample.status == names.WAITING)
        return Accession(samples=samples, operator=self._operator())

    def _sample(self) -> Sample:
        random = self._random
        number = random.randrange(names.PATIENTS)
        sample_type = random.choice(names.SAMPLE_TYPES)
        items = random.sample(names.ITEMS_OF_TYPE[sample_type], k=random.choice((1, 2)))
        legacy = random.randrange(_LEGACY_IN) == 0
        received = self._birth.at - timedelta(days=random.randrange(1200, 1800) if legacy else 0)
        self._next_sample += 1
        return Sample(
            sample_no=f"S{self._birth.at:%Y%m%d}{self._client_digits:03d}{self._next_sample:08d}",
            patient_id=names.patient_id(number),
            patient_name=names.patient_name(number),
            gender="男" if number % 2 else "女",
            age=1 + number % 95,
            dept_name=random.choice(names.DEPARTMENTS),
            bed_no=f"{random.randrange(1, 60)}床",
            sample_type=sample_type,
            collect_time=received - timedelta(minutes=random.randrange(5, 40)),
            receive_time=received,
            status=names.INVALID if legacy else names.WAITING,
            items=tuple(item.name for item in items),
            ranges=tuple(item.reference_range for item in items),
        )

    def _patient_results(self) -> Operation:
        # Doctors look at the patients whose samples came in lately, more often than at others.
        if self._samples and self._random.random() < 0.7:
            return PatientResults(patient_id=self._random.choice(self._samples).patient_id)
        return PatientResults(patient_id=names.patient_id(self._random.randrange(names.PATIENTS)))

    def _department_day(self) -> Operation:
        return DepartmentDay(dept_name=self._random.choice(names.DEPARTMENTS), day=self._birth.at.date())

    def _correct_result(self) -> Operation:
        if not self._samples:
            return self._accession()
        sample = self._random.choice(self._samples)
        return CorrectResult(
            result=self._result(sample, self._random.choice(sample.items)),
            operator=self._operator(),
            remark=self._random.choice(names.REMARKS),
        )

    def _complete_samples(self) -> Operation:
        if not self._open:
            return self._accession()
        samples = [self._open.popleft() for _ in range(min(len(self._open), self._random.randrange(2, 12)))]
        results = tuple(self._result(sample, item) for sample in samples for item in sample.items)
        return CompleteSamples(results=results, operator=self._operator())

    def _result(self, sample: Sample, item_name: str) -> Result:
        [item] = [item for item in names.ITEMS_OF_TYPE[sample.sample_type] if item.name == item_name]
        return Result(sample_no=sample.sample_no, test_item=item_name, value=item.measure(self._random))

    def _archive(self) -> Operation:
        return Archive(samples_max=self._random.randrange(5, 30), operator=self._operator())

    def _instrument(self) -> Operation:
        return InstrumentUpkeep(
            instrument_id=self._random.choice(names.INSTRUMENTS)[0],
            status=self._random.choice(names.INSTRUMENT_STATES),
            operator=self._operator(),
        )

    def _operator(self) -> str:
        return self._random.choice(names.OPERATORS)

    def _register_read(self) -> Operation:
        return RegisterRead(key=self._key(Kind.REGISTER_READ))

    def _register_write(self) -> Operation:
        key = self._key(Kind.REGISTER_READ)
        return RegisterWrite(key=key, value=self._value(key))

    def _register_cas(self) -> Operation:
        key = self._key(Kind.REGISTER_READ)
        known = self._last_values.get(key)
        if not known:
            return RegisterWrite(key=key, value=self._value(key))
        # Mostly the newest that this client knows of, so that some match although others write as well.
        expected = known[-1] if self._random.random() < 0.8 else self._random.choice(known)
        return RegisterCas(key=key, expected=expected, value=self._value())

    def _append(self) -> Operation:
        steps = []
        for _ in range(self._random.randrange(1, _STEPS_MAX + 1)):
            key = self._key(Kind.APPEND)
            steps.append(AppendStep(key=key, value=self._value() if self._random.random() < 0.5 else None))
        return Append(steps=tuple(steps))

    def _key(self, family: Kind) -> int:
        """Clients run at about one rate, so they move from key to key together without a word between them."""
        generation = self._calls[family] // (_CALLS_A_KEY * _KEYS_AT_ONCE // 3)
        self._calls[family] += 1
        return generation * _KEYS_AT_ONCE + self._random.randrange(_KEYS_AT_ONCE)

    def _value(self, register: int | None = None) -> int:
        self._next_value += 1
        if register is not None:
            self._last_values.setdefault(register, deque(maxlen=_REMEMBERED_VALUES)).append(self._next_value)
            if len(self._last_values) > 4 * _KEYS_AT_ONCE:
                del self._last_values[next(iter(self._last_values))]
        return self._next_value


def about(operation: Operation) -> str:
    """What `operation` touches, in a few words for people."""
    match operation:
        case Accession(samples=samples):
            return " ".join(sample.sample_no for sample in samples)
        case PatientResults(patient_id=patient):
            return patient
        case DepartmentDay(dept_name=dept):
            return dept
        case CorrectResult(result=result):
            return f"{result.sample_no} {result.test_item}"
        case CompleteSamples(results=results):
            return " ".join(sorted({result.sample_no for result in results}))
        case InstrumentUpkeep(instrument_id=instrument, status=status):
            return f"{instrument} {status}"
        case _:
            return ""
