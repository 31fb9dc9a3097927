"""A controller's telemetry in one piece: where events go in, where snapshots go in, and what answers outside."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TextIO

from drctl.model.event import Event
from drctl.model.identity import CenterName
from drctl.model.snapshot import ClusterSnapshot
from drctl.model.topology import Topology
from drctl.ports import Clock
from drctl.telemetry.answers import EVENTS, Answers
from drctl.telemetry.console import Console
from drctl.telemetry.events import Events
from drctl.telemetry.exposure import Exposure
from drctl.telemetry.http import HttpServer
from drctl.telemetry.log import Fanout, Log, LogFormat
from drctl.telemetry.metrics import CONTENT_TYPE, Metrics
from drctl.telemetry.publication import Published


class Station:
    """EventSink for the controller, and the server of its answers."""

    def __init__(
        self,
        *,
        center: CenterName,
        topology: Topology,
        clock: Clock,
        stream: TextIO,
        configuration: Mapping[str, str],
        form: LogFormat = LogFormat.JSON,
    ) -> None:
        self._published = Published(clock)
        self._metrics = Metrics(self._published)
        self._exposure = Exposure()
        self._log = Log(stream, center=center, clock=clock, form=form)
        self._sink = Fanout([self._log, self._metrics])
        origins = tuple(f"http://{known.http}" for known in topology.centers)
        answers = Answers(
            self._published,
            metrics=self._metrics.text,
            metrics_type=CONTENT_TYPE,
            configuration=configuration,
            pages=Console(origins=origins).answer,
        )
        events = Events(self._published, clock, routes=answers.routes)
        self.server = HttpServer(
            topology.center(center).http,
            answers,
            key=f"centers.{center}.http",
            streams={EVENTS: events.listen},
            origins=origins,
        )

    def start(self) -> None:
        """Answer. Raises InvalidInput when the address cannot be had."""
        self.server.start()

    def emit(self, event: Event) -> None:
        """Take an event; never blocks and never raises."""
        self._sink.emit(event)

    def publish(self, snapshot: ClusterSnapshot) -> None:
        """Tell this from now on. Called by the loop, at least once a second."""
        told = self._exposure.dated(snapshot)
        self._metrics.see(told)
        self._published.publish(told)

    def close(self, *, deadline_s: float) -> None:
        """Stop answering, and write what the log still holds."""
        self.server.close(deadline_s=deadline_s / 2)
        self._log.close(deadline_s=deadline_s / 2)
