"""The JSON schema of a playbook's file, for editors; made from the catalogue that validates it."""

from __future__ import annotations

from typing import Any, assert_never

from drctl.config.playbook_reader import (
    APPROVERS_MAX,
    ID_PATTERN,
    NAME_PATTERN,
    RETRIES_MAX,
    STEPS_MAX,
    TEXT_LENGTH_MAX,
)
from drctl.model.playbook import OnFailure, RunKind
from drctl.model.units import DURATION_PATTERN, SIZE_PATTERN
from drctl.playbook.catalogue import CATALOGUE, Contract
from drctl.playbook.conditions import CONDITIONS, NOT
from drctl.playbook.param import Param, ParamKind

Schema = dict[str, Any]

_DURATION: Schema = {"type": "string", "pattern": DURATION_PATTERN, "examples": ["10s"]}
_TRUTH: Schema = {"type": "boolean"}
_WORDS: Schema = {"type": "array", "items": {"type": "string"}}


def playbook_schema() -> Schema:
    """The form of the file. What a form cannot say, the order of steps above all, `drctl playbook validate` says."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "title": "drctl playbook",
        "description": "The steps of one kind of operation.",
        "type": "object",
        "additionalProperties": False,
        "required": ["name", "kind", "budget", "steps"],
        "properties": {
            "name": {"type": "string", "minLength": 1, "description": "What people call it."},
            "kind": {"enum": [kind.value for kind in RunKind], "description": "The operation that it is for."},
            "version": {"type": "integer", "minimum": 0, "default": 1},
            "targets": {
                "type": "object",
                "additionalProperties": False,
                "description": "What was promised.",
                "properties": {"rto": _DURATION, "rpo": {"type": "integer", "minimum": 0}},
            },
            "budget": _DURATION | {"description": "At least the worst path through the steps; more is an alarm."},
            "steps": _way("What is done, in this order."),
            "rollback": _way("What puts the old primary back, when a step fails whose on_failure says so."),
        },
        "$defs": {"step": _step(), "parallel": _parallel()},
    }


def _way(words: str) -> Schema:
    either = {"oneOf": [{"$ref": "#/$defs/step"}, {"$ref": "#/$defs/parallel"}]}
    return {"type": "array", "minItems": 1, "maxItems": STEPS_MAX, "description": words, "items": either}


def _parallel() -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["parallel"],
        "properties": {
            "parallel": {
                "type": "array",
                "minItems": 1,
                "items": {"$ref": "#/$defs/step"},
                "description": "Steps that begin together; the next step waits for all of them.",
            }
        },
    }


def _step() -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["id", "uses", "timeout"],
        "properties": _step_keys(),
        "allOf": [_with(contract) for contract in CATALOGUE.values()],
    }


def _step_keys() -> dict[str, Schema]:
    return {
        "id": {"type": "string", "pattern": ID_PATTERN, "description": "One of its own in the file."},
        "name": {"type": "string", "minLength": 1, "description": "What people read while it runs."},
        "uses": {
            "description": "The action.",
            "oneOf": [{"const": name, "description": contract.words} for name, contract in CATALOGUE.items()],
        },
        "with": {"type": "object", "description": "What the action is given."},
        "needs": _WORDS | {"minItems": 1, "description": "Steps before it; without it, the one before."},
        "when": {
            "description": "Only then; without it, always.",
            "oneOf": [
                {"const": f"{negation}{name}", "description": f"{negation}{condition.words}"}
                for name, condition in CONDITIONS.items()
                for negation in ("", NOT)
            ],
        },
        "timeout": _DURATION | {"description": "Of one try."},
        "retries": {
            "type": "integer",
            "minimum": 0,
            "maximum": RETRIES_MAX,
            "default": 0,
            "description": "More tries after one that failed.",
        },
        "delay": _DURATION | {"description": "Before another try.", "default": "1s"},
        "on_failure": {
            "enum": [way.value for way in OnFailure],
            "default": OnFailure.ABORT.value,
            "description": "What follows when its last try has failed.",
        },
        "answer_within": _DURATION | {"description": "With on_failure: ask.", "default": "10m"},
        "approval": {
            "type": "object",
            "additionalProperties": False,
            "required": ["timeout"],
            "description": "People who must agree before it begins.",
            "properties": {
                "min": {"type": "integer", "minimum": 1, "maximum": APPROVERS_MAX, "default": 1},
                "roles": _WORDS,
                "timeout": _DURATION,
            },
        },
        "point_of_no_return": _TRUTH | {"description": "After it the only way is forward.", "default": False},
        "always": _TRUTH | {"description": "Also after a failure.", "default": False},
        "wait": _TRUTH | {"description": "false: the run goes on whatever becomes of it.", "default": True},
    }


def _with(contract: Contract) -> Schema:
    """What `with` may hold for one action."""
    params: Schema = {
        "type": "object",
        "additionalProperties": False,
        "properties": {param.name: _param(param) for param in contract.params},
    }
    then: Schema = {"properties": {"with": params}}
    if contract.needed:
        params["required"] = sorted(contract.needed)
        then["required"] = ["with"]
    return {"if": {"properties": {"uses": {"const": contract.name}}, "required": ["uses"]}, "then": then}


def _param(param: Param) -> Schema:
    schema: Schema = _form(param) | {"description": param.words}
    if param.default:
        schema["default"] = int(param.default) if param.kind is ParamKind.WHOLE else param.default
    return schema


def _form(param: Param) -> Schema:
    match param.kind:
        case ParamKind.CHOICE:
            return {"enum": list(param.choices)}
        case ParamKind.WHOLE:
            return {"type": "integer", "minimum": 0}
        case ParamKind.SIZE:
            return {"type": "string", "pattern": SIZE_PATTERN}
        case ParamKind.WORDS:
            return _WORDS
        case ParamKind.SCALAR:
            return {"type": ["string", "number", "boolean"]}
        case ParamKind.NAME | ParamKind.SUBJECT:
            return {"type": "string", "pattern": NAME_PATTERN}
        case ParamKind.URL:
            return {"type": "string", "pattern": "^https?://"}
        case ParamKind.TEXT:
            return {"type": "string", "minLength": 1, "maxLength": TEXT_LENGTH_MAX}
        case _:
            assert_never(param.kind)
