"""A leader that can be stopped and woken: it begins a run, waits for a line, and writes what it would have written."""

from __future__ import annotations

import sys
import time
from dataclasses import replace

from drctl.model.errors import DrctlError
from drctl.model.policy import Policy
from drctl.model.topology import Address
from drctl.zookeeper.coordinator import ZooKeeperCoordinator
from tests.integration.zookeeper_servers import MonotonicClock, wait_until
from tests.unit.zookeeper.nouns import LIS, ZHAOHUI, a_record, a_run


def main(ports: list[str]) -> None:
    coordinator = ZooKeeperCoordinator(
        hosts=tuple(Address(host="127.0.0.1", port=int(port)) for port in ports),
        root="/drctl",
        cluster="zombie",
        center=ZHAOHUI,
        incarnation="zhaohui#1",
        session_timeout_s=2.0,
        groups={LIS: Policy()},
        clock=MonotonicClock(),
    )
    coordinator.start(deadline_s=5.0)
    coordinator.campaign(wish=True)
    wait_until(coordinator.leading, 5.0, "it leads")
    record = coordinator.create_record(a_record(), deadline_s=5.0)
    run = a_run(2)
    record, run = coordinator.begin_run(replace(record, epoch=run.epoch, run=run.id), run, ended=None, deadline_s=5.0)
    print("begun", flush=True)
    sys.stdin.readline()
    woke_s = time.monotonic()
    leads = coordinator.leading()
    try:
        coordinator.change_record(record, replace(run, note="written by a zombie"), deadline_s=5.0)
        print("wrote", leads, flush=True)
    except DrctlError as error:
        print(type(error).__name__, leads, f"{time.monotonic() - woke_s:.3f}", flush=True)
    coordinator.close()


if __name__ == "__main__":
    main(sys.argv[1:])
