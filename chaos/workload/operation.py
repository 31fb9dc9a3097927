"""What a client of the laboratory asks the database to do."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, NewType

if TYPE_CHECKING:
    from datetime import date, datetime

OpId = NewType("OpId", str)
"""`<client>.<start of the process>.<number>`: written into the database with the rows of its operation."""


class Kind(StrEnum):
    """One kind of operation; the words of the ledger and of the mix."""

    ACCESSION = "accession"
    PATIENT_RESULTS = "patient_results"
    DEPARTMENT_DAY = "department_day"
    CORRECT_RESULT = "correct_result"
    COMPLETE_SAMPLES = "complete_samples"
    ARCHIVE = "archive"
    INSTRUMENT = "instrument"
    REGISTER_READ = "register_read"
    REGISTER_WRITE = "register_write"
    REGISTER_CAS = "register_cas"
    APPEND = "append"
    SET_INSERT = "set_insert"


READ_ONLY_KINDS = frozenset({Kind.PATIENT_RESULTS, Kind.DEPARTMENT_DAY, Kind.REGISTER_READ})


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """One specimen of one patient, and the test items that were ordered for it."""

    sample_no: str
    patient_id: str
    patient_name: str
    gender: str
    age: int
    dept_name: str
    bed_no: str
    sample_type: str
    collect_time: datetime
    receive_time: datetime
    status: str
    items: tuple[str, ...]
    ranges: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The value that was measured for one item of one sample."""

    sample_no: str
    test_item: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Accession:
    """Take in one or several samples in one transaction (登记)."""

    samples: tuple[Sample, ...]
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PatientResults:
    """A patient's results of the last three months, newest first (查询)."""

    patient_id: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DepartmentDay:
    """A department's samples of one day by type, with done and waiting counts (统计)."""

    dept_name: str
    day: date


@dataclass(frozen=True, slots=True, kw_only=True)
class CorrectResult:
    """Correct one result, traceably: value, time, operator and remark (更正)."""

    result: Result
    operator: str
    remark: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompleteSamples:
    """Enter the results of many samples and set them to done (审核)."""

    results: tuple[Result, ...]
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Archive:
    """Move invalid samples older than three years to the history and purge them from three tables (归档)."""

    samples_max: int
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InstrumentUpkeep:
    """Set the state of one analyser (维护)."""

    instrument_id: str
    status: str
    operator: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterRead:
    """Read one register."""

    key: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterWrite:
    """Write one register; no value is ever written twice."""

    key: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisterCas:
    """Compare one register with `expected` and set it to `value` when they agree."""

    key: int
    expected: int
    value: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AppendStep:
    """One step of a list-append transaction."""

    key: int
    value: int | None
    """What is appended; None when the step reads the list."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Append:
    """Reads of, and appends to, some lists in one serializable transaction."""

    steps: tuple[AppendStep, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SetInsert:
    """Insert one element into the plain set."""


RegisterCall = RegisterRead | RegisterWrite | RegisterCas
LisOperation = Accession | PatientResults | DepartmentDay | CorrectResult | CompleteSamples | Archive | InstrumentUpkeep
ProofOperation = RegisterCall | Append | SetInsert
Operation = LisOperation | ProofOperation

_KIND_OF: dict[type[Operation], Kind] = {
    Accession: Kind.ACCESSION,
    PatientResults: Kind.PATIENT_RESULTS,
    DepartmentDay: Kind.DEPARTMENT_DAY,
    CorrectResult: Kind.CORRECT_RESULT,
    CompleteSamples: Kind.COMPLETE_SAMPLES,
    Archive: Kind.ARCHIVE,
    InstrumentUpkeep: Kind.INSTRUMENT,
    RegisterRead: Kind.REGISTER_READ,
    RegisterWrite: Kind.REGISTER_WRITE,
    RegisterCas: Kind.REGISTER_CAS,
    Append: Kind.APPEND,
    SetInsert: Kind.SET_INSERT,
}


def kind_of(operation: Operation) -> Kind:
    """The kind that the mix and the ledger know `operation` by."""
    return _KIND_OF[type(operation)]


def writes(operation: Operation) -> bool:
    """Whether `operation` may leave something in the database."""
    if isinstance(operation, Append):
        return any(step.value is not None for step in operation.steps)
    return kind_of(operation) not in READ_ONLY_KINDS
