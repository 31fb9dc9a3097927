"""Reading cluster.yaml: form, values and relations; all errors at once."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from drctl.config.build import build
from drctl.config.checks import check
from drctl.config.configuration import Configuration
from drctl.config.entries import ClusterEntry, entry_at, expected_at
from drctl.config.problem import ConfigurationInvalid, KeyPath, Problem, dotted, nearest
from drctl.config.source import Source, YamlValue, read
from drctl.model.errors import InvalidInput

_ROUNDS_MAX = 8
"""Leaving a wrong value out can leave a mapping without a key that it must have; the depth of the file is the bound."""


def load(file: Path) -> Configuration:
    """The configuration in `file`. Raises ConfigurationInvalid with every error, InvalidInput when it is unreadable."""
    try:
        text = file.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        raise InvalidInput(
            f"there is no configuration at {file}",
            remedy="name it: drctl --config FILE, or export DRCTL_CONFIG=FILE (an example: docs/reference/cluster.yaml)",
        ) from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is not UTF-8 text (byte {error.start})", remedy="save it as UTF-8") from error
    except OSError as error:
        raise InvalidInput(
            f"{file} cannot be read: {error.strerror}", remedy=f"check its owner and mode: ls -l {file}"
        ) from error
    return parse(text, file=str(file))


def parse(text: str, *, file: str = "cluster.yaml") -> Configuration:
    """The configuration that `text` says. Raises ConfigurationInvalid with every error."""
    source = read(text, file)
    problems = list(source.problems)
    entry: ClusterEntry | None = None
    warnings: list[Problem] = []
    left_out: frozenset[KeyPath] = frozenset()
    if isinstance(source.values, dict):
        entry, found, left_out = _validate(source)
        problems += found
    elif not problems:
        problems.append(
            source.problem((), "holds no mapping", "begin with `cluster: NAME`, see docs/reference/cluster.yaml")
        )
    if entry is not None:
        errors, warnings = check(entry, source, left_out)
        problems += errors
    if problems:
        raise ConfigurationInvalid(file, problems)
    assert entry is not None, "without an entry there is a problem"
    return build(entry, file=file, warnings=warnings)


def _validate(source: Source) -> tuple[ClusterEntry | None, list[Problem], frozenset[KeyPath]]:
    """The file's values; what is wrong with them; and which had to be left out so that the rest could be checked."""
    problems: list[Problem] = []
    left_out: set[KeyPath] = set()
    values: YamlValue = source.values
    for _ in range(_ROUNDS_MAX):
        try:
            return ClusterEntry.model_validate(values), problems, frozenset(left_out)
        except ValidationError as error:
            details = error.errors(include_url=False)
        for detail in details:
            path = tuple(key for key in detail["loc"] if key != "[key]")
            if not _below(path, left_out):
                problems.append(_problem(source, detail, path))
        # What is wrong is mended by an example, or taken out, so that the relations of the rest are checked as well.
        for detail in details:
            path = tuple(key for key in detail["loc"] if key != "[key]")
            left_out.add(path)
            values = _mended(values, detail, path)
        if not isinstance(values, dict):
            break
    return None, problems, frozenset(left_out)


def _below(path: KeyPath, roots: set[KeyPath]) -> bool:
    return any(path[: len(root)] == root or root[: len(path)] == path for root in roots)


def _mended(values: YamlValue, detail: ErrorDetails, path: KeyPath) -> YamlValue:
    expected = expected_at(path)
    if detail["type"] == "extra_forbidden" or detail["loc"][-1] == "[key]":
        return _with(values, path, None)
    if expected is not None:
        example = expected.example
        return _with(values, path, int(example) if example.isdecimal() else example)
    if entry_at(path) is not None:
        return _with(values, path, {})
    # Entries by name of which there is none: whoever needs one is left out.
    return _with(values, path[:-1], None)


def _with(values: YamlValue, path: KeyPath, new: YamlValue) -> YamlValue:
    """A copy of `values` with `new` at `path`, or without what is there when `new` is None."""
    if not path or not isinstance(values, dict):
        return new
    key, rest = str(path[0]), path[1:]
    kept = {name: value for name, value in values.items() if name != key}
    value = _with(values.get(key), rest, new) if rest else new
    return kept if value is None else {**kept, key: value}


def _problem(source: Source, detail: ErrorDetails, path: KeyPath) -> Problem:
    kind = detail["type"]
    if kind == "missing":
        return _missing(source, path)
    if kind == "extra_forbidden":
        return _unknown(source, path)
    if kind == "too_short":
        return source.problem(path, "is empty", f"write at least one entry below `{path[-1]}:`")
    expected = expected_at(path)
    entry = entry_at(path)
    if expected is None and entry is not None:
        keys = ", ".join(entry.model_fields)
        return source.problem(
            path,
            f"{_is(detail['input'])}, expected a mapping with some of: {keys}",
            f"write `{path[-1]}:` and its keys below it, indented",
        )
    if expected is None:
        wanted = (
            "a list of names, as [first, second]"
            if detail["type"] == "list_type"
            else "entries by name, one below the other"
        )
        return source.problem(
            path, f"{_is(detail['input'])}, expected {wanted}", f"see docs/reference/cluster.yaml for `{path[-1]}`"
        )
    if detail["loc"][-1] == "[key]":
        return source.problem(
            path, f"{path[-1]!r} is no name, expected {expected.words}", f"write for example `{expected.example}:`"
        )
    what = "is not as it must be" if expected.secret else _is(detail["input"])
    key = path[-1] if not isinstance(path[-1], int) else path[-2]
    return source.problem(path, f"{what}, expected {expected.words}", f"write for example `{key}: {expected.example}`")


def _is(value: object) -> str:
    match value:
        case None:
            return "has no value"
        case dict():
            return "is a mapping"
        case list():
            return "is a list"
        case bool():
            return f"is {str(value).lower()}"
        case _:
            text = str(value)
            return f"is {text[:60]!r}" if isinstance(value, str) else f"is {text[:60]}"


def _missing(source: Source, path: KeyPath) -> Problem:
    expected, entry = expected_at(path), entry_at(path)
    above = dotted(path[:-1]) or "the top of the file"
    wanted, example = "a mapping", f"{path[-1]}:"
    if expected is not None and entry is None:
        wanted, example = expected.words, f"{path[-1]}: {expected.example}"
    if entry is not None:
        wanted = f"a mapping with {', '.join(entry.model_fields)}"
    return source.problem(path, f"is missing, expected {wanted}", f"add `{example}` below {above}")


def _unknown(source: Source, path: KeyPath) -> Problem:
    entry = entry_at(path[:-1])
    known = tuple(entry.model_fields) if entry is not None else ()
    taken = source.keys(path[:-1])
    word = str(path[-1])
    guess = nearest(word, [key for key in known if key not in taken]) or nearest(word, known)
    where = dotted(path[:-1]) or "the top of the file"
    remedy = f"remove it; {where} may hold: {', '.join(known)}"
    if guess:
        remedy = f"move what it holds to `{guess}`, which is there as well" if guess in taken else f"write `{guess}`"
    elsewhere = () if guess else tuple(_elsewhere(word))
    if elsewhere:
        remedy = f"it belongs below {' or '.join(elsewhere)}"
    meant = f", did you mean `{guess}`?" if guess else ""
    return source.problem(path, f"is no key of {where}{meant}", remedy)


def _elsewhere(word: str) -> Iterator[str]:
    """Mappings that do know the key: a right word in the wrong place."""
    if word in ClusterEntry.model_fields:
        yield "the top of the file"
    for name in ClusterEntry.model_fields:
        entry = entry_at((name,))
        if entry is not None and word in entry.model_fields:
            yield f"`{name}`"
