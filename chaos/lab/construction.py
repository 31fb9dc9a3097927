"""Building a lab: its configuration first, then everything that does not need each other side by side."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from chaos.lab import drctl_host, init, interrupts, provision, sshd
from chaos.lab.controller import cluster_document
from chaos.lab.drctl_host import CHECKOUT
from chaos.lab.errors import LabError
from chaos.lab.host import INIT_KIND, JOIN_AND_BECOME, init_socket
from chaos.lab.topology import CENTERS

if TYPE_CHECKING:
    from collections.abc import Callable

    from chaos.lab.lab import Lab
    from chaos.lab.topology import GroupPlan


def build(lab: Lab, *, database: str | None, progress: Callable[[str], None]) -> None:
    """Start everything, what does not need each other side by side."""
    progress(f"network {lab.subnet.network}, folder {lab.folder}")
    _write_configuration(lab, database)
    _check_network(lab)
    _launch_init(lab)
    pool = ThreadPoolExecutor(max_workers=len(CENTERS) + len(lab.groups))
    try:
        # ZooKeeper takes longest, and PostgreSQL is made while its Java warms up.
        for center in lab.centers.values():
            center.zookeeper.start()
        progress(f"ZooKeeper, sshd and PostgreSQL {lab.record.postgres_version} in {', '.join(lab.centers)}")
        waiting = [
            *(pool.submit(center.sshd.start) for center in lab.centers.values()),
            *(pool.submit(_make_group, lab, group, database) for group in lab.groups),
        ]
        for one in waiting:
            one.result()
        for center in lab.centers.values():
            center.zookeeper.wait_serving()
        if lab.record.controllers:
            progress("controllers")
            lab.start_controllers()
        lab.start_routing()
    except BaseException:
        # What the threads wait for is gone then, and they end by themselves.
        with interrupts.held_back():
            lab.cgroup.kill()
            pool.shutdown(wait=True, cancel_futures=True)
        raise
    pool.shutdown()


def _write_configuration(lab: Lab, database: str | None) -> None:
    lab.keys.folder.mkdir(mode=0o700)
    client_key = sshd.make_key(lab.keys.identity, comment=f"drctl@{lab.name}")
    if lab.record.controllers or _drctl_host_is_there():
        drctl_host.install(lab.folder / "drctl-host")
    known_hosts = ""
    for host in lab.hosts():
        host.folder.mkdir(mode=0o755, exist_ok=True)
    for center in lab.centers.values():
        center.drctl_host.prepare(center.members, lab.members.values())
        center.zookeeper.prepare()
        known_hosts += center.sshd.prepare(client_key=client_key, forced_command=center.drctl_host.forced_command)
    lab.keys.known_hosts.write_text(known_hosts)
    lab.cluster_yaml.write_text(
        cluster_document(
            lab.groups,
            lab.members,
            {name: center.address for name, center in lab.centers.items()},
            keys=lab.keys.folder,
            policy=lab.record.policy,
            pools=lab.record.routing == "pgbouncer",
        )
    )
    for center in lab.centers.values():
        if lab.record.routing != "none":
            center.haproxy.prepare(lab.cluster_yaml)
        if lab.record.routing == "pgbouncer":
            center.pgbouncer.prepare(lab.cluster_yaml, () if database is None else (database,))


def _check_network(lab: Lab) -> None:
    """Nobody listens yet: a refusal proves the way, and silence means that this machine's own rules drop it."""
    source, target, *_ = lab.centers.values()
    try:
        source.host.connect(target.address, sshd.PORT, timeout_s=2.0).close()
    except ConnectionRefusedError:
        return
    except OSError as error:
        raise LabError(
            f"{source.name} cannot reach {target.name} over the bridge {lab.subnet.bridge} ({error}): "
            "this machine's packet filter drops what bridges forward",
            remedy="sysctl net.bridge.bridge-nf-call-iptables=0",
        ) from error


def _launch_init(lab: Lab) -> None:
    group = lab.cgroup.child(INIT_KIND).create()
    try:
        init.launch(
            init_socket(lab.folder),
            log=lab.folder / "init.log",
            prefix=["sh", "-c", JOIN_AND_BECOME, str(group.procs), "setsid", "--fork"],
            env=lab.client.environment(as_user=None, extra=None),
        )
    except OSError as error:
        raise LabError(str(error)) from error


def _make_group(lab: Lab, group: GroupPlan, database: str | None) -> None:
    members = lab.group_members(group.name)
    provision.make_group(
        list(members.values()), primary=members[group.home], subnet=str(lab.subnet.network), database=database
    )


def _drctl_host_is_there() -> bool:
    return (CHECKOUT / "drctl" / "host" / "bundle.py").exists()
