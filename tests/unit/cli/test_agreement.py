"""What `doctor` makes of the controllers' pictures."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.cli.agreement import judge
from drctl.config import Configuration
from drctl.model.identity import CenterName
from drctl.model.picture import cluster_snapshot
from drctl.model.snapshot import ClusterSnapshot
from drctl.model.takeover import Finding, FindingSeverity
from tests.unit.cli.conftest import Deployment
from tests.unit.telemetry.example import CENTERS, NOW_UTC, TOPOLOGY

VERSION = "0.1.0"
ZHAOHUI, YUECHENG, FUYANG = (CenterName(center) for center in CENTERS)


@pytest.fixture
def configuration(deployment: Deployment) -> Configuration:
    return deployment.configuration


def picture(center: CenterName, configuration: Configuration, **changes: object) -> ClusterSnapshot:
    whole = cluster_snapshot(
        TOPOLOGY,
        center=center,
        version=VERSION,
        at_utc=NOW_UTC,
        leader=ZHAOHUI,
        connected=True,
        controllers={ZHAOHUI, YUECHENG, FUYANG},
        groups=(),
        config_digest=configuration.digest,
    )
    return replace(whole, **changes)  # type: ignore[arg-type]


def judged(configuration: Configuration, *odd: ClusterSnapshot, silent: dict[CenterName, str] | None = None):
    pictures = {center: picture(center, configuration) for center in (ZHAOHUI, YUECHENG, FUYANG)}
    pictures |= {one.center: one for one in odd}
    for center in silent or {}:
        del pictures[center]
    return tuple(judge(configuration, pictures, silent or {}, own_version=VERSION))


def wrong(findings: tuple[Finding, ...]) -> list[tuple[FindingSeverity, str]]:
    assert all(one.remedy for one in findings if one.severity is not FindingSeverity.OK)
    return [(one.severity, one.subject) for one in findings if one.severity is not FindingSeverity.OK]


def test_controllers_that_agree_are_well(configuration: Configuration):
    found = judged(configuration)
    assert wrong(found) == []
    assert [("leads" in one.what) for one in found] == [True, False, False]


def test_another_configuration_is_an_error(configuration: Configuration):
    found = judged(configuration, picture(FUYANG, configuration, config_digest="other"))
    assert wrong(found) == [(FindingSeverity.ERROR, FUYANG)]
    assert any("drctl config diff" in one.remedy for one in found)


def test_another_version_and_a_lost_coordinator_are_told(configuration: Configuration):
    found = judged(
        configuration,
        picture(YUECHENG, configuration, version="0.0.9"),
        picture(FUYANG, configuration, connected=False, leader=None),
    )
    assert wrong(found) == [(FindingSeverity.WARNING, YUECHENG), (FindingSeverity.WARNING, FUYANG)]


def test_one_silent_controller_is_a_warning_and_no_controller_at_all_an_error(configuration: Configuration):
    one = judged(configuration, silent={FUYANG: "refused"})
    assert wrong(one) == [(FindingSeverity.WARNING, FUYANG)]
    none = judged(configuration, silent=dict.fromkeys((ZHAOHUI, YUECHENG, FUYANG), "refused"))
    assert wrong(none) == [(FindingSeverity.ERROR, center) for center in (ZHAOHUI, YUECHENG, FUYANG)]


def test_that_nobody_leads_is_an_error(configuration: Configuration):
    found = judged(configuration, *(picture(c, configuration, leader=None) for c in (ZHAOHUI, YUECHENG, FUYANG)))
    assert wrong(found) == [(FindingSeverity.ERROR, "controllers")]
