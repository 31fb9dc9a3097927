"""What people are told: which events, at what severity, in which words. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from drctl.model.event import Alarm, Event, RunEnded, RunStarted, Severity
from drctl.model.identity import CenterName
from drctl.model.playbook import MOVES, RunKind
from drctl.model.run import Outcome
from drctl.notify.words import ALARMS_ZH, KINDS_ZH, OUTCOMES_ZH

RANKS = (Severity.INFO, Severity.WARNING, Severity.ALARM)
TEXT_CHARACTERS_MAX = 700
REMEDY_CHARACTERS_MAX = 400
"""The robots take some 4,000 bytes; a character is up to three."""


class Language(StrEnum):
    """In which language people are told."""

    ZH = "zh"
    EN = "en"


@dataclass(frozen=True, slots=True, kw_only=True)
class Notice:
    """One thing that people are told."""

    severity: Severity
    event: str
    """The event's name."""
    code: str
    """Of an alarm, whose runbook it names; else the event's name."""
    cluster: str
    center: CenterName
    """Whose controller tells it."""
    at_utc: str
    group: str = ""
    run: str = ""
    titles: Mapping[Language, str]
    texts: Mapping[Language, str]
    remedy: str = ""
    """The next thing to type; empty when there is nothing to do."""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Equal for what is the same thing told again."""
        return (self.code, self.group, self.run, self.texts[Language.EN])

    @property
    def at(self) -> datetime:
        """When it happened."""
        return datetime.fromisoformat(self.at_utc)

    def title(self, language: Language) -> str:
        """One line, with how urgent it is."""
        mark = _MARKS[language][self.severity]
        return f"[{mark}] {self.cluster} {self.titles[language]}"

    def body(self, language: Language) -> str:
        """A few lines."""
        words = _LABELS[language]
        lines = [
            self.texts[language][:TEXT_CHARACTERS_MAX],
            *([f"{words['group']}{self.group}"] if self.group else []),
            *([f"{words['run']}{self.run}"] if self.run else []),
            *([f"{words['remedy']}{self.remedy[:REMEDY_CHARACTERS_MAX]}"] if self.remedy else []),
            f"{words['center']}{self.center}",
            f"{words['at']}{_local(self.at_utc)}",
        ]
        return "\n".join(lines)


_MARKS = {
    Language.ZH: {Severity.INFO: "通知", Severity.WARNING: "警告", Severity.ALARM: "告警"},
    Language.EN: {Severity.INFO: "info", Severity.WARNING: "warning", Severity.ALARM: "ALARM"},
}
_LABELS = {
    Language.ZH: {"group": "复制组：", "run": "操作：", "remedy": "处置：", "center": "上报中心：", "at": "时间："},
    Language.EN: {"group": "group: ", "run": "operation: ", "remedy": "to do: ", "center": "told by: ", "at": "at: "},
}


def notice_of(event: Event, *, cluster: str, center: CenterName, at_utc: str) -> Notice | None:
    """What people are told of an event; None for what only the log needs."""
    match event:
        case Alarm():
            return Notice(
                severity=event.severity,
                event=event.name,
                code=event.code,
                cluster=cluster,
                center=center,
                at_utc=at_utc,
                group=event.group or "",
                titles={
                    Language.ZH: ALARMS_ZH.get(event.code, event.code),
                    Language.EN: event.code.replace("_", " "),
                },
                # What exactly it is names members, files and settings, and is said once, as in the log.
                texts={Language.ZH: event.message, Language.EN: event.message},
                remedy=event.remedy,
            )
        case RunStarted() if event.kind in MOVES:
            kind_zh, kind = KINDS_ZH[event.kind], event.kind.value
            return Notice(
                severity=Severity.WARNING,
                event=event.name,
                code=event.name,
                cluster=cluster,
                center=center,
                at_utc=at_utc,
                group=event.group,
                run=event.run,
                titles={Language.ZH: f"{event.group} 开始{kind_zh}", Language.EN: f"{event.group}: {kind} began"},
                texts={Language.ZH: f"原因：{event.reason}", Language.EN: f"why: {event.reason}"},
                remedy=f"drctl watch {event.group}",
            )
        case RunEnded() if event.kind in MOVES or event.outcome is not Outcome.DONE:
            return _ended(event, cluster, center, at_utc)
        case _:
            return None


def _ended(event: RunEnded, cluster: str, center: CenterName, at_utc: str) -> Notice:
    good = event.outcome is Outcome.DONE
    bad = event.outcome in {Outcome.FAILED, Outcome.REFUSED} and event.kind is not RunKind.SYNCSET
    outcome_zh, kind_zh = OUTCOMES_ZH[event.outcome], KINDS_ZH[event.kind]
    note_zh, note = (f"：{event.note}", f": {event.note}") if event.note else ("", "")
    return Notice(
        severity=Severity.ALARM if bad else Severity.INFO if good else Severity.WARNING,
        event=event.name,
        code=event.name,
        cluster=cluster,
        center=center,
        at_utc=at_utc,
        group=event.group,
        run=event.run,
        titles={
            Language.ZH: f"{event.group} {kind_zh}{outcome_zh}",
            Language.EN: f"{event.group}: {event.kind.value} {event.outcome.value}",
        },
        texts={
            Language.ZH: f"用时 {event.elapsed_s:.1f} 秒{note_zh}",
            Language.EN: f"after {event.elapsed_s:.1f} s{note}",
        },
        remedy="" if good else f"drctl history {event.run}",
    )


def coordinator_lost(*, cluster: str, center: CenterName, at_utc: str) -> Notice:
    """That a controller has had no coordinator for a while; it tells so itself, because no leader may hear of it."""
    return Notice(
        severity=Severity.ALARM,
        event="coordinator_changed",
        code="coordinator_lost",
        cluster=cluster,
        center=center,
        at_utc=at_utc,
        titles={
            Language.ZH: f"{center} 的控制器失去协调服务",
            Language.EN: f"the controller of {center} has lost its coordinator",
        },
        texts={
            Language.ZH: f"{center} 与 ZooKeeper 的多数派失去联系；在恢复之前本中心不会发起任何操作",
            Language.EN: f"{center} has lost the majority of ZooKeeper: nothing is begun from there until it is back",
        },
        remedy="drctl doctor",
    )


def trial(*, cluster: str, center: CenterName, at_utc: str) -> Notice:
    """A message that only shows that messages arrive."""
    return Notice(
        severity=Severity.INFO,
        event="test",
        code="test",
        cluster=cluster,
        center=center,
        at_utc=at_utc,
        titles={Language.ZH: "通知测试", Language.EN: "a test of notifications"},
        texts={
            Language.ZH: "这是 drctl notify test 发送的测试消息，无需处理。",
            Language.EN: "`drctl notify test` sent this; there is nothing to do.",
        },
    )


def suppressed(count: int, *, cluster: str, center: CenterName, at_utc: str) -> Notice:
    """How many messages a channel's limit kept back."""
    return Notice(
        severity=Severity.WARNING,
        event="suppressed",
        code="suppressed",
        cluster=cluster,
        center=center,
        at_utc=at_utc,
        titles={Language.ZH: f"另有 {count} 条消息未发送", Language.EN: f"{count} more messages were not sent"},
        texts={
            Language.ZH: "消息过多，超出该通道的限额；全部内容见 drctl history 与控制器日志。",
            Language.EN: "more than this channel's limit; all of it is in `drctl history` and in the controllers' logs.",
        },
        remedy="drctl list",
    )


def _local(at_utc: str) -> str:
    return datetime.fromisoformat(at_utc).astimezone().strftime("%Y-%m-%d %H:%M:%S %z")
