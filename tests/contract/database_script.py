"""What every Database must do, as plain functions: the real one and a simulated one are held to the same script."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

import pytest

from drctl.model.errors import EffectRefused, EffectUnknown, Unreachable
from drctl.model.evidence import MarkerAcked
from drctl.model.identity import Epoch, MemberName
from drctl.model.report import MemberFacts, MemberReport, Reachability
from drctl.model.topology import Member
from drctl.ports import Database

DEADLINE_S = 1.0
MARKER_DEADLINE_S = 5.0
SHORT_S = 0.3


class World(Protocol):
    """Where a scene plays: a primary and its standbys at rest, `ANY 1` of them in sync, marker table and role made."""

    @property
    def primary(self) -> Member: ...

    @property
    def standby(self) -> Member: ...

    def database(self, *, writer: str = ...) -> Database:
        """A new one, without connections. Each writer has its own row in the marker table."""

    def until(self, condition: Callable[[], bool], what: str) -> None:
        """Let time pass until `condition` holds; fail when it takes too long."""

    def freeze(self, member: Member) -> None:
        """Every process of it stands still; its connections stay, and the kernel goes on taking new ones."""

    def thaw(self, member: Member) -> None: ...

    def stop(self, member: Member) -> None:
        """At once, without a checkpoint. Nothing listens then."""

    def start(self, member: Member) -> None:
        """Return when it answers."""

    def nobody_acknowledges(self) -> None:
        """Standbys stay connected and silent: commits wait."""

    def everybody_acknowledges(self) -> None: ...

    def waiting_markers(self) -> int:
        """Sessions of drctl's on the primary that wait for a standby."""

    def cancel_waiting_markers(self) -> None:
        """As pg_cancel_backend does."""


def facts_of(report: MemberReport) -> MemberFacts:
    assert report.reachability is Reachability.ANSWERS, report
    assert report.facts is not None
    assert report.answered_at_s == report.at_s
    return report.facts


def probed(database: Database, member: Member) -> MemberFacts:
    return facts_of(database.probe(member, deadline_s=DEADLINE_S))


def marked(database: Database, world: World, sequence: int, deadline_s: float = MARKER_DEADLINE_S) -> MarkerAcked:
    return database.write_marker(world.primary, sequence=sequence, epoch=Epoch(1), deadline_s=deadline_s)


# Probes


def a_primary_says_what_it_is_and_who_streams_from_it(world: World) -> None:
    facts = probed(world.database(), world.primary)
    assert not facts.in_recovery
    assert facts.receiver is None
    assert facts.sync_names.startswith("ANY 1 (")
    assert facts.written_lsn == facts.replayed_lsn > 0
    names = {standby.name for standby in facts.standbys if standby.state == "streaming"}
    assert world.standby.name in names
    assert facts.overrides == ()


def a_standby_says_whom_it_follows_and_how_far_it_is(world: World) -> None:
    database = world.database()
    primary, facts = probed(database, world.primary), probed(database, world.standby)
    assert facts.in_recovery
    assert facts.receiver is not None
    assert (facts.receiver.sender_host, facts.receiver.sender_port) == (world.primary.host, world.primary.port)
    assert facts.receiver.status == "streaming"
    assert facts.upstream == f"{world.primary.host}:{world.primary.port}"
    assert (facts.timeline, facts.system_identifier) == (primary.timeline, primary.system_identifier)
    assert facts.standbys == ()
    world.until(
        lambda: probed(database, world.standby).written_lsn >= primary.written_lsn, "it has what the primary had"
    )


def a_member_that_is_down_is_refused(world: World) -> None:
    database = world.database()
    probed(database, world.standby)
    world.stop(world.standby)
    report = database.probe(world.standby, deadline_s=DEADLINE_S)
    assert (report.reachability, report.facts, report.answered_at_s) == (Reachability.REFUSED, None, None)
    assert report.detail


def a_member_that_started_again_answers_as_another_start(world: World) -> None:
    database = world.database()
    before = probed(database, world.standby)
    world.stop(world.standby)
    world.start(world.standby)
    assert probed(database, world.standby).started_at_s > before.started_at_s


def a_frozen_member_is_silent_in_time_and_answers_once_it_is_thawed(world: World) -> None:
    database, fresh = world.database(), world.database()
    probed(database, world.primary)
    world.freeze(world.primary)
    for one in (database, fresh):
        report = one.probe(world.primary, deadline_s=SHORT_S)
        assert (report.reachability, report.facts) == (Reachability.SILENT, None)
    world.thaw(world.primary)
    for one in (database, fresh):
        probed(one, world.primary)


def an_idle_connection_that_breaks_is_told(world: World) -> None:
    database = world.database()
    lost: list[MemberName] = []
    database.watch(lost.append)
    for member in (world.primary, world.standby):
        probed(database, member)
    world.stop(world.standby)
    world.until(lambda: world.standby.name in lost, "the break is told")
    assert set(lost) == {world.standby.name}


# Markers


def a_marker_is_acknowledged_and_says_where(world: World) -> None:
    database = world.database()
    first, second = marked(database, world, 1), marked(database, world, 2)
    assert (first.sequence, second.sequence) == (1, 2)
    assert first.position < second.position
    facts = probed(database, world.primary)
    assert first.position.timeline == facts.timeline
    assert any(
        standby.flushed_lsn is not None and standby.flushed_lsn >= first.position.lsn for standby in facts.standbys
    )


def a_marker_on_a_standby_is_refused(world: World) -> None:
    with pytest.raises(EffectRefused):
        world.database().write_marker(world.standby, sequence=1, epoch=Epoch(1), deadline_s=MARKER_DEADLINE_S)


def a_marker_on_a_member_that_is_down_did_certainly_not_happen(world: World) -> None:
    world.stop(world.standby)
    with pytest.raises(Unreachable):
        world.database().write_marker(world.standby, sequence=1, epoch=Epoch(1), deadline_s=MARKER_DEADLINE_S)


def a_marker_that_nobody_acknowledges_may_have_happened(world: World) -> None:
    database = world.database()
    world.nobody_acknowledges()
    with pytest.raises(EffectUnknown):
        marked(database, world, 1, SHORT_S)
    world.everybody_acknowledges()
    assert marked(database, world, 2).sequence == 2


def markers_that_wait_do_not_pile_up(world: World) -> None:
    database = world.database()
    world.nobody_acknowledges()
    for sequence in range(4):
        with pytest.raises((EffectUnknown, EffectRefused)):
            marked(database, world, sequence, SHORT_S)
    assert world.waiting_markers() == 1
    world.everybody_acknowledges()
    marked(database, world, 9)
    assert world.waiting_markers() == 0


def a_wait_that_was_cancelled_is_no_acknowledgement(world: World) -> None:
    database = world.database()
    world.nobody_acknowledges()
    with pytest.raises(EffectUnknown):
        marked(database, world, 1, SHORT_S)
    world.cancel_waiting_markers()
    with pytest.raises(EffectUnknown):
        marked(database, world, 2, SHORT_S)
    assert world.waiting_markers() == 1


def writers_do_not_wait_for_each_other(world: World) -> None:
    one, other = world.database(writer="zhaohui"), world.database(writer="fuyang")
    world.nobody_acknowledges()
    for database in (one, other):
        with pytest.raises(EffectUnknown):
            marked(database, world, 1, SHORT_S)
    assert world.waiting_markers() == 2
    world.everybody_acknowledges()
    for database in (one, other):
        marked(database, world, 2)


def a_marker_on_a_frozen_primary_is_given_up_in_time(world: World) -> None:
    database = world.database()
    marked(database, world, 1)
    world.freeze(world.primary)
    with pytest.raises((EffectUnknown, EffectRefused)):
        marked(database, world, 2, SHORT_S)
    with pytest.raises((EffectUnknown, EffectRefused)):
        marked(world.database(), world, 2, SHORT_S)
    world.thaw(world.primary)
    assert marked(database, world, 3).sequence == 3


SCENES: tuple[Callable[[World], None], ...] = (
    a_primary_says_what_it_is_and_who_streams_from_it,
    a_standby_says_whom_it_follows_and_how_far_it_is,
    a_member_that_is_down_is_refused,
    a_member_that_started_again_answers_as_another_start,
    a_frozen_member_is_silent_in_time_and_answers_once_it_is_thawed,
    an_idle_connection_that_breaks_is_told,
    a_marker_is_acknowledged_and_says_where,
    a_marker_on_a_standby_is_refused,
    a_marker_on_a_member_that_is_down_did_certainly_not_happen,
    a_marker_that_nobody_acknowledges_may_have_happened,
    markers_that_wait_do_not_pile_up,
    a_wait_that_was_cancelled_is_no_acknowledgement,
    writers_do_not_wait_for_each_other,
    a_marker_on_a_frozen_primary_is_given_up_in_time,
)
