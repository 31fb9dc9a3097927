"""A controller's telemetry in one piece."""

from __future__ import annotations

import http.client
import io
import json
from dataclasses import replace

from drctl.model.event import ControllerStarted
from drctl.model.identity import CenterName
from drctl.model.snapshot import ClusterSnapshot
from drctl.model.topology import Address
from drctl.telemetry.codec import from_json
from drctl.telemetry.station import Station
from tests.unit.telemetry.example import TOPOLOGY, cluster
from tests.unit.telemetry.test_answers import FakeClock

LOCAL = replace(
    TOPOLOGY, centers=tuple(replace(one, http=Address(host="127.0.0.1", port=0)) for one in TOPOLOGY.centers)
)


def test_what_goes_in_is_answered_logged_and_measured() -> None:
    stream = io.StringIO()
    station = Station(
        center=CenterName("zhaohui"),
        topology=LOCAL,
        clock=FakeClock(),
        stream=stream,
        configuration={"cluster": "lab"},
    )
    station.start()
    station.emit(ControllerStarted(center=CenterName("zhaohui"), version="0.1.0"))
    station.publish(cluster())
    client = http.client.HTTPConnection("127.0.0.1", station.server.port, timeout=5.0)

    def get(path: str) -> bytes:
        client.request("GET", path)
        return client.getresponse().read()

    assert from_json(ClusterSnapshot, json.loads(get("/cluster"))) == cluster()
    assert b'drctl_marker_commit_seconds_count{group="lis"} 1.0' in get("/metrics")
    assert json.loads(get("/config")) == {"cluster": "lab"}
    client.close()
    station.close(deadline_s=5.0)
    assert json.loads(stream.getvalue())["event"] == "controller_started"
