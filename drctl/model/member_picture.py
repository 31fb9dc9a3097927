"""One member as a row of `drctl list`: its role, its state in a word, how far behind it is. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import assert_never

from drctl.model.identity import MemberName
from drctl.model.playbook import RunKind
from drctl.model.position import Lsn
from drctl.model.report import HostReport, MemberFacts, MemberReport, Postmaster, Reachability
from drctl.model.snapshot import MemberSnapshot, MemberState, Role, Rpo
from drctl.model.topology import Member, MemberKind
from drctl.model.view import GroupView

_WELL = {MemberState.RUNNING, MemberState.STREAMING, MemberState.CATCHING_UP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Scene:
    """What all rows of a group have in common."""

    view: GroupView
    serving: MemberName | None
    written: Lsn | None
    """The primary's last known position; None when it was never seen."""
    exposed: bool
    routable: bool
    """Whether clients may be sent to the member that serves."""

    @classmethod
    def of(cls, view: GroupView, *, exposed: bool, routable: bool = True) -> Scene:
        """The scene of a group."""
        primary = serving(view)
        known = primary or (view.record.primary if view.record else None)
        report = view.report(known) if known else None
        written = report.facts.written_lsn if report and report.facts else None
        return cls(view=view, serving=primary, written=written, exposed=exposed, routable=routable)


def serving(view: GroupView) -> MemberName | None:
    """The member that takes the clients' writes; None when none does.

    A promoted heir comes before the recorded primary: its commits wait for the marker's standby like any other, and
    what the old primary still accepts can never be acknowledged.
    """
    if view.record is None:
        return None
    for name in (*(rule.primary for rule in reversed(view.record.rules)), view.record.primary):
        report = view.report(name)
        if report is not None and report.answers and report.facts is not None and not report.facts.in_recovery:
            return name
    return None


def streams(view: GroupView, primary: MemberName, name: MemberName) -> bool:
    """Whether `primary` says that the standby `name` streams."""
    report = view.report(primary)
    if report is None or not report.answers or report.facts is None:
        return False
    # Two standbys that claim one name prove nothing about the member of that name.
    claims = [standby for standby in report.facts.standbys if standby.name == name]
    return len(claims) == 1 and claims[0].state == "streaming"


def picture_member(scene: Scene, member: Member) -> MemberSnapshot:
    """The row of `member`."""
    report, host = scene.view.report(member.name), scene.view.host(member.name)
    role = _role(scene, member)
    state, detail = _state(scene, member, role, report, host)
    facts = report.facts if report is not None and report.answers else None
    counts = (
        scene.serving is not None
        and role in {Role.SYNC_STANDBY, Role.QUORUM_STANDBY}
        and streams(scene.view, scene.serving, member.name)
    )
    readable = state in {MemberState.STREAMING, MemberState.CATCHING_UP}
    return MemberSnapshot(
        name=member.name,
        center=member.center,
        host=member.host,
        port=member.port,
        role=role,
        state=state,
        detail=detail,
        timeline=facts.timeline if facts else None,
        receive_lsn=facts.written_lsn if facts else None,
        receive_lag_bytes=_behind(scene, role, facts.written_lsn if facts else None),
        replay_lsn=facts.replayed_lsn if facts else None,
        replay_lag_bytes=_behind(scene, role, facts.replayed_lsn if facts else None),
        rpo=_rpo(scene, member, role, counts=counts),
        writable=member.name == scene.serving and scene.routable,
        readable=readable,
        synchronous=counts,
        answers=facts is not None,
        clock_offset_s=host.clock_offset_s if host else None,
    )


def _role(scene: Scene, member: Member) -> Role:
    record = scene.view.record
    if member.kind is MemberKind.SATELLITE:
        return Role.SATELLITE
    if record is None:
        report = scene.view.report(member.name)
        alone = report is not None and report.facts is not None and not report.facts.in_recovery
        return Role.PRIMARY if alone else Role.REPLICA
    if member.name == (scene.serving or record.primary):
        return Role.PRIMARY
    if member.name in record.rule.sync.members:
        return Role.SYNC_STANDBY if record.rule.sync.count == len(record.rule.sync.members) else Role.QUORUM_STANDBY
    return Role.REPLICA


def _state(
    scene: Scene, member: Member, role: Role, report: MemberReport | None, host: HostReport | None
) -> tuple[MemberState, str]:
    if report is None:
        return MemberState.UNKNOWN, "not looked at yet"
    state, detail = _seen(scene, member, role, report, host)
    run = scene.view.run
    if run is not None and run.kind is RunKind.REJOIN and run.candidate == member.name and state not in _WELL:
        return MemberState.REJOINING, f"run {run.id}"
    return state, detail


def _seen(
    scene: Scene, member: Member, role: Role, report: MemberReport, host: HostReport | None
) -> tuple[MemberState, str]:
    match report.reachability:
        case Reachability.ANSWERS:
            assert report.facts is not None, "an answer has facts"
            return _answering(scene, member, role, report.facts)
        case Reachability.STARTING:
            return MemberState.STARTING, report.detail
        case Reachability.FAULTY:
            return MemberState.FAULTY, report.detail
        case Reachability.REFUSED | Reachability.SILENT:
            if host is not None and host.answers and host.postmaster is Postmaster.DOWN:
                return (MemberState.FENCED if host.fenced else MemberState.STOPPED), report.detail
            silent = report.reachability is Reachability.SILENT
            return (MemberState.SILENT if silent else MemberState.REFUSED), report.detail
        case _:
            assert_never(report.reachability)


def _answering(scene: Scene, member: Member, role: Role, facts: MemberFacts) -> tuple[MemberState, str]:
    if not facts.in_recovery:
        if role is Role.PRIMARY:
            return MemberState.RUNNING, ""
        return MemberState.STRAY, "accepts writes, which nobody acknowledges; nobody is routed to it"
    if role is Role.PRIMARY:
        return MemberState.DEMOTED, "the record says that it is the primary, and it runs as a standby"
    if facts.receiver is None:
        if not facts.upstream:
            return MemberState.SEALED, "follows nobody"
        return MemberState.DISCONNECTED, f"receives nothing from {facts.upstream}"
    if facts.receiver.status != "streaming":
        return MemberState.CONNECTING, facts.receiver.status
    sender = scene.view.report(scene.serving) if scene.serving else None
    if sender is not None and sender.facts is not None:
        states = [standby.state for standby in sender.facts.standbys if standby.name == member.name]
        if states == ["catchup"]:
            return MemberState.CATCHING_UP, ""
    return MemberState.STREAMING, ""


def _behind(scene: Scene, role: Role, position: Lsn | None) -> int | None:
    if role is Role.PRIMARY or position is None or scene.written is None:
        return None
    # A standby that was asked a moment after its primary may be ahead of what that said.
    return max(0, scene.written - position)


def _rpo(scene: Scene, member: Member, role: Role, *, counts: bool) -> Rpo:
    if role is Role.PRIMARY:
        if scene.view.record is None or member.name != scene.serving:
            return Rpo.NONE
        return Rpo.EXPOSED if scene.exposed else Rpo.ZERO
    if counts:
        return Rpo.EXPOSED if scene.exposed else Rpo.ZERO
    report = scene.view.report(member.name)
    return Rpo.ASYNC if report is not None and report.answers and role is not Role.QUORUM_STANDBY else Rpo.NONE
