"""`drctl init`: replication that runs comes under drctl's protection; no database is rebuilt.

In this order, so that an interruption at any point leaves a group that works as before, and the same command again ends
what it began: roles and marker table; `synchronous_standby_names` on the primary; a marker that the new setting
acknowledged; and only then the record, whose first rule is true from its first moment.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from drctl.model.command import SetSync
from drctl.model.errors import EffectRefused
from drctl.model.identity import Epoch, MemberName
from drctl.model.report import HostReport, Postmaster
from drctl.model.rule import GroupRecord, Rule, SyncSet
from drctl.model.takeover import Finding, FindingSeverity, Takeover
from drctl.model.topology import Group
from drctl.ports import Coordinator, Database, Host
from drctl.postgres.examine import Examination

CLOCK_OFFSET_MAX_S = 1.0
INSPECT_TIMEOUT_S = 5.0
MARKER_TIMEOUT_S = 10.0
SET_SYNC_TIMEOUT_S = 10.0
RECORD_TIMEOUT_S = 5.0
FIRST_EPOCH = Epoch(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """The ports that a take-over needs."""

    coordinator: Coordinator
    database: Database
    host: Host


def hosts_of(group: Group, host: Host) -> Mapping[MemberName, HostReport]:
    """What every member's host says."""
    with ThreadPoolExecutor(len(group.members)) as pool:
        reports = pool.map(lambda member: host.inspect(member, deadline_s=INSPECT_TIMEOUT_S), group.members)
        return {report.member: report for report in reports}


def conclude(
    group: Group,
    examination: Examination,
    hosts: Mapping[MemberName, HostReport],
    record: GroupRecord | None,
    *,
    changes: tuple[str, ...],
) -> Takeover:
    """What stands in the way, and what would be done."""
    findings = [*examination.findings]
    for member in group.members:
        findings += host_findings(member.name, hosts[member.name])
    primary = examination.primary
    if record is not None:
        if primary is not None and record.primary != primary:
            findings.append(
                Finding(
                    severity=FindingSeverity.ERROR,
                    subject=group.name,
                    what=f"is recorded with the primary {record.primary}, and {primary} is the primary",
                    why="the record says where acknowledged commits are; it is not overwritten",
                    remedy=f"drctl list {group.name}",
                )
            )
        # Of a group that is protected only what `drctl init` once made is made again, where somebody has removed it.
        missing = primary == record.primary and not examination.prepared
        return Takeover(group=group.name, primary=primary, findings=tuple(findings), changes=changes if missing else ())
    if primary is None:
        return Takeover(group=group.name, primary=None, findings=tuple(findings), changes=())
    sync = first_rule(group, primary).sync
    wanted = [] if examination.prepared else list(changes)
    if not sync.is_set_by(examination.already_set):
        wanted.append(f"set synchronous_standby_names = {sync.setting} on {primary} (now {examination.already_set!r})")
    wanted.append(f"record the first rule: {first_rule(group, primary)}")
    return Takeover(group=group.name, primary=primary, findings=tuple(findings), changes=tuple(wanted))


def first_rule(group: Group, primary: MemberName) -> Rule:
    """The rule that a group begins with: every other peer stands by, as many acknowledge as the policy asks for."""
    peers = frozenset(member.name for member in group.peers) - {primary}
    return Rule(primary=primary, sync=SyncSet(count=min(group.policy.sync_count, len(peers)), members=peers))


def take_over(
    group: Group, takeover: Takeover, scene: Scene, *, prepare: Callable[[], None], progress: Callable[[str], None]
) -> None:
    """Do what `takeover` says. Raises EffectRefused, EffectUnknown; the same command again is always safe."""
    if not takeover.ready or takeover.primary is None:
        raise EffectRefused(f"{group.name} is not fit to be taken over", remedy=f"drctl init {group.name} --dry-run")
    primary = group.member(takeover.primary)
    rule = first_rule(group, primary.name)
    prepare()
    progress("roles and marker table exist")
    if scene.coordinator.group(group.name).record is not None:
        return  # what acknowledges is recorded, and changed by runs alone
    scene.host.call(primary, epoch=FIRST_EPOCH, command=SetSync(sync=rule.sync), deadline_s=SET_SYNC_TIMEOUT_S)
    progress(f"synchronous_standby_names = {rule.sync.setting}")
    acked = scene.database.write_marker(primary, sequence=1, epoch=FIRST_EPOCH, deadline_s=MARKER_TIMEOUT_S)
    progress(f"a marker was acknowledged by the sync set in {acked.elapsed_s * 1000:.0f} ms")
    scene.coordinator.create_record(
        GroupRecord(group=group.name, version=-1, epoch=FIRST_EPOCH, primary=primary.name, rules=(rule,)),
        deadline_s=RECORD_TIMEOUT_S,
    )
    progress(f"recorded: {rule}")


def host_findings(member: MemberName, report: HostReport) -> list[Finding]:
    """What is wrong with a member's host, as far as drctl-host tells."""
    if not report.answers:
        return [
            Finding(
                severity=FindingSeverity.ERROR,
                subject=member,
                what=f"its host does not answer drctl: {report.detail}",
                why="it could be neither sealed nor promoted",
                remedy=report.remedy or "install drctl-host there and drctl's key with its forced command; then again",
            )
        ]
    findings = []
    if report.postmaster is not Postmaster.RUNNING:
        findings.append(
            Finding(
                severity=FindingSeverity.ERROR,
                subject=member,
                what=f"its host says that its postmaster is {report.postmaster}",
                why="drctl-host looks at another data folder, or the member is not up",
                remedy="check pgdata of this member in host.json on its host",
            )
        )
    if report.clock_offset_s is not None and abs(report.clock_offset_s) > CLOCK_OFFSET_MAX_S:
        findings.append(
            Finding(
                severity=FindingSeverity.WARNING,
                subject=member,
                what=f"its host's clock is {report.clock_offset_s:+.1f} s off",
                why="nothing depends on it but the times in logs and reports",
                remedy="chronyc tracking; chronyc makestep",
            )
        )
    return findings
