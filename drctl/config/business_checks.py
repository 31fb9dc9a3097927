"""`checks/*.yaml` become business checks; every error says where, and what to write."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from drctl.config.configuration import OWN_CHECKS
from drctl.config.problem import ConfigurationInvalid, KeyPath
from drctl.config.reading import Reader
from drctl.config.source import YamlValue, read
from drctl.model.check import BusinessCheck, CheckScope, CheckStep, Expectation
from drctl.model.errors import InvalidInput

REMEDY = "edit {0}, then type: drctl drill check --validate {0}"
KEYS = ("name", "title", "scope", "timeout", "database", "groups", "steps")
STEP_KEYS = ("id", "sql", "expect")
EXPECT_KEYS = ("rows", "rows_min", "value", "within")
NAME_PATTERN = r"[a-z][a-z0-9_-]{0,62}"
SQL_LENGTH_MAX = 8000
STEPS_MAX = 50
CHECKS_MAX = 50
TIMEOUT_MAX_S = 600.0
BARRED = frozenset(
    [
        "abort", "begin", "checkpoint", "close", "cluster", "commit", "copy", "deallocate", "declare", "discard", "do",
        "end", "execute", "fetch", "listen", "load", "lock", "prepare", "reindex", "release", "reset", "revoke",
        "rollback", "savepoint", "security", "set", "start", "truncate", "vacuum",
    ]
)  # fmt: skip
"""First words of statements that would leave the check's transaction or touch what does not belong to it."""
LEAVES_A_SCHEMA = frozenset({"alter", "drop", "grant"})
"""Besides, what is only allowed in the check's own schema: it takes locks that stop everybody else."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckFile:
    """A business check, and where it was read from."""

    file: Path
    check: BusinessCheck


def shipped_checks_folder() -> Path:
    """Where the checks that came with drctl are: inside the installed package, or at the top of a checkout."""
    package = Path(str(files("drctl")))
    inside = package / "checks"
    return inside if inside.is_dir() else package.parent / "checks"


def checks_in_force(own: Path = OWN_CHECKS) -> tuple[CheckFile, ...]:
    """What drills run, by name: a file of the hospital's own folder replaces the one that came with drctl by its name.

    Raises ConfigurationInvalid for the first file that is wrong.
    """
    found: dict[str, CheckFile] = {}
    for folder in (shipped_checks_folder(), own):
        if folder.is_dir():
            found.update(check_files(folder))
    return tuple(found[name] for name in sorted(found))


def check_files(folder: Path) -> Mapping[str, CheckFile]:
    """The checks of a folder by name. Raises ConfigurationInvalid, InvalidInput."""
    found: dict[str, CheckFile] = {}
    for file in sorted(folder.glob("*.yaml")):
        check = load_check(file)
        if check.name in found:
            raise InvalidInput(
                f"{found[check.name].file} and {file} are both called {check.name}", remedy="rename one of them"
            )
        found[check.name] = CheckFile(file=file, check=check)
    if len(found) > CHECKS_MAX:
        raise InvalidInput(f"{folder} has {len(found)} checks, at most {CHECKS_MAX} are run", remedy="join some")
    return found


def load_check(file: Path) -> BusinessCheck:
    """The check in `file`. Raises ConfigurationInvalid with everything that is wrong, InvalidInput without a file."""
    try:
        text = file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot read {file}: {error.strerror}", remedy="is it the right file?") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is no UTF-8 text", remedy="save it as UTF-8") from error
    return parse_check(text, str(file))


def parse_check(text: str, file: str) -> BusinessCheck:
    """The check that `text` says. Raises ConfigurationInvalid with everything that is wrong."""
    source = read(text, file)
    check = _CheckReader(source).check(hashlib.sha256(text.encode()).hexdigest())
    if source.problems or check is None:
        raise ConfigurationInvalid(file, source.problems, remedy=REMEDY.format(file))
    return check


class _CheckReader(Reader):
    """Reads a business check, and notes everything that is wrong with its form."""

    def check(self, digest: str) -> BusinessCheck | None:
        """The check; None when the file holds no mapping."""
        top = self.mapping(self._source.values, (), KEYS)
        if top is None:
            return None
        scope = self.choice(top.get("scope", "rolled_back"), ("scope",), CheckScope, CheckScope.ROLLED_BACK)
        timeout_s = self.duration(top.get("timeout", "10s"), ("timeout",))
        if timeout_s > TIMEOUT_MAX_S:
            self.wrong(("timeout",), f"must be at most {TIMEOUT_MAX_S:g} s", "shorten it")
        name = self._name(top.get("name"), ("name",))
        return BusinessCheck(
            name=name,
            title=self.text(top.get("title", name or "?"), ("title",)),
            scope=scope,
            timeout_s=timeout_s,
            database=self.text(top["database"], ("database",)) if "database" in top else "",
            groups=self.texts(top.get("groups", []), ("groups",)),
            steps=self._steps(top.get("steps"), scope),
            digest=digest,
        )

    def _name(self, value: YamlValue, path: KeyPath) -> str:
        name = self.text(value, path)
        if name and not re.fullmatch(NAME_PATTERN, name):
            self.wrong(path, f"{name!r} is no name", "write lower-case letters, digits, `-` and `_`, a letter first")
        return name

    def _steps(self, value: YamlValue, scope: CheckScope) -> tuple[CheckStep, ...]:
        path: KeyPath = ("steps",)
        if not isinstance(value, list) or not 0 < len(value) <= STEPS_MAX:
            self.wrong(path, f"must be a list of 1 to {STEPS_MAX} steps", "write `- id: ...`, `sql: ...`, one an item")
            return ()
        steps: list[CheckStep] = []
        for place, item in enumerate(value):
            step = self._step(item, (*path, place), scope)
            if step is not None and step.id in {one.id for one in steps}:
                self.wrong((*path, place, "id"), f"{step.id!r} is the id of an earlier step", "give it one of its own")
            steps += [step] if step is not None else []
        return tuple(steps)

    def _step(self, item: YamlValue, path: KeyPath, scope: CheckScope) -> CheckStep | None:
        entry = self.mapping(item, path, STEP_KEYS)
        if entry is None:
            return None
        return CheckStep(
            id=self._name(entry.get("id"), (*path, "id")),
            sql=self._sql(entry.get("sql"), (*path, "sql"), scope),
            expect=self._expect(entry.get("expect", {}), (*path, "expect")),
        )

    def _sql(self, value: YamlValue, path: KeyPath, scope: CheckScope) -> str:
        sql = self.text(value, path).strip().removesuffix(";").strip()
        if not sql:
            return ""
        first = (re.findall(r"[a-z]+", re.sub(r"--[^\n]*|/\*.*?\*/", " ", sql.lower(), flags=re.DOTALL)) or [""])[0]
        barred = BARRED if scope is CheckScope.OWN_SCHEMA else BARRED | LEAVES_A_SCHEMA
        if first in barred:
            self.wrong(
                path, f"begins with {first.upper()}, which a check must not do", "SELECT, INSERT, UPDATE or DELETE"
            )
        if "\\" in sql or re.search(r"[\x00-\x08\x0b-\x1f\x7f]", sql):
            # On a copy the statement goes through psql, to which a backslash is a command.
            self.wrong(path, "holds a backslash or a control character", "write chr(92) for a backslash")
        if len(sql) > SQL_LENGTH_MAX:
            self.wrong(path, f"has {len(sql)} characters", f"at most {SQL_LENGTH_MAX} are allowed")
        return sql

    def _expect(self, value: YamlValue, path: KeyPath) -> Expectation:
        entry = self.mapping(value, path, EXPECT_KEYS) or {}
        return Expectation(
            rows=self.whole(entry["rows"], (*path, "rows")) if "rows" in entry else None,
            rows_min=self.whole(entry["rows_min"], (*path, "rows_min")) if "rows_min" in entry else None,
            value=self._value(entry["value"], (*path, "value")) if "value" in entry else None,
            within_s=self.duration(entry["within"], (*path, "within")) if "within" in entry else None,
        )

    def _value(self, value: YamlValue, path: KeyPath) -> str:
        match value:
            case bool():
                return "t" if value else "f"
            case str() | int() | float():
                return str(value)
            case _:
                self.wrong(path, "must be a text, a number, true or false", "write e.g. `value: 1`")
                return ""
