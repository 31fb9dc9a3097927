"""The composition root: the one place that builds real adapters."""

from __future__ import annotations

import os
import secrets
import signal
import sys
import time
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import version as installed_version
from pathlib import Path
from typing import TYPE_CHECKING

from drctl.config.playbooks import playbooks_in_force
from drctl.controller.loop import Loop
from drctl.controller.perform import Ports
from drctl.controller.publish import Publisher
from drctl.controller.tick import Controller
from drctl.doctor import of_record, of_room
from drctl.drill.judge import judge
from drctl.evidence.markers import MarkerLedger
from drctl.evidence.station import audit_directory, configuration_change, scribe
from drctl.model.errors import InvalidInput, Unreachable
from drctl.model.event import Alarm, ControllerStarted, Severity
from drctl.model.takeover import Finding, FindingSeverity
from drctl.notify.build import channels
from drctl.notify.courier import Courier, Delivery
from drctl.notify.notice import suppressed
from drctl.notify.notifier import Notifier
from drctl.outside.web import Web
from drctl.postgres import PostgresDatabase
from drctl.postgres.business import Business
from drctl.postgres.examine import check_doors, check_up
from drctl.postgres.examine import examine as examine_members
from drctl.postgres.line import Account
from drctl.postgres.pools import CONSOLE, PgBouncers
from drctl.postgres.prepare import CHANGES, prepare
from drctl.ssh import SshHost
from drctl.ssh.keys import check_keys
from drctl.takeover import Scene, conclude, host_findings, hosts_of, take_over
from drctl.telemetry.log import Fanout
from drctl.telemetry.station import Station
from drctl.zookeeper.coordinator import Presence, ZooKeeperCoordinator
from drctl.zookeeper.ensemble import check_voters

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from drctl.config import Configuration
    from drctl.model.check import BusinessCheck, CheckVerdict
    from drctl.model.event import Event
    from drctl.model.identity import CenterName, GroupName, MemberName
    from drctl.model.takeover import AdminAccess, Takeover
    from drctl.model.topology import Address, Group
    from drctl.ports import Clock

CONNECT_TIMEOUT_S = 3.0
CLOSE_TIMEOUT_S = 2.0
AUDIT_CLOSE_TIMEOUT_S = 0.5
"""The next leader waits for the end of our session; what is not written by then is in the spool."""


class SystemClock:
    """The machine's clocks."""

    def now_s(self) -> float:
        """Monotonic seconds."""
        return time.monotonic()

    def utc(self) -> str:
        """Wall time, ISO 8601 in UTC with milliseconds."""
        return datetime.now(UTC).isoformat(timespec="milliseconds")


def run_controller(configuration: Configuration, center: CenterName) -> None:
    """Watch, decide and act until SIGTERM or SIGINT. Raises InvalidInput before it begins, when something must be edited."""
    clock = SystemClock()
    version = installed_version("drctl")
    topology = configuration.topology
    station = Station(
        center=center,
        topology=topology,
        clock=clock,
        stream=sys.stderr,
        configuration=configuration.effective,
    )
    playbooks = {kind: found.playbook for kind, found in playbooks_in_force(configuration.playbooks).items()}
    coordinator = _coordinator(configuration, center, Presence.RESIDENT)
    ports = Ports(
        coordinator=coordinator,
        database=database(configuration, writer=center),
        host=ssh_host(configuration),
        outside=Web(),
        pools=PgBouncers(account=_account(configuration), console=_console(configuration)),
        clock=clock,
    )
    incarnation = secrets.token_hex(4)
    directory = audit_directory(configuration.audit.directory)
    audit = scribe(
        directory,
        center=center,
        incarnation=incarnation,
        store=coordinator.chain,
        connected=coordinator.connected,
        clock=clock,
        tell=station.emit,
    )
    people = notifier(configuration, center, clock, station.emit)
    events = Fanout([station, audit, people])
    publisher = Publisher(
        topology,
        ports.coordinator,
        events,
        station.publish,
        center=center,
        version=version,
        config_digest=configuration.digest,
    )
    ledger = marker_ledger()
    controller = Controller(
        topology,
        center=center,
        incarnation=incarnation,
        playbooks=playbooks,
        version=version,
        emit=publisher.emit,
        ledger=ledger,
    )
    loop = Loop(controller, ports, passed=publisher.passed)
    signal.signal(signal.SIGTERM, lambda *_: loop.stop())
    signal.signal(signal.SIGINT, lambda *_: loop.stop())
    station.start()
    audit.start()
    people.start()
    events.emit(ControllerStarted(center=center, version=version))
    changed = configuration_change(directory, configuration.effective, center=center, digest=configuration.digest)
    if changed is not None:
        events.emit(changed)
    for warning in configuration.warnings:
        events.emit(Alarm(group=None, severity=Severity.WARNING, code="configuration", message=str(warning), remedy=""))
    try:
        ports.coordinator.start(deadline_s=CONNECT_TIMEOUT_S)
        loop.run()
    finally:
        audit.close(deadline_s=AUDIT_CLOSE_TIMEOUT_S)
        ports.coordinator.close()
        ports.host.close()
        ports.database.close()
        publisher.close()
        people.close(deadline_s=CLOSE_TIMEOUT_S)
        ledger.close(deadline_s=CLOSE_TIMEOUT_S)
        station.close(deadline_s=CLOSE_TIMEOUT_S)


def notifier(configuration: Configuration, center: CenterName, clock: Clock, tell: Callable[[Event], None]) -> Notifier:
    """Who tells people, and through which channels. Raises InvalidInput when a secret is not where the file says."""
    cluster = configuration.topology.cluster
    delivery = Delivery(
        now_s=clock.now_s,
        tell=tell,
        summary=lambda count: suppressed(count, cluster=cluster, center=center, at_utc=clock.utc()),
    )
    couriers = [Courier(channel, delivery) for channel in channels(configuration.notifications)]
    return Notifier(couriers, cluster=cluster, center=center, clock=clock)


def marker_ledger() -> MarkerLedger:
    """In the folder that the service manager gives us (systemd: `StateDirectory=drctl`); in memory alone where it gives none."""
    folder = os.environ.get("STATE_DIRECTORY", "").partition(":")[0]
    try:
        return MarkerLedger(Path(folder) if folder else None)
    except OSError as error:
        raise InvalidInput(
            f"the ledger of acknowledged markers cannot be kept in {folder}: {error}",
            remedy=f"ls -ld {folder}; it must be writable by the user that runs the controller",
        ) from error


def database(configuration: Configuration, *, writer: str) -> PostgresDatabase:
    """The Database port."""
    settings = configuration.database
    return PostgresDatabase(
        user=settings.user,
        password=None if settings.password is None else settings.password.read(),
        dbname=settings.dbname,
        sslmode=settings.sslmode,
        writer=writer,
    )


def _account(configuration: Configuration) -> Account:
    settings = configuration.database
    return Account(
        user=settings.user,
        password=None if settings.password is None else settings.password.read(),
        dbname=settings.dbname,
        sslmode=settings.sslmode,
    )


def _console(configuration: Configuration) -> Account:
    """Who may pause and resume PgBouncers."""
    settings = configuration.pgbouncer
    return Account(
        user=settings.user,
        password=None if settings.password is None else settings.password.read(),
        dbname=CONSOLE,
        sslmode=settings.sslmode,
    )


def ssh_host(configuration: Configuration) -> SshHost:
    """The Host port."""
    settings = configuration.ssh
    return SshHost(user=settings.user, port=settings.port, identity=settings.identity, known_hosts=settings.known_hosts)


def business(configuration: Configuration) -> Business:
    """The databases as the drills' role sees them."""
    drills, settings = configuration.drills, configuration.database
    # A role of its own has a password of its own, or none.
    secret = drills.password if drills.user else settings.password
    return Business(
        Account(
            user=drills.user or settings.user,
            password=None if secret is None else secret.read(),
            dbname=drills.dbname or settings.dbname,
            sslmode=settings.sslmode,
        )
    )


def run_checks(
    configuration: Configuration, member: MemberName, checks: Sequence[BusinessCheck]
) -> tuple[CheckVerdict, ...]:
    """Run business checks on a member, one after the other. Raises Unreachable."""
    found = next(one for one in configuration.topology.members if one.name == member)
    runner, clock = business(configuration), SystemClock()
    return tuple(judge(check, runner.check(found, check), member=member, at_utc=clock.utc()) for check in checks)


@contextmanager
def coordinator_client(configuration: Configuration) -> Iterator[ZooKeeperCoordinator]:
    """A visitor's coordinator, connected and read once. Raises Unreachable when no ZooKeeper server answers."""
    center = configuration.topology.centers[0].name
    coordinator = _coordinator(configuration, center, Presence.VISITOR)
    try:
        coordinator.start(deadline_s=CONNECT_TIMEOUT_S)
        yield coordinator
    finally:
        coordinator.close()


def examine(configuration: Configuration, name: GroupName, access: AdminAccess) -> Takeover:
    """What stands in the way of protecting a group, and what would be done; changes nothing."""
    group = configuration.topology.group(name)
    settings = configuration.database
    examination = examine_members(group, access, role=settings.user, dbname=settings.dbname)
    host = ssh_host(configuration)
    try:
        hosts = hosts_of(group, host)
    finally:
        host.close()
    with coordinator_client(configuration) as coordinator:
        record = coordinator.group(name).record
    changes = tuple(change.format(role=settings.user) for change in CHANGES)
    return conclude(group, examination, hosts, record, changes=changes)


def initialise(
    configuration: Configuration, takeover: Takeover, access: AdminAccess, progress: Callable[[str], None]
) -> None:
    """Do what `takeover` says; `progress` is told each thing that is done. Raises EffectRefused, EffectUnknown."""
    group = configuration.topology.group(takeover.group)
    settings = configuration.database
    password = None if settings.password is None else settings.password.read()
    looker, host = database(configuration, writer="init"), ssh_host(configuration)
    try:
        with coordinator_client(configuration) as coordinator:
            assert takeover.primary is not None, "only a group with a primary is taken over"
            primary = group.member(takeover.primary)
            take_over(
                group,
                takeover,
                Scene(coordinator=coordinator, database=looker, host=host),
                prepare=lambda: prepare(primary, access, role=settings.user, password=password, dbname=settings.dbname),
                progress=progress,
            )
    finally:
        host.close()
        looker.close()


def doctor(
    configuration: Configuration, groups: tuple[GroupName, ...], access: AdminAccess | None = None
) -> tuple[Finding, ...]:
    """Every prerequisite and every risk that keys, databases, hosts and the coordinator tell of; changes nothing.

    With `access` also what only an administrator may see.
    """
    chosen = tuple(configuration.topology.group(name) for name in groups)
    account = _account(configuration)
    found = list(
        check_keys(
            identity=configuration.ssh.identity,
            known_hosts=configuration.ssh.known_hosts,
            port=configuration.ssh.port,
            hosts=[member.host for group in chosen for member in group.members],
        )
    )
    found += check_up(chosen, account)
    for group in chosen:
        if access is not None:
            found += check_doors(group, access, replicator=configuration.replication.user)
        else:
            found.append(
                Finding(
                    severity=FindingSeverity.OK,
                    subject=group.name,
                    what="pg_hba.conf was not looked at: who may stream from whom only an administrator may see",
                    why=f"drctl doctor {group.name} --admin-user postgres",
                )
            )
    host = ssh_host(configuration)
    try:
        for group in chosen:
            reports = hosts_of(group, host)
            for member, report in reports.items():
                found += host_findings(member, report)
            found += of_room(reports)
    finally:
        host.close()
    return (*found, *_coordination(configuration, chosen))


def _coordination(configuration: Configuration, groups: tuple[Group, ...]) -> Iterator[Finding]:
    voters = {center.name: center.zookeeper for center in configuration.topology.centers}
    try:
        with coordinator_client(configuration) as coordinator:
            complaint = coordinator.timeout_complaint()
            states = {group.name: coordinator.group(group.name) for group in groups}
    except Unreachable as error:
        yield from check_voters(voters, complaint="")
        yield Finding(
            severity=FindingSeverity.ERROR,
            subject="zookeeper",
            what=error.message,
            why="nothing can be changed, and nothing is known of what is recorded",
            remedy=error.remedy,
        )
        return
    yield from check_voters(voters, complaint=complaint)
    for group in groups:
        yield from of_record(group, states[group.name])


def _coordinator(configuration: Configuration, center: CenterName, presence: Presence) -> ZooKeeperCoordinator:
    topology = configuration.topology
    own = topology.center(center).zookeeper
    others: list[Address] = [address for address in configuration.zookeeper_addresses if address != own]
    return ZooKeeperCoordinator(
        hosts=(own, *others),
        root=configuration.zookeeper.root,
        cluster=topology.cluster,
        center=center,
        incarnation=secrets.token_hex(4),
        session_timeout_s=configuration.zookeeper.session_timeout_s,
        groups={group.name: group.policy for group in topology.groups},
        clock=SystemClock(),
        presence=presence,
        centers=tuple(center.name for center in topology.centers),
    )
