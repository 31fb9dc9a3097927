"""`playbooks/*.yaml` become playbooks; every error says where, and what to write."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from drctl.config.problem import ConfigurationInvalid, KeyPath, nearest
from drctl.config.source import Source, YamlValue, read
from drctl.model.errors import InvalidInput
from drctl.model.playbook import Approval, OnFailure, Playbook, RunKind, Step
from drctl.model.units import parse_duration_s
from drctl.playbook.catalogue import CATALOGUE, PARAM_VALUES
from drctl.playbook.order import flaws

_Kind = TypeVar("_Kind", RunKind, OnFailure)
_TOP_KEYS = ("name", "kind", "version", "targets", "budget", "steps", "rollback")
_STEP_KEYS = (
    "id", "name", "uses", "with", "needs", "when", "timeout", "retries", "delay", "on_failure", "approval",
    "point_of_no_return", "always", "wait",
)  # fmt: skip
_APPROVAL_KEYS = ("min", "roles", "timeout")
PLAYBOOK_FOLDERS = (Path("/etc/drctl/playbooks"), Path(__file__).parents[2] / "playbooks")
"""The hospital's own first, then those that came with drctl."""
REMEDY = "edit {0}, then type: drctl playbook validate {0}"
RETRIES_MAX = 100
STEPS_MAX = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaybookFile:
    """A playbook, and where it was read from."""

    file: Path
    playbook: Playbook


def playbooks_in_force(folders: Sequence[Path] | None = None) -> Mapping[RunKind, PlaybookFile]:
    """What controllers run: the hospital's own playbooks replace those that came with drctl, kind by kind.

    Raises ConfigurationInvalid, and InvalidInput when there are none.
    """
    looked_in = PLAYBOOK_FOLDERS if folders is None else folders
    found: dict[RunKind, PlaybookFile] = {}
    for folder in reversed(looked_in):
        if folder.is_dir():
            found.update(playbook_files(folder))
    if not found:
        raise InvalidInput(
            f"there are no playbooks in {' or '.join(map(str, looked_in))}",
            remedy=f"copy drctl's playbooks folder to {looked_in[0]}",
        )
    return found


def playbook_files(folder: Path) -> Mapping[RunKind, PlaybookFile]:
    """The playbooks of `folder` by kind. Raises ConfigurationInvalid for the first file that is wrong."""
    found: dict[RunKind, PlaybookFile] = {}
    for file in sorted(folder.glob("*.yaml")):
        playbook = load_playbook(file)
        if playbook.kind in found:
            raise _second(file, playbook.kind, found[playbook.kind].file)
        found[playbook.kind] = PlaybookFile(file=file, playbook=playbook)
    return found


def load_playbooks(folder: Path) -> Mapping[RunKind, Playbook]:
    """The playbooks of `folder` by kind, without their places."""
    return {kind: found.playbook for kind, found in playbook_files(folder).items()}


def load_playbook(file: Path) -> Playbook:
    """The playbook in `file`. Raises ConfigurationInvalid with everything that is wrong, InvalidInput without a file."""
    return parse_playbook(_text_of(file), str(file))


def _text_of(file: Path) -> str:
    try:
        return file.read_text(encoding="utf-8")
    except OSError as error:
        raise InvalidInput(f"cannot read {file}: {error.strerror}", remedy="is it the right file?") from error
    except UnicodeDecodeError as error:
        raise InvalidInput(f"{file} is no UTF-8 text", remedy="save it as UTF-8") from error


def _second(file: Path, kind: RunKind, first: Path) -> ConfigurationInvalid:
    source = read(_text_of(file), str(file))
    message = f"{first} is of the kind {kind} too, and only one of them can be meant"
    return ConfigurationInvalid(
        str(file),
        [source.problem(("kind",), message, "move one of the two out of the folder")],
        remedy=REMEDY.format(file),
    )


def parse_playbook(text: str, file: str) -> Playbook:
    """The playbook that `text` says. Raises ConfigurationInvalid with everything that is wrong."""
    source = read(text, file)
    reader = _Reader(source)
    playbook = reader.playbook(hashlib.sha256(text.encode()).hexdigest())
    if playbook is not None and not source.problems:
        places = {step.id: ("steps", place) for place, step in enumerate(playbook.steps)}
        places |= {step.id: ("rollback", place) for place, step in enumerate(playbook.rollback)}
        for flaw in flaws(playbook):
            path: KeyPath = places.get(flaw.step, ("budget",))
            source.problems.append(source.problem(path, flaw.message, flaw.remedy))
    if source.problems or playbook is None:
        raise ConfigurationInvalid(file, source.problems, remedy=REMEDY.format(file))
    return playbook


class _Reader:
    """Reads values at paths, and notes what is wrong with them."""

    def __init__(self, source: Source) -> None:
        self._source = source

    def playbook(self, digest: str) -> Playbook | None:
        top = self._mapping(self._source.values, (), _TOP_KEYS)
        if top is None:
            return None
        targets = self._mapping(top.get("targets", {}), ("targets",), ("rto", "rpo")) or {}
        steps = self._steps(top.get("steps"), ("steps",), ())
        rollback = self._steps(top["rollback"], ("rollback",), tuple(steps)) if "rollback" in top else ()
        return Playbook(
            name=self._text(top.get("name"), ("name",)),
            kind=self._choice(top.get("kind"), ("kind",), RunKind, RunKind.FAILOVER),
            version=self._whole(top.get("version", 1), ("version",)),
            digest=digest,
            rto_s=self._duration(targets.get("rto", "10m"), ("targets", "rto")),
            rpo_bytes=self._whole(targets.get("rpo", 0), ("targets", "rpo")),
            budget_s=self._duration(top.get("budget"), ("budget",)),
            steps=steps,
            rollback=rollback,
        )

    def _steps(self, value: YamlValue, path: KeyPath, earlier: tuple[Step, ...]) -> tuple[Step, ...]:
        if not isinstance(value, list) or not value:
            self._wrong(path, "must be a list of steps", "write `- id: ...` and `uses: ...`, one step an item")
            return ()
        if len(value) > STEPS_MAX:
            self._wrong(path, f"has {len(value)} steps", f"at most {STEPS_MAX} are allowed")
            return ()
        steps: list[Step] = []
        known = {each.id for each in earlier}
        for place, item in enumerate(value):
            step = self._step(item, (*path, place), known)
            if step is not None:
                steps.append(step)
            # A step that is wrong is known all the same: what needs it is not wrong for that.
            if isinstance(item, dict) and isinstance(item.get("id"), str):
                known.add(str(item["id"]))
        return tuple(steps)

    def _step(self, item: YamlValue, path: KeyPath, known: set[str]) -> Step | None:
        entry = self._mapping(item, path, _STEP_KEYS)
        if entry is None:
            return None
        step_id = self._text(entry.get("id"), (*path, "id"))
        if step_id in known:
            self._wrong((*path, "id"), f"{step_id!r} is the id of an earlier step", "give every step an id of its own")
        uses = self._text(entry.get("uses"), (*path, "uses"))
        contract = CATALOGUE.get(uses)
        if contract is None:
            hint = nearest(uses, CATALOGUE)
            self._wrong(
                (*path, "uses"),
                f"there is no action {uses!r}",
                f"did you mean `uses: {hint}`?" if hint else f"write one of: {', '.join(sorted(CATALOGUE))}",
            )
            return None
        needs = self._texts(entry.get("needs", []), (*path, "needs"))
        if entry.get("needs") == []:
            self._wrong((*path, "needs"), "names no step", "name the steps, or remove it: then it needs the one before")
        for name in needs:
            if name not in known:
                self._wrong(
                    (*path, "needs"),
                    f"{name!r} is no step before this one",
                    f"known: {', '.join(sorted(known)) or 'none, it is the first'}",
                )
        params = self._params(entry.get("with", {}), (*path, "with"), contract.params)
        return Step(
            id=step_id,
            uses=uses,
            name=self._text(entry.get("name", contract.words), (*path, "name")),
            params=params,
            needs=needs,
            when=self._text(entry["when"], (*path, "when")) if "when" in entry else "",
            timeout_s=self._duration(entry.get("timeout"), (*path, "timeout")),
            retries=self._whole(entry.get("retries", 0), (*path, "retries"), most=RETRIES_MAX),
            delay_s=self._duration(entry.get("delay", "1s"), (*path, "delay")),
            on_failure=self._choice(
                entry.get("on_failure", "abort"), (*path, "on_failure"), OnFailure, OnFailure.ABORT
            ),
            approval=self._approval(entry["approval"], (*path, "approval")) if "approval" in entry else None,
            point_of_no_return=self._truth(entry.get("point_of_no_return", False), (*path, "point_of_no_return")),
            always=self._truth(entry.get("always", False), (*path, "always")),
            waited_for=self._truth(entry.get("wait", True), (*path, "wait")),
        )

    def _approval(self, value: YamlValue, path: KeyPath) -> Approval | None:
        entry = self._mapping(value, path, _APPROVAL_KEYS)
        if entry is None:
            return None
        return Approval(
            min=self._whole(entry.get("min", 1), (*path, "min")),
            roles=self._texts(entry.get("roles", []), (*path, "roles")),
            timeout_s=self._duration(entry.get("timeout"), (*path, "timeout")),
        )

    def _mapping(self, value: YamlValue, path: KeyPath, known: tuple[str, ...]) -> dict[str, YamlValue] | None:
        if not isinstance(value, dict):
            self._wrong(path, "must be a mapping", "write `key: value`, one in a line")
            return None
        for key in value:
            if key not in known:
                hint = nearest(key, known)
                self._wrong(
                    (*path, key),
                    "is not known",
                    f"did you mean `{hint}`?" if hint else f"known here: {', '.join(known) or 'nothing'}",
                )
        return {key: item for key, item in value.items() if key in known}

    def _text(self, value: YamlValue, path: KeyPath) -> str:
        if not isinstance(value, str) or not value:
            self._wrong(path, "must be a text", f"write `{path[-1]}: ...`")
            return ""
        return value

    def _texts(self, value: YamlValue, path: KeyPath) -> tuple[str, ...]:
        if not isinstance(value, list) or not all(isinstance(item, str) for item in value):
            self._wrong(path, "must be a list of words", f"write `{path[-1]}: [one, another]`")
            return ()
        return tuple(str(item) for item in value)

    def _params(self, value: YamlValue, path: KeyPath, known: tuple[str, ...]) -> dict[str, str]:
        params: dict[str, str] = {}
        for key, item in (self._mapping(value, path, known) or {}).items():
            allowed = PARAM_VALUES[key]
            if item in allowed:
                params[key] = str(item)
            else:
                self._wrong((*path, key), f"must be one of {', '.join(allowed)}", f"write e.g. `{key}: {allowed[0]}`")
        return params

    def _whole(self, value: YamlValue, path: KeyPath, *, most: int | None = None) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0 or (most is not None and value > most):
            limit = f", at most {most}" if most is not None else ""
            self._wrong(path, f"must be a whole number, zero or greater{limit}", f"write e.g. `{path[-1]}: 1`")
            return 0
        return value

    def _truth(self, value: YamlValue, path: KeyPath) -> bool:
        if not isinstance(value, bool):
            self._wrong(path, "must be true or false", f"write `{path[-1]}: true`")
            return False
        return value

    def _duration(self, value: YamlValue, path: KeyPath) -> float:
        try:
            if isinstance(value, str) and (seconds := parse_duration_s(value)) > 0:
                return seconds
        except ValueError:
            pass
        self._wrong(path, "must be a duration; there is no wait without a limit", f"write e.g. `{path[-1]}: 10s`")
        return 0.0

    def _choice(self, value: YamlValue, path: KeyPath, kind: type[_Kind], default: _Kind) -> _Kind:
        members = [member.value for member in kind]
        if value not in members:
            self._wrong(path, f"must be one of {', '.join(members)}", f"write e.g. `{path[-1]}: {members[0]}`")
            return default
        return kind(value)

    def _wrong(self, path: KeyPath, message: str, remedy: str) -> None:
        self._source.problems.append(self._source.problem(path, message, remedy))
