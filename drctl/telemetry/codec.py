"""Snapshots as JSON and back. Positions are written as PostgreSQL writes them; fields that are not known are skipped."""

from __future__ import annotations

import types
from dataclasses import MISSING, fields, is_dataclass
from enum import StrEnum
from functools import cache
from typing import Any, TypeVar, Union, cast, get_args, get_origin, get_type_hints

from drctl.model.errors import InvalidInput
from drctl.model.position import Lsn, format_lsn, parse_lsn

_T = TypeVar("_T")
Json = dict[str, "Json"] | list["Json"] | str | int | float | bool | None


def to_json(value: object) -> Json:
    """A frozen dataclass of the model, ready for `json.dumps`."""
    return _encode(value, type(value))


def from_json(kind: type[_T], data: Json) -> _T:
    """The value of `kind` that `data` says. Raises InvalidInput, naming the field, when it says none."""
    try:
        return cast("_T", _decode(data, kind, kind.__name__))
    except (TypeError, ValueError, KeyError) as error:
        raise InvalidInput(
            f"an answer that should be a {kind.__name__} is none: {error}",
            remedy="is the same version of drctl in every center? drctl version",
        ) from error


def _encode(value: object, hint: Any) -> Json:  # noqa: ANN401 - a type hint
    if value is None:
        return None
    kind = _plain(hint)
    if kind is Lsn:
        return format_lsn(cast("Lsn", value))
    if is_dataclass(value) and not isinstance(value, type):
        return {name: _encode(getattr(value, name), field_hint) for name, field_hint in _hints(type(value)).items()}
    if isinstance(value, tuple):
        item = get_args(kind)[0]
        return [_encode(part, item) for part in value]
    if isinstance(value, StrEnum):
        return value.value
    assert isinstance(value, str | int | float | bool), f"no JSON for {type(value)}"
    return value


def _decode(data: Json, hint: Any, where: str) -> object:  # noqa: ANN401 - a type hint
    kind = _plain(hint)
    if data is None:
        if kind is hint:
            raise ValueError(f"{where} is null")
        return None
    if kind is Lsn:
        return parse_lsn(str(data))
    if get_origin(kind) is tuple:
        if not isinstance(data, list):
            raise TypeError(f"{where} is no list")
        return tuple(_decode(part, get_args(kind)[0], where) for part in data)
    if is_dataclass(kind):
        return _decode_dataclass(data, cast("type", kind), where)
    base = getattr(kind, "__supertype__", kind)
    if issubclass(base, StrEnum):
        return base(data)
    if base is float and isinstance(data, int) and not isinstance(data, bool):
        return float(data)
    if not isinstance(data, base) or (isinstance(data, bool) and base is not bool):
        raise TypeError(f"{where} is {data!r}, expected {base.__name__}")
    return data


def _decode_dataclass(data: Json, kind: type, where: str) -> object:
    if not isinstance(data, dict):
        raise TypeError(f"{where} is no object")
    values: dict[str, object] = {}
    hints = _hints(kind)
    for field in fields(kind):
        if field.name in data:
            values[field.name] = _decode(data[field.name], hints[field.name], f"{where}.{field.name}")
        elif field.default is MISSING and field.default_factory is MISSING:
            raise KeyError(f"{where}.{field.name} is missing")
    return kind(**values)


def _plain(hint: Any) -> Any:  # noqa: ANN401 - a type hint
    """`X` for `X | None`."""
    if get_origin(hint) in {Union, types.UnionType}:
        return next(part for part in get_args(hint) if part is not type(None))
    return hint


@cache
def _hints(kind: type) -> dict[str, Any]:
    hints = get_type_hints(kind)
    return {field.name: hints[field.name] for field in fields(kind)}
