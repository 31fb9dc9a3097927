"""What a scenario leaves behind, enough to be checked again: seed, scenario, ledgers, journals, logs, verdicts, plot."""

from __future__ import annotations

import html
import json
import time
from dataclasses import asdict
from datetime import UTC, datetime
from typing import TYPE_CHECKING

import yaml
from rich.console import Console

from chaos.lab.errors import LabError
from chaos.oracles.outage import acknowledged_rate
from chaos.oracles.table import verdict_table, verdicts_json
from chaos.workload.plot import Mark, plot_rate

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from chaos.lab.lab import Lab
    from chaos.run.checks import Judged
    from chaos.run.play import Play
    from chaos.run.scenario import Scenario


def write_bundle(folder: Path, lab: Lab, play: Play, judged: Judged) -> None:
    """Write one scenario's folder; the ledgers are in it already."""
    assert play.watch is not None, "a play is watched"
    _write_yaml(folder / "scenario.yaml", play.scenario)
    _write_history(folder / "history.json", lab, play)
    lab.collect_logs(folder / "logs")
    with (folder / "events.jsonl").open("w", encoding="utf-8") as stream:
        events = sorted(play.watch.events(), key=lambda event: str(event.get("at", "")))
        stream.writelines(json.dumps(event, ensure_ascii=False) + "\n" for event in events)
    document = {
        "scenario": play.scenario.name,
        "seed": play.seed,
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"),
        "postgres": lab.record.postgres_version,
        "elapsed_s": round(play.elapsed_s, 1),
        "result": judged.result,
        "why": judged.why,
        "figures": {
            "outage_s": judged.outage_s, "gap_s": judged.gap_s, "protected_s": judged.protected_s,
            "acked": judged.acked, "lost": judged.lost,
        },
        "checks": [asdict(check) for check in judged.checks],
        "rounds": [asdict(one) for one in play.rounds],
        "strikes": [],
        "verdicts": verdicts_json(play.verdicts),
        "samples": [asdict(sample) for sample in play.watch.samples],
    }  # fmt: skip
    (folder / "verdict.json").write_text(json.dumps(document, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    _write_report(folder, play, judged)


def _write_yaml(path: Path, scenario: Scenario) -> None:
    told = scenario.model_dump(exclude_defaults=True)
    path.write_text(yaml.safe_dump(told, allow_unicode=True, sort_keys=False), encoding="utf-8")


def _write_history(path: Path, lab: Lab, play: Play) -> None:
    """The journals as `drctl history` tells them; what was seen over HTTP where it tells nothing."""
    try:
        done = lab.drctl("history", "-f", "json", "-n", "50")
        text = done.stdout if done.returncode == 0 else ""
    except LabError:
        text = ""
    seen = [] if play.watch is None else list(play.watch.runs.values())
    path.write_text(text or json.dumps(seen, ensure_ascii=False, indent=1), encoding="utf-8")


def _write_report(folder: Path, play: Play, judged: Judged) -> None:
    """The report as text and as a page, from the same lines."""
    console = Console(record=True, width=140, file=(folder / "report.txt").open("w", encoding="utf-8"), highlight=False)
    scenario = play.scenario
    color = {"pass": "green", "fail": "red"}.get(judged.result, "yellow")
    console.print(f"[bold]{scenario.name}[/bold]: [bold {color}]{judged.result}[/]")
    console.print(scenario.why.strip(), soft_wrap=True)
    if judged.why:
        console.print(judged.why, style=color, markup=False, soft_wrap=True)
    console.print()
    for at_s, text in play.told:
        console.print(f"{at_s:7.1f} s  {text}", markup=False, soft_wrap=True)
    console.print()
    if play.history is not None and play.rounds:
        rate = acknowledged_rate(play.history)
        marks = []
        for one in play.rounds:
            marks.append(Mark(at_s=(one.injected_ns - rate.start_ns) / 1e9, label="fault"))
            if one.healed_ns:
                marks.append(Mark(at_s=(one.healed_ns - rate.start_ns) / 1e9, label="mended"))
        console.print("Acknowledged operations a second, as the clients saw them:")
        console.print(plot_rate(rate.counts, rate.bucket_s, marks=marks, width=100))
    for check in judged.checks:
        console.print(f"{'holds ' if check.holds else 'BROKEN'}  {check.name}: {check.text}", markup=False)
    console.print(verdict_table(play.verdicts))
    if play.watch is not None:
        for run in sorted(play.watch.runs.values(), key=lambda run: str(run["started_utc"])):
            console.print(
                f"{run['id']} {run['kind']} {run['outcome'] or 'under way'} {run['elapsed_s']:.2f} s: {run['reason']}"
                f" {run['note']}",
                markup=False,
                soft_wrap=True,
            )
    console.file.close()
    (folder / "report.html").write_text(console.export_html(), encoding="utf-8")


def write_summary(
    folder: Path, results: Sequence[tuple[Scenario, Judged]], *, seed: int, began_s: float, mutant: str
) -> None:
    """One JSON document and one page for the whole run."""
    rows = [
        {
            "scenario": scenario.name, "result": judged.result, "outage_s": judged.outage_s, "gap_s": judged.gap_s,
            "protected_s": judged.protected_s, "acked": judged.acked, "lost": judged.lost, "why": judged.why,
        }
        for scenario, judged in results
    ]  # fmt: skip
    summary = {
        "at_utc": datetime.now(UTC).isoformat(timespec="seconds"), "seed": seed, "mutant": mutant or None,
        "elapsed_s": round(time.monotonic() - began_s, 1), "scenarios": rows,
    }  # fmt: skip
    (folder / "summary.json").write_text(json.dumps(summary, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")
    cells = "".join(
        f'<tr class="{row["result"]}"><td><a href="{row["scenario"]}/report.html">{row["scenario"]}</a></td>'
        f"<td>{row['result']}</td><td>{_figure(row['outage_s'])}</td><td>{_figure(row['gap_s'])}</td>"
        f"<td>{_figure(row['protected_s'])}</td><td>{row['acked']}</td><td>{_figure(row['lost'])}</td>"
        f"<td>{html.escape(str(row['why']))}</td></tr>\n"
        for row in rows
    )
    (folder / "index.html").write_text(
        '<!doctype html><meta charset="utf-8"><title>drctl chaos</title><style>body{font-family:sans-serif}'
        "td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ddd}.pass td:nth-child(2){color:green}"
        ".fail td:nth-child(2){color:red}.inconclusive td:nth-child(2){color:darkorange}</style>"
        f"<h1>Chaos on real parts</h1><p>{summary['at_utc']}, seed {seed}, {summary['elapsed_s']} s"
        f"{', without ' + html.escape(mutant) if mutant else ''}</p><table><tr><th>Scenario<th>Verdict<th>Outage s"
        f"<th>Longest gap s<th>Protected again s<th>Acked<th>Lost<th>Why</tr>\n{cells}</table>\n",
        encoding="utf-8",
    )


def _figure(value: object) -> str:
    if value is None:
        return "-"
    return f"{value:.2f}" if isinstance(value, float) else str(value)
