"""The reference pages of what a controller tells: HTTP and metrics."""

from __future__ import annotations

import re

from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from docs.markdown import page, table
from drctl.model.event import Alarm, RunEnded, RunStarted, Severity, StepChanged
from drctl.model.identity import Epoch, GroupName, RunId
from drctl.model.playbook import RunKind
from drctl.model.run import Outcome, StepStatus
from drctl.telemetry.answers import Answers
from drctl.telemetry.metrics import CONTENT_TYPE, Metrics
from drctl.telemetry.publication import Published
from tests.unit.telemetry.example import cluster

# HTTP

ROUTES = {
    "/primary": "200 when the member takes writes: it is the recorded primary and answers as one",
    "/read-write": "the same",
    "/replica": "200 when the member is a standby that streams; with `lag=` (bytes, or `16MiB`) only when it is no further"
    " behind in replay",
    "/sync": "200 when the member is a standby of the sync set that streams",
    "/health": "200 when the member's database answers",
    "/readiness": "with `member` or `group`: 200 when the member serves writes or reads. Alone: 200 once this controller"
    " has seen the deployment",
    "/liveness": "200 while this controller's loop goes on; 503 when it has told nothing for 10 s",
    "/cluster": "all that is known, as `drctl list -f json` prints it",
    "/history": "the runs that ended, by group, the newest first; `group=` for one group",
    "/explain": "what would happen if the primary died now; `group=` where there are several",
    "/config": "the configuration in force, by key path; secrets only as their references",
    "/metrics": "for Prometheus: see [metrics](metrics.md)",
    "/events": "the same as server-sent events: `hello` with the paths that are answered, `cluster` when something has"
    " changed, else `beat` once a second. At most 32 listeners, 503 to the next",
    "/console": "[a page for people](../how-to/console.md), with its own files and the runbooks below it; `/` leads there",
    "/runs/ID": "one run, under way or ended, step by step",
}


def http() -> str:
    """What a controller answers to which path."""
    published = Published(_Clock())
    answers = Answers(published, metrics=lambda: b"", metrics_type=CONTENT_TYPE, configuration={})
    listed = answers.answer("/nothing", {}).body.decode()
    known = re.findall(r"/[\w\-/]+(?:ID)?", listed.partition("known:")[2])
    assert set(known) == set(ROUTES), f"told: {sorted(ROUTES)}, answered: {sorted(known)}"
    checks, facts = list(ROUTES)[:7], list(ROUTES)[7:]
    return page(
        "HTTP",
        "Every controller answers at `centers.NAME.http` of its center, from memory: what it answers does not wait for a",
        "database or for ZooKeeper, and goes on while ZooKeeper is away. Methods are GET, HEAD and OPTIONS. A body is JSON,",
        'but for `/metrics`, `/events` and `/console`; an error is `{"error": ..., "remedy": ...}`. Pages of other sites cannot',
        "read the answers; those of the other controllers can (`Access-Control-Allow-Origin`).\n",
        "## Checks: 200 or 503\n",
        "For load balancers and supervisors. `member=NAME` names the member that is asked about; without it that is the",
        "group's member in the controller's own center. `group=NAME` is needed where there are several groups and no member",
        "is named. So HAProxy can ask any controller for the member behind each of its server lines, with `option httpchk`.\n",
        table(["Path", "Answer"], [[f"`{path}`", ROUTES[path]] for path in checks]),
        "## Facts\n",
        table(["Path", "Answer"], [[f"`{path}`", ROUTES[path]] for path in facts]),
        "## Status codes\n",
        table(
            ["Code", "When"],
            [
                ["200", "yes, or here it is"],
                ["400", "a parameter is missing or cannot be understood; the body says which"],
                ["404", "there is no such path, group, member or run; the body lists what there is"],
                ["405", "another method"],
                ["431", "the request is longer than 8 KiB"],
                ["503", "no; or the controller has just started and has seen nothing yet"],
            ],
        ),
    )


class _Clock:
    def now_s(self) -> float:
        return 0.0

    def utc(self) -> str:
        return ""


# Metrics


def metrics() -> str:
    """Every metric, with its labels, as a scrape shows it."""
    families = list(text_string_to_metric_families(_scrape()))
    own = [family for family in families if family.name.startswith("drctl_") and not family.name.endswith("_created")]
    kept = [family for family in own if family.type != "unknown"]
    return page(
        "Metrics",
        "`GET /metrics` on every controller. Names and labels are stable. A controller tells what it knows itself, so",
        "scrape all of them; for one line a group choose the leader: `drctl_controller_leader == 1`.\n",
        table(
            ["Name", "Type", "Labels", "Meaning"],
            [[f"`{_scraped_name(family)}`", family.type, _labels(family), family.documentation] for family in kept],
        ),
        "Beside them there are the process metrics of prometheus-client: `process_cpu_seconds_total`,",
        "`process_resident_memory_bytes`, `process_open_fds` and others.\n",
    )


def _scrape() -> str:
    """What a controller that has seen a failover and an alarm answers."""
    published = Published(_Clock())
    found = Metrics(published)
    snapshot = cluster()
    group, moved = GroupName("lis"), RunId("lis-8")
    found.emit(
        RunStarted(group=group, run=moved, kind=RunKind.FAILOVER, epoch=Epoch(8), reason="an example for this page")
    )
    found.emit(StepChanged(group=group, run=moved, step="seal", status=StepStatus.DONE, elapsed_s=0.1))
    found.emit(Alarm(group=group, severity=Severity.ALARM, code="person_needed", message="an example for this page"))
    found.emit(RunEnded(group=group, run=moved, kind=RunKind.FAILOVER, outcome=Outcome.DONE, elapsed_s=0.6))
    found.see(snapshot)
    published.publish(snapshot)
    return found.text().decode()


def _scraped_name(family: Metric) -> str:
    return f"{family.name}_total" if family.type == "counter" and not family.name.endswith("_total") else family.name


def _labels(family: Metric) -> str:
    names = dict.fromkeys(name for sample in family.samples for name in sample.labels if name != "le")
    return ", ".join(f"`{name}`" for name in names)
