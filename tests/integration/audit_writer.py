"""A controller's part in the audit chain as a process of its own, so that a test can kill it: emits without a pause."""

from __future__ import annotations

import sys
import time
from pathlib import Path

from drctl.evidence.station import scribe
from drctl.model.event import CoordinatorChanged
from drctl.model.identity import CenterName, GroupName
from drctl.model.policy import Policy
from drctl.model.topology import Address
from drctl.zookeeper.coordinator import ZooKeeperCoordinator
from tests.integration.zookeeper_servers import MonotonicClock

CENTERS = (CenterName("zhaohui"), CenterName("yuecheng"), CenterName("fuyang"))
PACE_S = 0.002


def writer(center: CenterName, folder: Path, hosts: tuple[Address, ...], *, incarnation: str, cluster: str = "audit"):
    """A coordinator and a scribe over it, both started."""
    coordinator = ZooKeeperCoordinator(
        hosts=hosts,
        root="/drctl",
        cluster=cluster,
        center=center,
        incarnation=incarnation,
        session_timeout_s=2.0,
        groups={GroupName("lis"): Policy()},
        clock=MonotonicClock(),
        centers=CENTERS,
    )
    coordinator.start(deadline_s=10.0)
    made = scribe(
        folder,
        center=center,
        incarnation=incarnation,
        store=coordinator.chain,
        connected=coordinator.connected,
        clock=MonotonicClock(),
        tell=lambda event: print(event, file=sys.stderr),
    )
    made.start()
    return coordinator, made


def main() -> None:
    center, folder, port, incarnation = sys.argv[1:]
    hosts = (Address(host="127.0.0.1", port=int(port)),)
    _, made = writer(CenterName(center), Path(folder), hosts, incarnation=incarnation)
    number = 0
    while True:
        number += 1
        made.emit(CoordinatorChanged(connected=True, detail=f"{incarnation}:{number}"))
        time.sleep(PACE_S)


if __name__ == "__main__":
    main()
