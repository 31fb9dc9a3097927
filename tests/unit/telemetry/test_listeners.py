"""What listeners of `/events` are sent, and when."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from drctl.telemetry.events import BEAT_S, Events, Listener, frame
from drctl.telemetry.publication import Published
from tests.unit.telemetry.example import cluster
from tests.unit.telemetry.test_answers import FakeClock


class Room:
    """A controller and a listener."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.published = Published(self.clock)
        self.listener: Listener = Events(self.published, self.clock, routes=["/cluster"]).listen()

    def due(self) -> list[tuple[str, dict]]:
        told = []
        for block in self.listener.due().decode().split("\n\n"):
            fields = dict(line.split(": ", 1) for line in block.splitlines())
            if fields:
                told.append((fields["event"], json.loads(fields["data"])))
        return told


@pytest.fixture
def room() -> Room:
    return Room()


def test_a_listener_first_hears_what_is_answered_and_then_how_things_are(room):
    room.published.publish(cluster())
    assert [kind for kind, _ in room.due()] == ["hello", "cluster"]
    assert room.due() == []


def test_before_the_first_look_there_are_beats_and_no_picture(room):
    assert room.due() == [("hello", {"routes": ["/cluster"]})]
    room.clock.at_s += BEAT_S
    assert room.due() == [("beat", {"at_utc": "", "age_s": None})]


def test_a_picture_is_sent_once_and_again_only_when_more_than_its_time_has_changed(room):
    room.published.publish(cluster())
    room.due()
    room.published.publish(replace(cluster(), at_utc="2026-01-02T03:04:06.000+00:00"))
    assert room.due() == []
    room.published.publish(cluster(connected=False))
    ((kind, picture),) = room.due()
    assert (kind, picture["connected"]) == ("cluster", False)
    assert picture["centers"][0]["http"] == "10.77.0.11:8008", "the page goes on with another controller"


def test_silence_lasts_no_longer_than_a_second_and_a_loop_that_hangs_is_told(room):
    room.published.publish(cluster())
    room.due()
    room.clock.at_s += BEAT_S - 0.01
    assert room.due() == []
    room.clock.at_s += 0.02
    ((kind, told),) = room.due()
    assert (kind, told["age_s"]) == ("beat", pytest.approx(1.01))
    room.clock.at_s += 20.0
    assert room.due()[0][1]["age_s"] == pytest.approx(21.01)


def test_what_people_and_databases_say_cannot_break_out_of_its_line():
    told = json.dumps({"note": "one\ntwo\r\n\r\nevent: x"}).encode()
    assert frame("cluster", told).count(b"\n") == 3
    with pytest.raises(AssertionError):
        frame("cluster", b"one\ntwo")
