"""The form of a playbook's file: which keys there are, and what each may say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from typing import assert_never
from urllib.parse import urlsplit

from drctl.config.problem import KeyPath, nearest
from drctl.config.reading import Reader
from drctl.config.source import Source, YamlValue
from drctl.model.playbook import (
    ANSWER_WITHIN_S,
    Approval,
    OnFailure,
    ParamValue,
    Playbook,
    RunKind,
    Step,
)
from drctl.playbook.catalogue import CATALOGUE, Contract
from drctl.playbook.conditions import CONDITIONS, NOT, condition_of
from drctl.playbook.param import Param, ParamKind

TOP_KEYS = ("name", "kind", "version", "targets", "budget", "steps", "rollback")
STEP_KEYS = (
    "id", "name", "uses", "with", "needs", "when", "timeout", "retries", "delay", "on_failure", "answer_within",
    "approval", "point_of_no_return", "always", "wait",
)  # fmt: skip
TARGET_KEYS = ("rto", "rpo")
APPROVAL_KEYS = ("min", "roles", "timeout")
ID_PATTERN = r"^[A-Za-z][A-Za-z0-9_-]{0,62}$"
NAME_PATTERN = r"^[A-Za-z_][A-Za-z0-9_.-]{0,62}$"
TEXT_LENGTH_MAX = 4000
"""Of one value: the playbook travels with every run of it."""
RETRIES_MAX = 100
STEPS_MAX = 100
APPROVERS_MAX = 20
APPROVE_S = 1.0
"""What an `approve` step takes itself; the wait for people is its approval's."""


class PlaybookReader(Reader):
    """Reads a playbook, and notes everything that is wrong with its form."""

    def __init__(self, source: Source) -> None:
        super().__init__(source)
        self.places: dict[str, KeyPath] = {}
        """Where each step stands, by its id."""
        self.complete = True
        """False when a step could not be read at all: nothing can be said about the order then."""

    def playbook(self, digest: str) -> Playbook | None:
        """The playbook; None when the file holds no mapping."""
        top = self.mapping(self._source.values, (), TOP_KEYS)
        if top is None:
            return None
        targets = self.mapping(top.get("targets", {}), ("targets",), TARGET_KEYS) or {}
        steps = self._way(top.get("steps"), ("steps",))
        rollback = self._way(top["rollback"], ("rollback",)) if "rollback" in top else ()
        return Playbook(
            name=self.text(top.get("name"), ("name",)),
            kind=self.choice(top.get("kind"), ("kind",), RunKind, RunKind.FAILOVER),
            version=self.whole(top.get("version", 1), ("version",)),
            digest=digest,
            rto_s=self.duration(targets.get("rto", "10m"), ("targets", "rto")),
            rpo_bytes=self.whole(targets.get("rpo", 0), ("targets", "rpo")),
            budget_s=self.duration(top.get("budget"), ("budget",)),
            steps=steps,
            rollback=rollback,
        )

    def _way(self, value: YamlValue, path: KeyPath) -> tuple[Step, ...]:
        """The steps of a way, forward or back."""
        if not isinstance(value, list) or not value:
            self.wrong(path, "must be a list of steps", "write `- id: ...` and `uses: ...`, one step an item")
            self.complete = False
            return ()
        way = _Way(self, path)
        for place, item in enumerate(value):
            way.take(item, (*path, place))
        if way.count > STEPS_MAX:
            self.wrong(path, f"has {way.count} steps", f"at most {STEPS_MAX} are allowed")
        return tuple(way.steps)

    def step(self, item: YamlValue, path: KeyPath, known: set[str]) -> Step | None:
        """One step; `known` are those that it may need. None when it cannot be told what it does."""
        entry = self.mapping(item, path, STEP_KEYS)
        step_id = "" if entry is None else self._id(entry.get("id"), (*path, "id"))
        contract = None if entry is None else self._contract(entry.get("uses"), (*path, "uses"))
        if entry is None or contract is None:
            self.complete = False
            return None
        self.places.setdefault(step_id, path)
        params = self._params(entry.get("with", {}), (*path, "with"), contract)
        timeout_s = self.duration(entry.get("timeout"), (*path, "timeout"))
        if contract.limit_s is not None and timeout_s > contract.limit_s:
            self.wrong((*path, "timeout"), f"must be at most {contract.limit_s:g} s for {contract.name}", "shorten it")
        on_failure = self.choice(entry.get("on_failure", "abort"), (*path, "on_failure"), OnFailure, OnFailure.ABORT)
        if "answer_within" in entry and on_failure is not OnFailure.ASK:
            self.wrong((*path, "answer_within"), "is only for on_failure: ask", "remove it, or write on_failure: ask")
        step = Step(
            id=step_id,
            uses=contract.name,
            name=self.text(entry.get("name", contract.words), (*path, "name")),
            params=params,
            needs=self._needs(entry, path, known),
            when=self._when(entry["when"], (*path, "when")) if "when" in entry else "",
            timeout_s=timeout_s,
            retries=self.whole(entry.get("retries", 0), (*path, "retries"), most=RETRIES_MAX),
            delay_s=self.duration(entry.get("delay", "1s"), (*path, "delay")),
            on_failure=on_failure,
            answer_within_s=self.duration(entry["answer_within"], (*path, "answer_within"))
            if "answer_within" in entry
            else ANSWER_WITHIN_S,
            approval=self._approval(entry["approval"], (*path, "approval")) if "approval" in entry else None,
            point_of_no_return=self.truth(entry.get("point_of_no_return", False), (*path, "point_of_no_return")),
            always=self.truth(entry.get("always", False), (*path, "always")),
            waited_for=self.truth(entry.get("wait", True), (*path, "wait")),
        )
        return self._approving(step, entry, path) if contract.name == "approve" else step

    def _approving(self, step: Step, entry: Mapping[str, YamlValue], path: KeyPath) -> Step:
        """An `approve` step: nothing but its approval, which its timeout is of."""
        for key in ("approval", "retries", "delay", "wait"):
            if key in entry:
                self.wrong((*path, key), "makes no sense for `uses: approve`", "remove it; `with` says who must agree")
        count, roles = step.params.get("min", 1), step.params.get("roles", ())
        approval = Approval(
            min=max(1, count) if isinstance(count, int) else 1,
            roles=roles if isinstance(roles, tuple) else (),
            timeout_s=step.timeout_s,
        )
        return replace(step, timeout_s=APPROVE_S, retries=0, approval=approval, waited_for=True)

    def _id(self, value: YamlValue, path: KeyPath) -> str:
        step_id = self.text(value, path)
        if step_id and not re.fullmatch(ID_PATTERN, step_id):
            self.wrong(path, f"is {step_id!r}", "write letters, digits, `-` and `_`, a letter first, 63 at most")
        if step_id in self.places:
            self.wrong(path, f"{step_id!r} is the id of an earlier step", "give every step an id of its own")
        return step_id

    def _contract(self, value: YamlValue, path: KeyPath) -> Contract | None:
        uses = self.text(value, path)
        contract = CATALOGUE.get(uses)
        if contract is None and uses:
            hint = nearest(uses, CATALOGUE)
            self.wrong(
                path,
                f"there is no action {uses!r}",
                f"did you mean `uses: {hint}`?" if hint else f"write one of: {', '.join(sorted(CATALOGUE))}",
            )
        return contract

    def _needs(self, entry: Mapping[str, YamlValue], path: KeyPath, known: set[str]) -> tuple[str, ...]:
        if "needs" not in entry:
            return ()
        at = (*path, "needs")
        if entry["needs"] == []:
            self.wrong(at, "names no step", "name the steps, or remove it: then it needs the one before")
        needs = self.texts(entry["needs"], at)
        for name in needs:
            if name not in known:
                # Only steps before it may be named, so that there is no circle.
                self.wrong(
                    at,
                    f"{name!r} is no step before this one",
                    f"known: {', '.join(sorted(known)) or 'none, it is the first'}",
                )
        return needs

    def _when(self, value: YamlValue, path: KeyPath) -> str:
        text = self.text(value, path)
        name = condition_of(text)
        if text and name not in CONDITIONS:
            hint = nearest(name, CONDITIONS)
            self.wrong(
                path,
                f"there is no condition {name!r}",
                f"did you mean `when: {NOT if text.startswith(NOT) else ''}{hint}`?"
                if hint
                else f"write one of: {', '.join(CONDITIONS)}, perhaps with `not` before it",
            )
            return ""
        return f"{NOT}{name}" if text.startswith(NOT) else name

    def _approval(self, value: YamlValue, path: KeyPath) -> Approval | None:
        entry = self.mapping(value, path, APPROVAL_KEYS)
        if entry is None:
            return None
        return Approval(
            min=self.whole(entry.get("min", 1), (*path, "min"), least=1, most=APPROVERS_MAX),
            roles=self.texts(entry.get("roles", []), (*path, "roles")),
            timeout_s=self.duration(entry.get("timeout"), (*path, "timeout")),
        )

    # What an action is given

    def _params(self, value: YamlValue, path: KeyPath, contract: Contract) -> dict[str, ParamValue]:
        entry = self.mapping(value, path, [param.name for param in contract.params])
        params: dict[str, ParamValue] = {}
        if entry is None:
            return params
        for param in contract.params:
            if param.name in entry:
                read = self._param(entry[param.name], (*path, param.name), param)
                if read is not None:
                    params[param.name] = read
            elif param.required:
                self.wrong(
                    (*path, param.name),
                    f"is missing: {contract.name} needs it",
                    f"write it below `with:`: {param.words}",
                )
        return params

    def _param(self, value: YamlValue, path: KeyPath, param: Param) -> ParamValue | None:
        """A value of `with`; None when it is wrong."""
        match param.kind:
            case ParamKind.CHOICE:
                return self.word(value, path, param.choices) or None
            case ParamKind.WHOLE:
                most = APPROVERS_MAX if param.name == "min" else None
                return self.whole(value, path, least=1 if param.name == "min" else 0, most=most)
            case ParamKind.SIZE:
                return self.size(value, path)
            case ParamKind.WORDS:
                return self.texts(value, path)
            case ParamKind.SCALAR:
                if isinstance(value, bool | int | float) or (isinstance(value, str) and value):
                    return value
                self.wrong(path, "must be a text, a number, true or false", f"write e.g. `{path[-1]}: 1`")
                return None
            case ParamKind.NAME | ParamKind.SUBJECT:
                return self._name(value, path)
            case ParamKind.URL:
                return self._url(value, path)
            case ParamKind.TEXT:
                text = self.text(value, path)
                if len(text) > TEXT_LENGTH_MAX:
                    self.wrong(path, f"has {len(text)} characters", f"at most {TEXT_LENGTH_MAX} are allowed")
                return text
            case _:
                assert_never(param.kind)

    def _name(self, value: YamlValue, path: KeyPath) -> str:
        name = self.text(value, path)
        if name and not re.fullmatch(NAME_PATTERN, name):
            self.wrong(path, f"{name!r} is no name", "write letters, digits, `-`, `_` and `.`, a letter first")
        return name

    def _url(self, value: YamlValue, path: KeyPath) -> str:
        text = self.text(value, path)
        example = f"write e.g. `{path[-1]}: https://lis.example/hooks/moved`"
        try:
            parts = urlsplit(text)
            fits = parts.scheme in {"http", "https"} and bool(parts.hostname) and (parts.port or 1) > 0
        except ValueError:
            fits = False
            parts = urlsplit("")
        if text and (not fits or re.search(r"[\s\x00-\x1f]", text)):
            self.wrong(path, f"{text!r} is no address of a web server", example)
        elif parts.username or parts.password:
            self.wrong(path, "holds a password, and every run of the playbook would keep it", "leave it out")
        return text


class _Way:
    """The steps of one way, as far as they were read; `parallel` becomes plain steps here."""

    def __init__(self, reader: PlaybookReader, path: KeyPath) -> None:
        self._reader = reader
        self._path = path
        self.steps: list[Step] = []
        self.count = 0
        self._known: set[str] = set()
        self._before: tuple[str, ...] = ()
        """What the next step needs unless it says so itself: the last step, or all of the last `parallel`."""

    def take(self, item: YamlValue, path: KeyPath) -> None:
        """Read one item of the list."""
        if isinstance(item, dict) and "parallel" in item:
            self._parallel(item, path)
            return
        step = self._read(item, path, self._known)
        if step is not None:
            self._add(step)
            self._before = (step.id,)

    def _parallel(self, item: dict[str, YamlValue], path: KeyPath) -> None:
        entry = self._reader.mapping(item, path, ("parallel",)) or {}
        inside = entry.get("parallel")
        at = (*path, "parallel")
        if not isinstance(inside, list) or not inside:
            self._reader.wrong(at, "must be a list of steps", "write the steps that begin together below it")
            self._reader.complete = False
            return
        known = set(self._known)
        steps = [self._read(each, (*at, place), known) for place, each in enumerate(inside)]
        for step in steps:
            if step is not None:
                self._add(step)
        self._before = tuple(step.id for step in steps if step is not None)

    def _read(self, item: YamlValue, path: KeyPath, known: set[str]) -> Step | None:
        self.count += 1
        step = self._reader.step(item, path, known)
        # A step that is wrong is known all the same: what needs it is not wrong for that.
        if isinstance(item, dict) and isinstance(item.get("id"), str):
            self._known.add(str(item["id"]))
        return step

    def _add(self, step: Step) -> None:
        if not step.needs:
            step = replace(step, needs=self._before, first=not self._before)
        self.steps.append(step)
