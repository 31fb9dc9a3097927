"""Bytes <-> model. Canonical JSON: sorted keys, sorted sets, so that equal values are equal bytes."""

from __future__ import annotations

import json
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from pydantic import TypeAdapter, ValidationError

from drctl.model.errors import InvalidInput
from drctl.model.evidence import (
    Chosen,
    CommandRan,
    Fenced,
    Following,
    HttpAnswered,
    Promoted,
    Queried,
    Recorded,
    Rejoined,
    Sealed,
    Stopped,
)
from drctl.model.identity import CenterName
from drctl.model.report import ObserverReport
from drctl.model.request import Request, RequestAnswer
from drctl.model.rule import GroupRecord
from drctl.model.run import Run, StepRecord, Task

WORDS_MAX = 100
"""Of what is kept of a text when little room is left."""
ADOPTIONS_KEPT = 5
FORMAT = 1
"""Raised only by a change that an older reader must not try to read. A new field is no such change: readers skip it."""

_FORMAT_KEY = "format"
_T = TypeVar("_T")
# Made when they are first needed: a command that reads one record need not wait for the others.
_adapters: dict[type, TypeAdapter[Any]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """Who stands behind a node of the election."""

    center: CenterName
    incarnation: str


def encode(value: GroupRecord | Run | ObserverReport | Request | RequestAnswer | Candidate) -> bytes:
    """The canonical bytes of a value."""
    fields = _adapter(type(value)).dump_python(value)
    text = json.dumps(
        {_FORMAT_KEY: FORMAT, **fields},
        default=_sorted_set,
        sort_keys=True,
        ensure_ascii=False,
        allow_nan=False,
        separators=(",", ":"),
    )
    return text.encode()


def decode(kind: type[_T], data: bytes, *, path: str) -> _T:
    """The value that `data`, found at `path`, says. Fields that this version does not know are skipped.

    Raises InvalidInput, naming the path, when it cannot be read.
    """
    try:
        fields = json.loads(data)
    except ValueError as error:
        raise _unreadable(kind, path, str(error)) from error
    if not isinstance(fields, dict):
        raise _unreadable(kind, path, "not a JSON object")
    found = fields.pop(_FORMAT_KEY, None)
    if not isinstance(found, int):
        raise _unreadable(kind, path, "no format number")
    if found > FORMAT:
        raise InvalidInput(
            f"ZooKeeper node {path} was written by a newer drctl (format {found}, this version reads up to {FORMAT})",
            remedy="run the same version of drctl in every center: drctl version",
        )
    try:
        value: _T = _adapter(kind).validate_python(fields)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _unreadable(kind, path, f"{where}: {first['msg']}") from error
    return value


def encode_record(record: GroupRecord) -> bytes:
    """A record without what its node's version, and the node beside it, say better."""
    return encode(replace(record, version=-1, paused=False))


def decode_record(data: bytes, *, path: str, version: int) -> GroupRecord:
    """A record with the version of the node that it was read from."""
    return replace(decode(GroupRecord, data, path=path), version=version)


def encode_run(run: Run) -> bytes:
    """A journal without the version of its node."""
    return encode(replace(run, journal_version=-1))


def decode_run(data: bytes, *, path: str, version: int) -> Run:
    """A journal with the version of the node that it was read from."""
    return replace(decode(Run, data, path=path), journal_version=version)


def shortened(run: Run, *, bytes_max: int) -> bytes:
    """A finished run's bytes, made to fit: the history keeps how it ended even when it cannot keep every detail."""
    for attempt in (run, _without_lists(run), _without_tasks(run)):
        data = encode_run(attempt)
        if len(data) <= bytes_max:
            break
    return data


def abridged(run: Run, *, bytes_max: int) -> bytes:
    """The bytes of a run under way, with fewer details the less they fit. Never fails: what the run builds on is kept, and
    is small, because the playbook's size is bounded where it is read and everything that is said is cut.
    """
    for attempt in (run, _without_lists(run), _without_ended(run)):
        data = encode_run(attempt)
        if len(data) <= bytes_max:
            break
    return data


def _without_lists(run: Run) -> Run:
    steps = tuple(
        replace(step, tasks=tuple(map(_without_list, step.tasks)), note=_cut(step.note)) for step in run.steps
    )
    return replace(run, steps=steps, note=_cut(run.note))


def _without_list(task: Task) -> Task:
    task = replace(task, error=_cut(task.error))
    match task.evidence:
        case Rejoined() as rejoined:
            return replace(task, evidence=replace(rejoined, discarded=(), detail=_cut(rejoined.detail)))
        case CommandRan() as ran:
            return replace(task, evidence=replace(ran, output=_cut(ran.output, WORDS_MAX)))
        case HttpAnswered() as answered:
            return replace(task, evidence=replace(answered, body=_cut(answered.body, WORDS_MAX)))
        case Queried(value=str() as value) as queried:
            return replace(task, evidence=replace(queried, value=_cut(value, WORDS_MAX)))
        case _:
            return task


def _without_ended(run: Run) -> Run:
    """Without what ended steps of no consequence left behind, and with the newest adoptions only."""
    steps = tuple(
        replace(step, tasks=tuple(filter(_built_on, step.tasks)), note=_cut(step.note, WORDS_MAX))
        if step.ended
        else step
        for step in _without_lists(run).steps
    )
    return replace(run, steps=steps, adoptions=run.adoptions[-ADOPTIONS_KEPT:], note=_cut(run.note, WORDS_MAX))


def _built_on(task: Task) -> bool:
    """Whether later steps, under this owner or the next, read what the task proved."""
    return isinstance(task.evidence, Sealed | Fenced | Stopped | Chosen | Recorded | Promoted | Following)


def _without_tasks(run: Run) -> Run:
    def bare(step: StepRecord) -> StepRecord:
        return replace(step, tasks=(), note=_cut(step.note))

    note = _cut(run.note)
    return replace(run, steps=tuple(map(bare, run.steps)), note=f"{note} (journal shortened to fit)".strip())


def _cut(text: str, length_max: int = 500) -> str:
    return text if len(text) <= length_max else text[:length_max] + "..."


def _adapter(kind: type[_T]) -> TypeAdapter[_T]:
    found = _adapters.get(kind)
    if found is None:
        found = _adapters[kind] = TypeAdapter(kind)
    return found


def _sorted_set(value: object) -> list[str]:
    assert isinstance(value, frozenset), f"no JSON for {type(value)}"
    return sorted(value)


def _unreadable(kind: type, path: str, why: str) -> InvalidInput:
    return InvalidInput(
        f"ZooKeeper node {path} is not a readable {kind.__name__}: {why}",
        remedy=f"look at it with: zkCli.sh get {path}",
    )
