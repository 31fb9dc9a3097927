"""YAML text as plain values, with the line and column of each. Duplicate keys are errors; `no` and `22:30` are text."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field

import yaml

from drctl.config.problem import KeyPath, Problem

YamlValue = dict[str, "YamlValue"] | list["YamlValue"] | str | int | float | bool | None

TEXT_BYTES_MAX = 1024 * 1024
DEPTH_MAX = 16
NODES_MAX = 50_000
"""A few lines of aliases can stand for billions of nodes."""


@dataclass(slots=True)
class Source:
    """A file that was read: its values, where they stand, and what is wrong with its form."""

    file: str
    values: YamlValue = None
    places: dict[KeyPath, tuple[int, int]] = field(default_factory=dict)
    """Line and column of each key, counted from 1."""
    problems: list[Problem] = field(default_factory=list)

    def problem(self, path: KeyPath, message: str, remedy: str) -> Problem:
        """A problem at `path`, or at the nearest place above it that is in the file."""
        at = path
        while at and at not in self.places:
            at = at[:-1]
        line, column = self.places.get(at, (1, 1))
        return Problem(file=self.file, line=line, column=column, path=path, message=message, remedy=remedy)

    def keys(self, path: KeyPath) -> tuple[str, ...]:
        """The keys of the mapping at `path`; none when there is no mapping."""
        found: YamlValue = self.values
        for key in path:
            if not isinstance(found, dict) or not isinstance(key, str) or key not in found:
                return ()
            found = found[key]
        return tuple(found) if isinstance(found, dict) else ()


def read(text: str, file: str) -> Source:
    """The values of `text`. What is wrong with its form is in `problems`; the values are then incomplete."""
    source = Source(file=file)
    if len(text.encode()) > TEXT_BYTES_MAX:
        source.problems.append(
            source.problem(
                (), f"is larger than {TEXT_BYTES_MAX} bytes", "is this the right file? see docs/reference/cluster.yaml"
            )
        )
        return source
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        source.problems.append(_syntax_problem(file, error))
        return source
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        message = f"holds a character that YAML does not allow ({error.reason})"
        source.problems.append(
            Problem(
                file=file, line=line, column=1, path=(), message=message, remedy="remove it; save the file as UTF-8"
            )
        )
        return source
    if root is None:
        source.problems.append(source.problem((), "is empty", "begin with docs/reference/cluster.yaml"))
        return source
    source.values = _Walk(source).value(root, ())
    return source


def _syntax_problem(file: str, error: yaml.MarkedYAMLError) -> Problem:
    mark = error.problem_mark or error.context_mark
    what = " ".join(part for part in (error.context, error.problem) if part)
    remedy = "check the indentation and the colons around this line"
    if mark is not None and "\\t" in what:
        remedy = "indent with spaces: YAML allows no tab there"
    line, column = (mark.line + 1, mark.column + 1) if mark is not None else (1, 1)
    return Problem(file=file, line=line, column=column, path=(), message=f"is no valid YAML: {what}", remedy=remedy)


class _Loader(yaml.SafeLoader):
    """YAML 1.2's plain values only: in 1.1 a center called `no` is False, and 22:30 is the number 1350."""

    yaml_implicit_resolvers: dict[str, list[tuple[str, re.Pattern[str]]]] = {}  # noqa: RUF012 - PyYAML's own attribute


for _tag, _pattern, _first in (
    ("bool", r"^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    ("null", r"^(?:~|null|Null|NULL|)$", ("~", "n", "N", "")),
    ("int", r"^[-+]?[0-9]+$", "-+0123456789"),
    ("float", r"^[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*)(?:[eE][-+]?[0-9]+)?$", "-+0123456789."),
):
    _Loader.add_implicit_resolver(f"tag:yaml.org,2002:{_tag}", re.compile(_pattern), list(_first))


class _Walk:
    """Turns nodes into values, and notes where they stand."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._left = NODES_MAX

    def value(self, node: yaml.Node, path: KeyPath) -> YamlValue:
        """The value of `node`. Too many nodes, or too deep, and the rest is left out with a problem."""
        self._left -= 1
        if self._left < 0 or len(path) > DEPTH_MAX:
            if not any("too deep" in problem.message for problem in self._source.problems):
                self._problem(
                    path,
                    f"the file is too deep or too large (at most {DEPTH_MAX} levels, {NODES_MAX} values)",
                    "remove the aliases (`*name`)",
                )
            return None
        self._source.places.setdefault(path, _place(node))
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, path)
        if isinstance(node, yaml.SequenceNode):
            return [self.value(item, (*path, index)) for index, item in enumerate(node.value)]
        return self._scalar(node, path)

    def _mapping(self, node: yaml.MappingNode, path: KeyPath) -> dict[str, YamlValue]:
        values: dict[str, YamlValue] = {}
        for key, key_node, value_node in self._pairs(node, path):
            if key in values:
                line, _ = self._source.places[(*path, key)]
                place = _place(key_node)
                self._source.problems.append(
                    Problem(
                        file=self._source.file, line=place[0], column=place[1], path=(*path, key),
                        message=f"is here a second time (first in line {line}), and only one of them can be meant",
                        remedy="remove one of them",
                    )
                )  # fmt: skip
                continue
            self._source.places[(*path, key)] = _place(key_node)
            values[key] = self.value(value_node, (*path, key))
        return values

    def _pairs(self, node: yaml.MappingNode, path: KeyPath) -> Iterator[tuple[str, yaml.Node, yaml.Node]]:
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                yield key_node.value, key_node, value_node
            else:
                self._problem(path, "has a key that is no word", "write `key: value`, one in a line")

    def _scalar(self, node: yaml.Node, path: KeyPath) -> YamlValue:
        kind = node.tag.rpartition(":")[2]
        text = str(node.value)
        match kind:
            case "null":
                return None
            case "bool":
                return text.lower() == "true"
            case "int":
                return int(text)
            case "float":
                return float(text)
            case "str":
                return text
            case _:
                self._problem(path, f"carries the tag {node.tag}", "write the plain value")
                return text

    def _problem(self, path: KeyPath, message: str, remedy: str) -> None:
        self._source.problems.append(self._source.problem(path, message, remedy))


def _place(node: yaml.Node) -> tuple[int, int]:
    return node.start_mark.line + 1, node.start_mark.column + 1
