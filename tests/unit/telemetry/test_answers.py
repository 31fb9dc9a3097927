"""What is answered to which path."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, replace

import pytest

from drctl.model.errors import InvalidInput
from drctl.model.identity import GroupName, MemberName, RunId
from drctl.model.report import Reachability
from drctl.model.run import Outcome
from drctl.model.run_picture import picture_run
from drctl.model.snapshot import ClusterSnapshot, RunSnapshot
from drctl.telemetry.answers import ALIVE_S, Answers
from drctl.telemetry.codec import from_json, to_json
from drctl.telemetry.publication import Published
from tests.unit.telemetry.example import NOW_UTC, A, B, C, cluster, not_answering, picture, run, seeing


@dataclass
class FakeClock:
    """A clock that stands until it is moved."""

    at_s: float = 0.0

    def now_s(self) -> float:
        return self.at_s

    def utc(self) -> str:
        return NOW_UTC


@dataclass
class Controller:
    """The answers of a controller, and its clock."""

    clock: FakeClock
    published: Published
    answers: Answers

    def status(self, path: str, **query: str) -> int:
        return self.answers.answer(path, query).status

    def body(self, path: str, **query: str) -> Mapping[str, object]:
        return json.loads(self.answers.answer(path, query).body)


@pytest.fixture
def controller() -> Controller:
    clock = FakeClock()
    published = Published(clock)
    answers = Answers(published, metrics=lambda: b"x 1\n", metrics_type="text/plain", configuration={"cluster": "lab"})
    return Controller(clock, published, answers)


def test_before_the_first_look_nothing_is_claimed(controller: Controller) -> None:
    for path in ("/primary", "/health", "/readiness", "/liveness", "/cluster", "/explain", "/runs/lis-8", "/history"):
        assert controller.status(path) == 503, path


def test_each_member_is_what_it_is(controller: Controller) -> None:
    controller.published.publish(cluster(picture(seeing(not_answering(C, Reachability.SILENT)))))
    table = {
        "/primary": (200, 503, 503),
        "/read-write": (200, 503, 503),
        "/replica": (503, 200, 503),
        "/sync": (503, 200, 200),  # the primary still says that it streams
        "/health": (200, 200, 503),
        "/readiness": (200, 200, 503),
    }
    for path, expected in table.items():
        assert tuple(controller.status(path, member=member) for member in (A, B, C)) == expected, path


def test_without_a_name_the_member_of_the_controllers_own_center_is_meant(controller: Controller) -> None:
    controller.published.publish(cluster())
    assert controller.status("/primary") == 200
    controller.published.publish(cluster(center="fuyang"))
    assert controller.status("/primary") == 503
    assert controller.body("/replica")["member"] == C


def test_a_replica_that_is_too_far_behind_is_none(controller: Controller) -> None:
    controller.published.publish(cluster())
    assert controller.status("/replica", member=C, lag="1KiB") == 200
    assert controller.status("/replica", member=C, lag="1023") == 503
    assert controller.status("/replica", member=C, lag="much") == 400


def test_with_several_groups_the_question_must_name_one(controller: Controller) -> None:
    pacs = replace(
        picture(),
        name=GroupName("pacs"),
        members=tuple(replace(member, name=MemberName(f"x{member.name}")) for member in picture().members),
    )
    controller.published.publish(cluster(picture(), pacs))
    assert controller.status("/primary") == 400
    assert "lis, pacs" in str(controller.body("/primary")["remedy"])
    assert controller.status("/primary", group="pacs") == 200
    assert controller.status("/primary", member="xlis-zhaohui") == 200
    assert controller.status("/primary", group="lis", member="xlis-zhaohui") == 404
    assert controller.status("/explain", group="nobody") == 404
    assert set(controller.body("/history")) == {"lis", "pacs"}
    assert set(controller.body("/history", group="lis")) == {"lis"}


def test_a_controller_without_its_coordinator_goes_on_answering(controller: Controller) -> None:
    controller.published.publish(cluster(connected=False))
    assert controller.status("/primary", member=A) == 200
    assert controller.body("/readiness")["coordinator_connected"] is False


def test_a_loop_that_hangs_is_not_alive_and_what_was_known_is_still_told(controller: Controller) -> None:
    controller.published.publish(cluster())
    assert controller.status("/liveness") == 200
    controller.clock.at_s = ALIVE_S
    assert controller.status("/liveness") == 503
    assert controller.status("/primary", member=A) == 200


def test_the_cluster_survives_its_way_over_the_wire(controller: Controller) -> None:
    ended = picture_run(run(outcome=Outcome.DONE, ended_utc=NOW_UTC), now_utc=NOW_UTC)
    group = replace(picture(), history=(ended,), run=picture_run(run(id=RunId("lis-9")), now_utc=NOW_UTC))
    controller.published.publish(cluster(group))
    told = from_json(ClusterSnapshot, json.loads(controller.answers.answer("/cluster", {}).body))
    assert told.groups[0].members == group.members
    assert told.groups[0].run == group.run
    assert told.groups[0].history == (replace(ended, steps=()),), "the heads only"
    assert from_json(RunSnapshot, controller.body("/runs/lis-8")) == ended  # type: ignore[arg-type]
    assert controller.status("/runs/lis-7") == 404


def test_positions_are_written_as_postgresql_writes_them() -> None:
    told = json.dumps(to_json(cluster()))
    assert '"receive_lsn": "0/3000148"' in told


def test_fields_of_a_newer_controller_are_skipped_and_missing_ones_are_named() -> None:
    told = to_json(cluster())
    assert isinstance(told, dict)
    assert from_json(ClusterSnapshot, {**told, "mood": "good"}) == cluster()
    with pytest.raises(InvalidInput, match=r"ClusterSnapshot\.groups is missing"):
        from_json(ClusterSnapshot, {key: value for key, value in told.items() if key != "groups"})
    with pytest.raises(InvalidInput, match=r"ClusterSnapshot\.connected is 'yes', expected bool"):
        from_json(ClusterSnapshot, {**told, "connected": "yes"})


def test_a_path_that_is_none_is_answered_with_those_that_are(controller: Controller) -> None:
    answer = controller.answers.answer("/primray", {})
    assert answer.status == 404
    assert b"/primary" in answer.body
    assert controller.body("/config") == {"cluster": "lab"}
    assert controller.answers.answer("/metrics", {}).body == b"x 1\n"
