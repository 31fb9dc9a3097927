"""Since when a group is exposed."""

from __future__ import annotations

from dataclasses import replace

from drctl.telemetry.exposure import Exposure
from tests.unit.telemetry.example import A, answering, cluster, picture, primary_facts, seeing

EXPOSED = cluster(picture(seeing(answering(A, primary_facts(sync="")))))
SAFE = cluster()


def since(exposure: Exposure, snapshot: object, at_utc: str) -> str:
    return exposure.dated(replace(snapshot, at_utc=at_utc)).groups[0].exposed_since_utc  # type: ignore[type-var]


def test_an_exposure_is_dated_when_it_is_first_seen_and_forgotten_when_it_ends() -> None:
    exposure = Exposure()
    assert since(exposure, SAFE, "1") == ""
    assert since(exposure, EXPOSED, "2") == "2"
    assert since(exposure, EXPOSED, "3") == "2"
    assert since(exposure, SAFE, "4") == ""
    assert since(exposure, EXPOSED, "5") == "5"


def test_a_recorded_exposure_keeps_the_date_of_the_record() -> None:
    recorded = cluster(replace(EXPOSED.groups[0], exposed_since_utc="1"))
    assert since(Exposure(), recorded, "9") == "1"
