"""The policy's keys in the file: the names of the fields of `Policy` without their units, which the values carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from enum import StrEnum
from typing import Any, cast, get_type_hints

from pydantic import BaseModel, ConfigDict, create_model
from pydantic.fields import FieldInfo

from drctl.config.scalars import Count, Duration, Size, Window, choice
from drctl.model.policy import Policy


def key_of(field_name: str) -> str:
    """`suspicion_s` is `suspicion` in the file, `lag_bytes_max` is `lag_max`."""
    return "_".join(word for word in field_name.split("_") if word not in {"s", "bytes"})


def _scalar(field_name: str, kind: type) -> object:
    words = field_name.split("_")
    if "s" in words:
        return Duration
    if "bytes" in words:
        return Size
    if issubclass(kind, StrEnum):
        return choice(kind)
    return {int: Count, str: Window}[kind]


_HINTS = get_type_hints(Policy)
FIELD_OF_KEY: Mapping[str, str] = {key_of(field.name): field.name for field in fields(Policy)}
"""The dataclass's field by the file's key."""
assert len(FIELD_OF_KEY) == len(fields(Policy)), "two fields of Policy differ in their unit alone"

PolicyEntry: type[BaseModel] = cast(
    "type[BaseModel]",
    create_model(
        "PolicyEntry",
        __config__=ConfigDict(extra="forbid", frozen=True),
        **cast(
            "dict[str, Any]",
            {
                key_of(field.name): (_scalar(field.name, _HINTS[field.name]), FieldInfo(default=field.default))
                for field in fields(Policy)
            },
        ),
    ),
)
"""The keys below `policy:`. All may be left out."""
assert all(field.default is not MISSING for field in fields(Policy)), "every constant of a policy has a default"


def given(entry: BaseModel) -> dict[str, Any]:
    """What an entry says itself, by the dataclass's field names."""
    return {FIELD_OF_KEY[key]: getattr(entry, key) for key in sorted(entry.model_fields_set)}


def defaults() -> dict[str, Any]:
    """Every field's default."""
    return {field.name: field.default for field in fields(Policy)}
