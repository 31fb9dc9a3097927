"""What `drctl init` concludes, and in which order it does what it does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from drctl.model.errors import EffectRefused, EffectUnknown
from drctl.model.evidence import Evidence, MarkerAcked, SyncChanged
from drctl.model.identity import Epoch, MemberName
from drctl.model.position import Lsn, Position, Timeline
from drctl.model.report import HostReport, Postmaster
from drctl.model.rule import GroupRecord
from drctl.model.takeover import Finding, FindingSeverity, Takeover
from drctl.ports import GroupState
from drctl.postgres.examine import Examination
from drctl.takeover import Scene, conclude, first_rule, take_over
from tests.unit.decision.world import A, B, C, group, host_answers, host_silent, record

HOSTS = {name: host_answers(name) for name in (A, B, C)}
WELL = Examination(primary=A, findings=(), prepared=False, already_set="")


def concluded(
    examination: Examination = WELL,
    hosts: dict[MemberName, HostReport] | None = None,
    stored: GroupRecord | None = None,
) -> Takeover:
    return conclude(group(), examination, {**HOSTS, **(hosts or {})}, stored, changes=("create roles",))


def errors(takeover: Takeover) -> list[str]:
    return [one.subject for one in takeover.findings if one.severity is FindingSeverity.ERROR]


def test_a_healthy_group_is_ready_and_says_what_would_be_done():
    takeover = concluded()
    assert takeover.ready
    assert takeover.changes == (
        "create roles",
        f'set synchronous_standby_names = ANY 1 ("{C}", "{B}") on {A} (now \'\')',
        f"record the first rule: {first_rule(group(), A)}",
    )


def test_what_is_there_already_is_not_done_again():
    setting = first_rule(group(), A).sync.setting
    takeover = concluded(replace(WELL, prepared=True, already_set=setting))
    assert takeover.changes == (f"record the first rule: {first_rule(group(), A)}",)
    assert concluded(replace(WELL, prepared=True), stored=record()).changes == ()


def test_of_a_protected_group_only_what_somebody_removed_is_made_again():
    takeover = concluded(replace(WELL, prepared=False), stored=record())
    assert takeover.changes == ("create roles",)
    world = World(stored=record())
    taken(world, takeover)
    assert world.done == ["prepare"]


def test_a_host_that_does_not_answer_forbids_it_and_hands_on_its_own_remedy():
    wrong_key = replace(host_silent(B), detail="the host key of 10.0.0.2 has changed", remedy="ssh-keygen -R 10.0.0.2")
    takeover = concluded(hosts={B: wrong_key})
    assert not takeover.ready
    (found,) = [one for one in takeover.findings if one.severity is FindingSeverity.ERROR]
    assert "has changed" in found.what
    assert found.remedy == "ssh-keygen -R 10.0.0.2"


def test_a_postmaster_that_the_host_does_not_see_forbids_it():
    assert errors(concluded(hosts={C: host_answers(C, Postmaster.DOWN)})) == [C]


@pytest.mark.parametrize(("offset_s", "told"), [(0.2, False), (-0.9, False), (3.5, True), (-86400.0, True)])
def test_a_clock_that_is_off_is_told_and_forbids_nothing(offset_s: float, told: bool):
    takeover = concluded(hosts={B: replace(host_answers(B), clock_offset_s=offset_s)})
    assert takeover.ready
    assert [one.severity for one in takeover.findings] == ([FindingSeverity.WARNING] if told else [])
    assert all("chronyc" in one.remedy for one in takeover.findings)


def test_a_record_that_names_another_primary_is_never_overwritten():
    takeover = concluded(replace(WELL, primary=B), stored=record())
    assert errors(takeover) == ["lis"]
    assert takeover.changes == ()


class World:
    """Ports that write down in which order they were used; one of them may fail."""

    def __init__(self, fails: str = "", stored: GroupRecord | None = None) -> None:
        self.done: list[str] = []
        self._stored = stored
        self._fails = fails

    def _do(self, what: str) -> None:
        if what == self._fails:
            raise EffectUnknown(what)
        self.done.append(what)

    def group(self, _name: str) -> GroupState:
        return GroupState(record=self._stored, run=None)

    def prepare(self) -> None:
        self._do("prepare")

    def call(self, *_: object, **__: object) -> Evidence:
        self._do("set_sync")
        return SyncChanged(value="")

    def write_marker(self, *_: object, **__: object) -> MarkerAcked:
        self._do("marker")
        return MarkerAcked(sequence=1, position=Position(timeline=Timeline(1), lsn=Lsn(1)), elapsed_s=0.01)

    def create_record(self, first: GroupRecord, **_: object) -> GroupRecord:
        self._do("record")
        assert (first.epoch, first.primary, first.rules) == (Epoch(1), A, (first_rule(group(), A),))
        return first


def taken(world: World, takeover: Takeover) -> list[str]:
    told: list[str] = []
    scene = Scene(coordinator=world, database=world, host=world)  # type: ignore[arg-type]
    take_over(group(), takeover, scene, prepare=world.prepare, progress=told.append)
    return told


def test_the_record_comes_last_when_the_marker_has_proved_the_setting():
    world = World()
    assert len(taken(world, concluded())) == 4
    assert world.done == ["prepare", "set_sync", "marker", "record"]


@pytest.mark.parametrize(("fails", "done"), [("prepare", 0), ("set_sync", 1), ("marker", 2), ("record", 3)])
def test_what_fails_is_not_gone_on_from(fails: str, done: int):
    world = World(fails)
    with pytest.raises(EffectUnknown):
        taken(world, concluded())
    assert len(world.done) == done


def test_a_group_that_is_not_fit_is_not_touched():
    world = World()
    bad = Finding(severity=FindingSeverity.ERROR, subject=A, what="fsync is off", why="", remedy="")
    with pytest.raises(EffectRefused):
        taken(world, concluded(replace(WELL, findings=(bad,))))
    assert world.done == []
