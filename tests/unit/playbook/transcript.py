"""Transcripts: a shipped playbook with a hospital's steps in it, a script of what happens, and all that follows."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from drctl.config.playbooks import parse_playbook
from drctl.config.source import read
from drctl.controller.effect import Effect, HostCall, MarkerCall, QueryCall, WebCall
from drctl.model.errors import DrctlError, EffectRefused, EffectUnknown
from drctl.model.event import Alarm, Event, RunAdopted, RunEnded, StepChanged
from drctl.model.event import EffectEnded as EffectEndedEvent
from drctl.model.evidence import CommandRan, Evidence, HttpAnswered, Queried
from drctl.model.identity import GroupName, MemberName, RunId
from drctl.model.playbook import Playbook
from drctl.model.request import Request, RequestKind
from drctl.model.run import StepStatus
from tests.house.source import ROOT
from tests.unit.playbook.stage import Hospital, Silence, Stage

PARTS = re.compile(r"^=== (?:playbook|script|transcript)\n", re.MULTILINE)


@dataclass(frozen=True)
class Story:
    """A file of `transcripts/`."""

    title: str
    playbook: dict[str, Any]
    script: dict[str, Any]
    told: str

    @classmethod
    def read(cls, file: Path) -> Story:
        title, playbook, script, told = PARTS.split(file.read_text(encoding="utf-8"))
        return cls(title.strip(), _values(playbook), _values(script) if script.strip() else {}, told)

    def tell(self) -> str:
        """What happens, line by line."""
        return _Telling(self).tell()


def _values(text: str) -> Any:
    source = read(text, "a story")
    assert source.problems == []
    return source.values


def changed(change: dict[str, Any]) -> Playbook:
    """The shipped playbook of `kind`, with `steps` put in behind the step `after`, and keys of steps replaced."""
    book = _values((ROOT / "playbooks" / f"{change['kind']}.yaml").read_text(encoding="utf-8"))
    for step in book["steps"]:
        step.update(change.get("change", {}).get(step["id"], {}))
    place = next((n for n, step in enumerate(book["steps"], 1) if step["id"] == change.get("after")), 0)
    book["steps"][place:place] = change.get("steps", [])
    book |= {key: change[key] for key in ("budget",) if key in change}
    return parse_playbook(yaml.safe_dump(book, sort_keys=False, allow_unicode=True), "changed.yaml")


class _Telling:
    def __init__(self, story: Story) -> None:
        script = story.script
        self._script = script
        self._answers: dict[str, list[Any]] = script.get("answers", {})
        hospital = Hospital()
        for name, role in script.get("roles", {}).items():
            hospital.role[MemberName(name)] = role
        self._lines: list[str] = []
        self._stage = Stage(
            changed(story.playbook),
            hospital=hospital,
            answer=self._answer,
            requested_by=script.get("asked_by", "mei@lis-1"),
        )
        self._stage.tell = self._event  # type: ignore[method-assign]

    def tell(self) -> str:
        stage = self._stage
        happens = sorted(self._script.get("happens", []), key=lambda each: each["at"])
        for at_s in stage.ticks():
            while happens and happens[0]["at"] <= at_s:
                self._happens(happens.pop(0))
        assert happens == [], "the script goes on after the run has ended"
        return "".join(f"{line.rstrip()}\n" for line in self._lines)

    def _happens(self, what: dict[str, Any]) -> None:
        stage = self._stage
        match what:
            case {"say": say, "by": by}:
                request = Request(
                    id=str(len(self._lines)),
                    kind=RequestKind(say),
                    group=GroupName("lis"),
                    operator=by,
                    reason=what.get("reason", ""),
                    run=RunId(what.get("run", "lis-2")),
                    step=what.get("step", ""),
                    made_utc=stage.utc,
                )
                refusal = stage.say(request)
                self._say(f"{by}: {say}", f"no: {refusal}" if refusal else "heard")
            case {"member": name, "becomes": role}:
                stage.hospital.role[MemberName(name)] = role
                self._say(name, f"is {role} now")
            case {"member": name, "follows": upstream}:
                stage.hospital.upstream[MemberName(name)] = upstream and MemberName(upstream)
                self._say(name, f"follows {upstream or 'nobody'} now")
            case {"controller": "dies"}:
                self._say("controller", "dies")
                stage.now_s += what.get("for", 0)
                stage.adopt()
            case _:
                raise AssertionError(what)

    def _answer(self, effect: Effect, _: int) -> Evidence | DrctlError | None:
        assert isinstance(effect, HostCall | MarkerCall | QueryCall | WebCall)
        left = self._answers.get(effect.step)
        if not left:
            return None
        match left.pop(0):
            case "done":
                return None
            case "silence":
                return Silence("")
            case "refused":
                return EffectRefused("refused")
            case "unknown":
                return EffectUnknown("the line broke")
            case scripted if isinstance(effect, QueryCall):
                return Queried(value=None if scripted is None else str(scripted), rows=1)
            case int() as scripted if isinstance(effect, WebCall):
                return HttpAnswered(status=scripted, body="")
            case int() as scripted:
                return CommandRan(command="announce", code=scripted, output="no room" if scripted else "")
            case scripted:
                raise AssertionError(scripted)

    def _event(self, event: Event) -> None:
        match event:
            case StepChanged(step=step, status=status, note=note):
                words = {StepStatus.RUNNING: "begins", StepStatus.WAITING: "waits for people"}
                self._say(step, of=step, what=f"{words.get(status, status.value)}{f': {note}' if note else ''}")
            case EffectEndedEvent(step=step, effect=effect, member=member, error=error):
                said = f" failed: {error}" if error else ""
                self._say("", f"{effect} {member or ''}".strip() + said, of=step)
            case Alarm(code=code, message=message):
                self._say(f"! {code}", message)
            case RunAdopted():
                self._say("controller", "another one takes over")
            case RunEnded(outcome=outcome, note=note):
                self._say("run", f"{outcome.value}{f': {note}' if note else ''}")
            case _:
                pass

    def _say(self, who: str, what: str, of: str = "") -> None:
        only = self._script.get("only")
        if only and of and of not in only:
            return
        self._lines.append(f"{self._stage.at_s:8.1f}  {who:<14} {what}")
