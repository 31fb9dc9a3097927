"""From what a controller knows to what it tells: a view becomes a snapshot. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from drctl.model.event import Alarm
from drctl.model.explanation import Explanation
from drctl.model.identity import CenterName, MemberName
from drctl.model.member_picture import Scene, picture_member, serving, streams
from drctl.model.run_picture import picture_run
from drctl.model.snapshot import (
    CenterSnapshot,
    ClusterSnapshot,
    GroupSnapshot,
    MarkerSnapshot,
    Protection,
    RunSnapshot,
)
from drctl.model.topology import Topology
from drctl.model.view import GroupView


def cluster_snapshot(
    topology: Topology,
    *,
    center: CenterName,
    version: str,
    at_utc: str,
    leader: CenterName | None,
    connected: bool,
    controllers: Collection[CenterName],
    groups: Sequence[GroupSnapshot],
    config_digest: str = "",
) -> ClusterSnapshot:
    """The deployment as `center` knows it. `controllers` are the centers whose controller has a living session."""
    return ClusterSnapshot(
        cluster=topology.cluster,
        center=center,
        version=version,
        at_utc=at_utc,
        leader=leader,
        connected=connected,
        config_digest=config_digest,
        centers=tuple(
            CenterSnapshot(
                name=known.name, label=known.label, controller=known.name in controllers, http=str(known.http)
            )
            for known in topology.centers
        ),
        groups=tuple(groups),
    )


def group_snapshot(
    view: GroupView,
    explanation: Explanation,
    *,
    history: Sequence[RunSnapshot] = (),
    alarms: Sequence[Alarm] = (),
    exposed_since_utc: str = "",
    routable: bool = True,
) -> GroupSnapshot:
    """A group as `view` shows it. `history` are finished runs, the newest first, pictured once when they ended."""
    record = view.record
    protection, text = _protection(view)
    scene = Scene.of(view, exposed=protection is Protection.EXPOSED, routable=routable)
    guaranteed = protection is not Protection.EXPOSED
    since_utc = exposed_since_utc or (record.degraded_since_utc if record else None) or ""
    return GroupSnapshot(
        name=view.group.name,
        home=view.group.home,
        primary=record.primary if record else None,
        epoch=record.epoch if record else None,
        rules=tuple(str(rule) for rule in record.rules) if record else (),
        sync_members=tuple(sorted(record.rule.sync.members)) if record else (),
        sync_count=record.rule.sync.count if record else 0,
        paused=record.paused if record else False,
        protection=protection,
        protection_text=text,
        rpo_guaranteed=guaranteed,
        exposed_since_utc="" if guaranteed else since_utc,
        explanation=explanation,
        marker=_marker(view),
        members=tuple(picture_member(scene, member) for member in view.group.members),
        run=picture_run(view.run, now_utc=view.now_utc) if view.run else None,
        history=tuple(history),
        alarms=tuple(alarms),
    )


def _marker(view: GroupView) -> MarkerSnapshot | None:
    marker = view.marker
    if marker.acked_at_s is None and marker.pending_since_s is None:
        return None
    pending_s = None if marker.pending_since_s is None else max(0.0, view.now_s - marker.pending_since_s)
    return MarkerSnapshot(sequence=marker.sequence, elapsed_s=marker.elapsed_s, pending_s=pending_s)


def _protection(view: GroupView) -> tuple[Protection, str]:
    """How safe commits are, and a sentence that says why."""
    record = view.record
    name = view.group.name
    if record is None and not view.connected:
        return Protection.UNKNOWN, "the coordinator has not told yet which member is the primary"
    if record is None:
        return Protection.NOT_INITIALISED, f"{name} is not under drctl's protection yet; type: drctl init {name}"
    primary = serving(view)
    if primary is None:
        return _without_primary(view, record.primary)
    facts = view.reports[primary].facts
    assert facts is not None, "a serving primary has answered"
    if record.degraded_since_utc is not None:
        return Protection.EXPOSED, f"commits are acknowledged by {primary} alone since {record.degraded_since_utc}"
    # While a rule replaces another, either setting is right: both stand in the record.
    if not any(rule.sync.is_set_by(facts.sync_names) for rule in record.rules if rule.primary == primary):
        return (
            Protection.EXPOSED,
            f"{primary} has synchronous_standby_names = {facts.sync_names!r}, the record says {record.rule.sync}",
        )
    if facts.overrides:
        first = facts.overrides[0]
        more = f" and {len(facts.overrides) - 1} more" if len(facts.overrides) > 1 else ""
        return (
            Protection.EXPOSED,
            f"synchronous_commit is {first.value!r} for {first.scope} {first.name}{more}: its commits wait for nobody",
        )
    return _by_standbys(view, primary)


def _without_primary(view: GroupView, recorded: MemberName) -> tuple[Protection, str]:
    report = view.report(recorded)
    if report is None:
        return Protection.UNKNOWN, f"{recorded} has not been looked at yet"
    if view.run is not None:
        return Protection.DOWN, f"no member takes writes; run {view.run.id} ({view.run.kind}) is under way"
    how = report.detail or report.reachability.value
    return Protection.DOWN, f"no member takes writes: the primary {recorded} does not ({how})"


def _by_standbys(view: GroupView, primary: MemberName) -> tuple[Protection, str]:
    assert view.record is not None, "asked by _protection"
    sync = view.record.rule.sync
    streaming = sorted(name for name in sync.members if streams(view, primary, name))
    missing = sorted(sync.members - set(streaming))
    gone = f"; {', '.join(missing)} does not stream" if missing else ""
    if len(streaming) < sync.count:
        waits = f"commits wait: {len(streaming)} of {sync.count} wanted standbys stream"
        return Protection.BLOCKED, f"{waits}{gone}. Nothing that was acknowledged can be lost"
    held = f"every acknowledged commit is on {primary} and {sync.count} of {', '.join(streaming)}"
    if len(streaming) == sync.count:
        return Protection.NO_SPARE, f"{held}; commits wait when one more is lost{gone}"
    return Protection.PROTECTED, f"{held}{gone}"
