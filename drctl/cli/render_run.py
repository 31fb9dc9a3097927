"""Runs as people read them: a table of them, and one step by step."""

from __future__ import annotations

from collections.abc import Mapping

from rich.console import Group, RenderableType
from rich.text import Text

from drctl.cli.render import BAD, FAINT, GOOD, WARN, table_of, when
from drctl.model.run import Outcome, StepStatus
from drctl.model.snapshot import RunSnapshot, StepSnapshot

_STATUS_STYLES: Mapping[StepStatus, str] = {
    StepStatus.DONE: GOOD,
    StepStatus.FAILED: BAD,
    StepStatus.RUNNING: WARN,
    StepStatus.WAITING: WARN,
    StepStatus.PENDING: FAINT,
    StepStatus.SKIPPED: FAINT,
}
_OUTCOME_STYLES: Mapping[Outcome | None, str] = {Outcome.DONE: GOOD, Outcome.DEGRADED: WARN, None: WARN}


def runs(found: list[RunSnapshot]) -> RenderableType:
    """A table of runs, the newest first."""
    table = table_of(
        ("Run", False), ("Kind", False), ("From", False), ("To", False), ("Began", False), ("Took", True),
        ("Outcome", False), ("By", False), ("Reason", False),
    )  # fmt: skip
    for run in found:
        outcome = run.outcome.value if run.outcome else "running"
        lost = " LOSS POSSIBLE" if run.lost_possible else ""
        table.add_row(
            run.id,
            run.kind.value,
            run.old_primary,
            run.heir or "",
            when(run.started_utc),
            seconds(run.elapsed_s),
            Text(outcome + lost, BAD if lost else _OUTCOME_STYLES.get(run.outcome, BAD)),
            run.requested_by,
            run.note or run.reason,
        )
    return table


def run(found: RunSnapshot) -> RenderableType:
    """A run, step by step."""
    table = table_of(("Step", False), ("", False), ("Took", True), ("At most", True), ("", False))
    for step in found.steps:
        mark = " (no return)" if step.point_of_no_return else ""
        facts = "\n".join([*([step.note] if step.note else []), *step.facts])
        table.add_row(
            step.title + mark,
            Text(step.status.value, _STATUS_STYLES[step.status]),
            seconds(step.elapsed_s),
            seconds(step.worst_s),
            facts,
        )
    return Group(run_heading(found), table)


def run_heading(found: RunSnapshot) -> Text:
    """What a run is, and how it stands."""
    outcome = found.outcome.value if found.outcome else "running"
    text = Text.assemble((f"{found.id} ", "bold"), f"{found.kind.value} of {found.group}: ")
    text.append(outcome, _OUTCOME_STYLES.get(found.outcome, BAD))
    text.append(f" after {seconds(found.elapsed_s)} (promised {seconds(found.rto_s)})")
    text.append(f"\n  {found.old_primary} -> {found.heir or '?'}, epoch {found.epoch}, driven by {found.center}")
    text.append(f"\n  asked for by {found.requested_by}: {found.reason}", FAINT)
    if found.adoptions:
        text.append(f"\n  taken over by another controller {found.adoptions} times", WARN)
    if found.lost_possible:
        text.append("\n  an operator accepted that acknowledged commits may be lost", BAD)
    if found.note:
        text.append(f"\n  {found.note}")
    return text


def step_line(step: StepSnapshot) -> Text:
    """A step that has ended, in a line."""
    text = Text("  ")
    text.append(step.status.value.ljust(8), _STATUS_STYLES[step.status])
    text.append(f"{seconds(step.elapsed_s):>8}  {step.title}")
    what = "; ".join([*([step.note] if step.note else []), *step.facts])
    if what:
        text.append(f"  {what}", FAINT)
    return text


def seconds(duration_s: float | None) -> str:
    """`82 ms`, `1.4 s`, `3 min 20 s`; empty when there is none."""
    if duration_s is None:
        return ""
    if duration_s < 1:
        return f"{duration_s * 1000:.0f} ms"
    if duration_s < 120:
        return f"{duration_s:.1f} s"
    return f"{duration_s // 60:.0f} min {duration_s % 60:.0f} s"
