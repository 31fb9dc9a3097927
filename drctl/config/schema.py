"""The JSON schema of cluster.yaml, for editors; generated from the classes that read the file."""

from __future__ import annotations

import ast
import inspect
import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from drctl.config.entries import ClusterEntry, Entry, entry_expected
from drctl.config.policy_keys import FIELD_OF_KEY, PolicyEntry
from drctl.config.scalars import in_file_form
from drctl.model.policy import Policy


def json_schema() -> dict[str, Any]:
    """The schema, with every key's description, and its default as the file would write it."""
    schema = ClusterEntry.model_json_schema()
    definitions: dict[str, Any] = schema["$defs"]
    _finish(schema, ClusterEntry, _docstrings(ClusterEntry))
    for entry in _kinds_of(Entry):
        if entry is not ClusterEntry and entry.__name__ in definitions:
            _finish(definitions[entry.__name__], entry, _docstrings(entry))
    words = _docstrings(Policy)
    _finish(definitions["PolicyEntry"], PolicyEntry, {key: words.get(name, "") for key, name in FIELD_OF_KEY.items()})
    definitions["PolicyEntry"]["description"] = "How groups are treated. Every key may be left out."
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "drctl cluster.yaml",
        **{key: value for key, value in schema.items() if key != "title"},
    }


def _kinds_of(entry: type[Entry]) -> Iterator[type[Entry]]:
    for kind in entry.__subclasses__():
        yield kind
        yield from _kinds_of(kind)


def _finish(definition: dict[str, Any], entry: type[BaseModel], words: dict[str, str]) -> None:
    definition.pop("title", None)
    for key, found in definition["properties"].items():
        found.pop("title", None)
        if words.get(key):
            found["description"] = words[key]
        for choice in found.pop("anyOf", ()):
            # A key without a value means the same as no key; an editor need not offer it.
            if choice.get("type") != "null":
                found.update(choice)
        if "default" in found:
            default = entry.model_fields[key].default
            if isinstance(default, BaseModel | list) or default is None:
                del found["default"]
            elif not isinstance(default, int) or found["type"] == "string":
                found["default"] = in_file_form(default, entry_expected(entry, key))


def _docstrings(owner: type) -> dict[str, str]:
    """The text below each attribute, read from the source: what the code says and what users read is one sentence."""
    found: dict[str, str] = {}
    for base in owner.__bases__:
        if base not in {object, BaseModel}:
            found |= _docstrings(base)
    body = ast.parse(textwrap.dedent(inspect.getsource(owner))).body[0]
    assert isinstance(body, ast.ClassDef), "the source of a class is a class"
    for statement, following in zip(body.body, body.body[1:], strict=False):
        if not isinstance(statement, ast.AnnAssign) or not isinstance(statement.target, ast.Name):
            continue
        match following:
            case ast.Expr(value=ast.Constant(value=str(text))):
                found[statement.target.id] = inspect.cleandoc(text)
            case _:
                pass
    return found
