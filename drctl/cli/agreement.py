"""Do the controllers of all centers run, see, and mean the same? For `doctor`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping

from drctl.cli.controllers import ask_everyone
from drctl.config import Configuration
from drctl.model.identity import CenterName
from drctl.model.snapshot import ClusterSnapshot
from drctl.model.takeover import Finding, FindingSeverity
from drctl.telemetry.codec import from_json
from drctl.version import version


def check_controllers(configuration: Configuration) -> tuple[Finding, ...]:
    """Ask every controller for its picture, and compare them with each other and with this program's configuration."""
    answers, silent = ask_everyone(configuration, "/cluster")
    pictures = {center: from_json(ClusterSnapshot, answer) for center, answer in answers.items()}
    return tuple(judge(configuration, pictures, silent, own_version=version()))


def judge(
    configuration: Configuration,
    pictures: Mapping[CenterName, ClusterSnapshot],
    silent: Mapping[CenterName, str],
    *,
    own_version: str,
) -> Iterator[Finding]:
    """What the pictures, and the silence of some, mean."""
    centers = configuration.topology.centers
    for center in centers:
        if center.name in silent:
            alone = len(pictures) == 0
            yield Finding(
                severity=FindingSeverity.ERROR if alone else FindingSeverity.WARNING,
                subject=center.name,
                what=f"its controller does not answer at {center.http}: {silent[center.name]}",
                why="nobody watches and decides"
                if alone
                else "one pair of eyes less: two must agree that a primary is dead",
                remedy=f"on its host: systemctl status drctl; drctl controller --center {center.name}",
            )
        elif center.name in pictures:
            yield from _of_one(configuration, pictures[center.name], own_version)
    if len(pictures) > 1:
        yield from _between(pictures)


def _of_one(configuration: Configuration, picture: ClusterSnapshot, own_version: str) -> Iterator[Finding]:
    well = True
    if picture.version != own_version:
        well = False
        yield _warning(
            picture.center,
            f"its controller runs drctl {picture.version}, this program is {own_version}",
            "they may read each other's records differently",
            "install one version in every center, and restart the controllers one after the other, the leader last",
        )
    if picture.config_digest and picture.config_digest != configuration.digest:
        well = False
        yield Finding(
            severity=FindingSeverity.ERROR,
            subject=picture.center,
            what="its controller runs with another configuration than this program reads",
            why="after a change of the leader the groups would be treated otherwise, or other members be known",
            remedy="drctl config diff; then the same cluster.yaml in every center, and restart its controller",
        )
    if not picture.connected:
        well = False
        yield _warning(
            picture.center,
            "its controller has no contact with ZooKeeper",
            "it cannot lead, and its observations do not count",
            f"on its host: tail its log; echo srvr | nc {configuration.topology.center(picture.center).zookeeper.host} "
            f"{configuration.topology.center(picture.center).zookeeper.port}",
        )
    if well:
        leads = " and leads" if picture.leader == picture.center else ""
        yield Finding(
            severity=FindingSeverity.OK,
            subject=picture.center,
            what=f"its controller runs drctl {picture.version}{leads}",
        )


def _between(pictures: Mapping[CenterName, ClusterSnapshot]) -> Iterator[Finding]:
    leaders = Counter(picture.leader for picture in pictures.values() if picture.connected)
    if leaders and set(leaders) == {None}:
        yield Finding(
            severity=FindingSeverity.ERROR,
            subject="controllers",
            what="no controller leads",
            why="nothing is decided: no failover",
            remedy="drctl list; drctl watch (it should pass within seconds); then the controllers' logs",
        )


def _warning(subject: str, what: str, why: str, remedy: str) -> Finding:
    return Finding(severity=FindingSeverity.WARNING, subject=subject, what=what, why=why, remedy=remedy)
