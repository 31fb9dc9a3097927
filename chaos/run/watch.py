"""What the controllers say while a scenario is played: sampled over HTTP, and read from their logs."""

from __future__ import annotations

import contextlib
import json
import threading
import time
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from chaos.demo.sight import Sight

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from chaos.lab.lab import Lab

INTERVAL_S = 0.15
STALE_S = 3.0
"""A picture that is older says nothing about now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """How a group stood at one moment."""

    mono_ns: int
    primary: str
    protection: str
    run: str
    leader: str


@dataclass(slots=True)
class Watch:
    """Looks at one group until it is closed."""

    lab: Lab
    group: str
    samples: list[Sample] = field(default_factory=list)
    runs: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    """The newest picture of every run that was seen, by its id."""
    _began_utc: str = ""
    _picture: tuple[float, Mapping[str, Any]] | None = None
    _leader: str = ""
    _stop: threading.Event = field(default_factory=threading.Event)
    _offsets: dict[str, int] = field(default_factory=dict)
    _sight: Sight | None = None
    _thread: threading.Thread | None = None

    def start(self) -> None:
        """Begin to look; logs are read from here on."""
        self._sight = Sight(self.lab)
        self._began_utc = datetime.now(UTC).isoformat(timespec="milliseconds")
        self._offsets = {
            name: center.controller.log.stat().st_size if center.controller.log.exists() else 0
            for name, center in self.lab.centers.items()
        }
        self._thread = threading.Thread(target=self._look_often, name="watch", daemon=True)
        self._thread.start()

    def close(self) -> None:
        """Look no more."""
        self._stop.set()
        if self._thread is not None:
            self._thread.join(5.0)
        if self._sight is not None:
            self._sight.close()

    def picture(self) -> Mapping[str, Any] | None:
        """The group as it was seen last; None when no controller has answered of late."""
        if self._picture is None or time.monotonic() - self._picture[0] > STALE_S:
            return None
        return self._picture[1]

    @property
    def leader(self) -> str:
        """The center whose controller led when it was last seen; empty before that."""
        return self._leader

    def protected(self) -> bool:
        """Whether nothing is missing: every member in its place, every standby in the sync set, nothing under way."""
        picture = self.picture()
        return (
            picture is not None
            and picture["run"] is None
            and picture["protection"] == "protected"
            and len(picture["rules"]) == 1
            and len(picture["sync_members"]) == len(picture["members"]) - 1
            and all(member["state"] in {"running", "streaming"} for member in picture["members"])
        )

    def ended(self, kind: str) -> list[Mapping[str, Any]]:
        """The runs of a kind that were begun and have ended since the start, oldest first."""
        found = [
            run
            for run in self.runs.values()
            if run["kind"] == kind and run["outcome"] and str(run["started_utc"]) >= self._began_utc
        ]
        return sorted(found, key=lambda run: str(run["started_utc"]))

    def events(self) -> Iterator[Mapping[str, Any]]:
        """What the controllers have logged since the start, center by center."""
        for name, center in self.lab.centers.items():
            if not center.controller.log.exists():
                continue
            with center.controller.log.open("rb") as stream:
                stream.seek(self._offsets.get(name, 0))
                for line in stream.read().decode(errors="replace").splitlines():
                    with contextlib.suppress(ValueError):
                        event = json.loads(line)
                        if isinstance(event, dict):
                            yield event

    def _look_often(self) -> None:
        while not self._stop.wait(INTERVAL_S):
            with contextlib.suppress(RuntimeError):
                self._look()

    def _look(self) -> None:
        assert self._sight is not None, "started"
        cluster = self._sight.cluster()
        if cluster is None:
            return
        found = next((group for group in cluster["groups"] if group["name"] == self.group), None)
        if found is None:
            return
        self._leader = cluster["leader"] or ""
        self._picture = (time.monotonic(), found)
        for run in (*reversed(found["history"]), found["run"]):
            known = None if run is None else self.runs.get(run["id"])
            if run is not None and (known is None or not known["outcome"]):
                self.runs[run["id"]] = run
        self.samples.append(
            Sample(
                mono_ns=time.monotonic_ns(),
                primary=found["primary"] or "",
                protection=found["protection"],
                run="" if found["run"] is None else f"{found['run']['kind']} {found['run']['id']}",
                leader=cluster["leader"] or "",
            )
        )
