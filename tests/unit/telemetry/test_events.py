"""Events as log lines and as metrics."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Callable
from dataclasses import replace

import pytest
from prometheus_client.parser import text_string_to_metric_families

from drctl.model.event import (
    Alarm,
    ControllerStarted,
    Event,
    MemberChanged,
    RunEnded,
    RunStarted,
    Severity,
    StepChanged,
)
from drctl.model.identity import CenterName, Epoch, RunId
from drctl.model.playbook import RunKind
from drctl.model.report import Reachability
from drctl.model.run import Outcome, StepStatus
from drctl.telemetry import log as log_module
from drctl.telemetry.log import Fanout, Log, LogFormat
from drctl.telemetry.metrics import Metrics
from drctl.telemetry.publication import Published
from tests.unit.telemetry.example import LIS, NOW_UTC, A, B, C, answering, cluster, picture, primary_facts, seeing
from tests.unit.telemetry.test_answers import FakeClock

RUN = RunId("lis-8")
STARTED = RunStarted(group=LIS, run=RUN, kind=RunKind.FAILOVER, epoch=Epoch(8), reason="silent")
LOST = MemberChanged(group=LIS, member=A, before=Reachability.ANSWERS, after=Reachability.SILENT, detail="no route")
SEALED = StepChanged(group=LIS, run=RUN, step="seal", status=StepStatus.DONE, elapsed_s=0.016)
ENDED = RunEnded(group=LIS, run=RUN, kind=RunKind.FAILOVER, outcome=Outcome.DONE, elapsed_s=0.9)


def lines_of(*events: Event, form: LogFormat = LogFormat.JSON) -> list[str]:
    stream = io.StringIO()
    log = Log(stream, center=CenterName("zhaohui"), clock=FakeClock(), form=form)
    for event in events:
        log.emit(event)
    log.close(deadline_s=5.0)
    return stream.getvalue().splitlines()


def test_each_event_is_one_line_of_json_with_the_run_that_is_under_way() -> None:
    lines = [json.loads(line) for line in lines_of(LOST, STARTED, LOST, SEALED, ENDED, LOST)]
    assert [line["event"] for line in lines] == [
        "member_changed",
        "run_started",
        "member_changed",
        "step_changed",
        "run_ended",
        "member_changed",
    ]
    assert [line["run"] for line in lines] == [None, RUN, RUN, RUN, RUN, None]
    assert lines[0]["at"] == NOW_UTC
    assert (lines[0]["observer"], lines[0]["before"], lines[0]["after"]) == ("zhaohui", "answers", "silent")


def test_an_event_of_no_group_has_a_run_field_too() -> None:
    (line,) = lines_of(ControllerStarted(center=CenterName("zhaohui"), version="0.1.0"))
    assert json.loads(line)["run"] is None


def test_the_severity_says_how_soon_to_look() -> None:
    alarm = Alarm(group=LIS, severity=Severity.ALARM, code="exposed", message="exposed")
    refused = RunEnded(group=LIS, run=RUN, kind=RunKind.FAILOVER, outcome=Outcome.REFUSED, elapsed_s=0.1)
    severities = [json.loads(line)["severity"] for line in lines_of(LOST, STARTED, alarm, refused, ENDED)]
    assert severities == ["info", "warning", "alarm", "alarm", "info"]


def test_people_get_a_sentence() -> None:
    (line,) = lines_of(LOST, form=LogFormat.HUMAN)
    assert line == (
        f'{NOW_UTC} INFO    lis member_changed member=lis-zhaohui before=answers after=silent detail="no route"'
    )


class Stuck(io.StringIO):
    """A pipe that nobody reads until it is told to."""

    def __init__(self) -> None:
        super().__init__()
        self.open = threading.Event()

    def write(self, text: str) -> int:
        assert self.open.wait(10.0)
        return super().write(text)


def test_a_pipe_that_nobody_reads_stops_nobody_and_what_is_dropped_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(log_module, "QUEUE_MAX", 10)
    stream = Stuck()
    log = Log(stream, center=CenterName("zhaohui"), clock=FakeClock())
    for _ in range(100):
        log.emit(LOST)
    stream.open.set()
    log.close(deadline_s=5.0)
    lines = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert 10 <= sum(line["event"] == "member_changed" for line in lines) <= 12
    assert any(line["event"] == "log_dropped" and line["lines"] >= 88 for line in lines)


def test_a_stream_that_is_gone_stops_nobody() -> None:
    stream = io.StringIO()
    log = Log(stream, center=CenterName("zhaohui"), clock=FakeClock())
    stream.close()
    log.emit(LOST)
    log.close(deadline_s=5.0)


@pytest.fixture
def metrics() -> tuple[Metrics, Published]:
    published = Published(FakeClock())
    return Metrics(published), published


def samples(metrics: Metrics) -> Callable[..., float | None]:
    found = {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(metrics.text().decode())
        for sample in family.samples
    }
    return lambda name, **labels: found.get((name, tuple(sorted(labels.items()))))


def test_the_metrics_of_the_conventions_are_there_with_their_labels(metrics: tuple[Metrics, Published]) -> None:
    counted, published = metrics
    for event in (STARTED, SEALED, ENDED):
        Fanout([counted]).emit(event)
    snapshot = cluster(picture())
    counted.see(snapshot)
    counted.see(snapshot)
    published.publish(snapshot)
    of = samples(counted)
    where = {"group": "lis", "member": C, "center": "fuyang"}
    assert of("drctl_member_up", **where) == 1
    assert of("drctl_member_role", **where, role="quorum_standby") == 1
    assert of("drctl_member_role", **where, role="primary") == 0
    assert of("drctl_replication_lag_bytes", **where, position="receive") == 1024
    assert of("drctl_sync_set_size", group="lis") == 2
    assert of("drctl_rpo_guaranteed", group="lis") == 1
    assert of("drctl_rpo_exposed_seconds", group="lis") == 0
    assert of("drctl_marker_commit_seconds_count", group="lis") == 1, "one marker, however often it is seen"
    assert of("drctl_failovers_total", kind="failover", result="done") == 1
    assert of("drctl_failovers_total", kind="switchover", result="failed") == 0, "there before it first counts"
    assert of("drctl_run_step_seconds_count", kind="failover", step="seal", status="done") == 1
    assert of("drctl_controller_leader") == 1
    assert of("drctl_coordinator_connected") == 1
    assert of("process_resident_memory_bytes")


def test_exposure_has_a_duration(metrics: tuple[Metrics, Published]) -> None:
    counted, published = metrics
    exposed = seeing(answering(A, primary_facts(sync="")))
    group = replace(picture(exposed), exposed_since_utc="2026-01-02T03:03:05.000+00:00")
    published.publish(cluster(group, connected=False))
    of = samples(counted)
    assert of("drctl_rpo_guaranteed", group="lis") == 0
    assert of("drctl_rpo_exposed_seconds", group="lis") == 60
    assert of("drctl_coordinator_connected") == 0
    assert of("drctl_controller_leader") == 0


def test_before_the_first_snapshot_the_counters_are_there(metrics: tuple[Metrics, Published]) -> None:
    counted, _ = metrics
    of = samples(counted)
    assert of("drctl_failovers_total", kind="failover", result="done") == 0
    assert of("drctl_member_up", group="lis", member=B, center="yuecheng") is None
