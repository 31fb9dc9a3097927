"""The thread that writes the audit chain: nothing is lost, nothing twice, whoever dies when."""

from __future__ import annotations

import itertools
import time

import pytest

from drctl.audit.entry import parse
from drctl.audit.verify import Piece, verify
from drctl.evidence.chain_files import ChainFiles, chain_files, verdict_of
from drctl.evidence.scribe import Scribe
from drctl.evidence.spool import Spool
from drctl.model.event import Alarm, CoordinatorChanged, Decided, Severity
from drctl.model.identity import CenterName, GroupName
from drctl.zookeeper import audit as audit_module
from drctl.zookeeper.audit import AuditNodes
from drctl.zookeeper.paths import Paths
from drctl.zookeeper.transaction import UNGUARDED, Create, Replace
from tests.integration.zookeeper_servers import MonotonicClock
from tests.unit.zookeeper.memory_session import MemorySession, Tree

CENTERS = (CenterName("zhaohui"), CenterName("yuecheng"))
PATHS = Paths(root="/drctl", cluster="lis")


class Center:
    """One center's scribe, worked by hand instead of by its thread."""

    def __init__(self, tree: Tree, name: CenterName, folder, *, incarnation: str = "0001") -> None:
        self.session = MemorySession(tree)
        self.nodes = AuditNodes(session=self.session, paths=PATHS, centers=CENTERS, now_s=time.monotonic)
        self.name = name
        self.folder = folder
        self.told: list[Alarm] = []
        self.files = ChainFiles(folder)
        self.scribe = Scribe(
            center=name,
            incarnation=incarnation,
            store=self.nodes,
            connected=self.session.connected,
            files=self.files,
            spool=Spool(folder),
            clock=MonotonicClock(),
            tell=self.told.append,
        )
        self.scribe._look_at_own()

    def say(self, *words: str) -> None:
        for word in words:
            self.scribe.emit(CoordinatorChanged(connected=True, detail=word))

    def spool(self) -> None:
        self.scribe._queue.put(None)  # do not wait for more
        self.scribe._take()
        self.scribe._closing = False

    def work(self) -> None:
        self.spool()
        self.scribe._closing = True  # and acknowledge at once
        self.scribe._write()
        self.scribe._closing = False

    def die(self) -> None:
        self.files.close()

    def told_words(self) -> list[str]:
        return [alarm.message for alarm in self.told]


@pytest.fixture
def tree() -> Tree:
    made = Tree()
    session = MemorySession(made)
    for path in PATHS.skeleton:
        session.commit(UNGUARDED, [Create(path=path)], deadline_s=1.0)
    return made


@pytest.fixture
def center(tree, tmp_path):
    numbers = itertools.count(1)

    def make(name: str) -> Center:
        return Center(tree, CenterName(name), tmp_path / name, incarnation=f"{next(numbers):04}")

    return make


def words(entries) -> list[str]:
    return [str(entry.what.facts.get("detail", entry.what.event)) for entry in entries]


def in_zookeeper(one: Center) -> list[str]:
    lines = one.nodes.lines(after=0, deadline_s=1.0)
    assert verify([Piece(name="z", data=b"".join(line + b"\n" for line in lines))]).sound
    return words(map(parse, lines))


def test_two_centers_write_one_chain_and_both_have_all_of_it_on_disk(center):
    one, two = center("zhaohui"), center("yuecheng")
    one.say("a")
    one.work()
    two.say("b", "c")
    two.work()
    one.say("d")
    one.work()
    two.work()
    assert in_zookeeper(one) == ["a", "b", "c", "d"]
    for each in (one, two):
        assert words(each.files.after(0)) == ["a", "b", "c", "d"]
        assert verdict_of(each.folder).sound
    assert one.nodes.acknowledged(deadline_s=1.0) == {one.name: one.scribe.head, two.name: two.scribe.head}
    assert one.scribe.head == two.scribe.head


def test_an_event_that_was_spooled_is_written_by_the_next_start(center):
    one = center("zhaohui")
    one.say("a", "b")
    one.spool()
    one.die()
    again = center("zhaohui")
    again.say("c")
    again.work()
    assert in_zookeeper(again) == ["a", "b", "c"]


def test_a_write_without_an_answer_is_not_repeated(center):
    one = center("zhaohui")
    one.say("a", "b")
    one.session.lose_answers = 1
    one.work()
    one.work()
    assert in_zookeeper(one) == ["a", "b"] == words(one.files.after(0))


def test_who_dies_after_a_write_and_before_its_answer_leaves_nothing_twice(center):
    one, two = center("zhaohui"), center("yuecheng")
    one.say("a")
    one.session.lose_answers = 1
    one.work()
    one.die()
    two.say("b")
    two.work()
    again = center("zhaohui")
    again.work()
    assert in_zookeeper(again) == ["a", "b"] == words(again.files.after(0))


def test_who_dies_after_the_disk_and_before_the_spool_was_cleared_leaves_nothing_twice(center):
    one = center("zhaohui")
    one.say("a")
    one.work()
    one.say("b")
    one.spool()
    one.scribe._append()  # and no more
    one.die()
    again = center("zhaohui")
    again.work()
    assert in_zookeeper(again) == ["a", "b"] == words(again.files.after(0))


def test_while_zookeeper_is_away_events_wait_on_the_disk(center):
    one = center("zhaohui")
    one.session.up = False
    one.say("a")
    one.work()
    one.say("b")
    one.work()
    assert words(one.files.after(0)) == []
    one.session.up = True
    one.work()
    assert in_zookeeper(one) == ["a", "b"]


def test_pieces_are_bounded_and_go_when_every_center_has_them(center, monkeypatch):
    monkeypatch.setattr(audit_module, "PIECE_BYTES_MAX", 1000)
    monkeypatch.setattr(audit_module, "PIECES_KEPT", 3)
    one, two = center("zhaohui"), center("yuecheng")
    for number in range(20):
        one.say(f"{number}")
        one.work()
    count = len(one.session.peek_children(PATHS.audit_pieces).take(1.0))
    assert count > 5  # the other center has nothing on its disk yet
    two.work()
    for number in range(20, 30):
        one.say(f"{number}")
        one.work()
        two.work()
    assert len(one.session.peek_children(PATHS.audit_pieces).take(1.0)) <= 5
    assert verdict_of(one.folder).events == verdict_of(two.folder).events == 30


def test_a_center_that_was_away_too_long_says_which_events_it_lacks(center, monkeypatch):
    monkeypatch.setattr(audit_module, "PIECE_BYTES_MAX", 1000)
    monkeypatch.setattr(audit_module, "PIECES_KEPT", 2)
    monkeypatch.setattr(audit_module, "PIECES_MAX", 4)
    one, two = center("zhaohui"), center("yuecheng")
    one.say("0")
    one.work()
    two.work()
    for number in range(1, 40):
        one.say(f"{number}")
        one.work()
    two.work()
    assert any("of the audit chain are not on this center's disk" in told for told in two.told_words())
    assert two.scribe.head == one.scribe.head or two.work() is None
    assert any("are missing before it" in found.why for found in verdict_of(two.folder).breaks)


def test_a_chain_that_was_lost_with_zookeeper_goes_on_from_the_disks(center, tree):
    one, two = center("zhaohui"), center("yuecheng")
    one.say("a")
    one.work()
    two.work()
    two.say("b")
    two.work()  # the other center has not seen this one
    tree.nodes = {path: node for path, node in tree.nodes.items() if not path.startswith(PATHS.audit)}
    for path in (PATHS.audit, PATHS.audit_pieces, PATHS.audit_centers):
        one.session.commit(UNGUARDED, [Create(path=path)], deadline_s=1.0)
    one.say("c")
    one.work()
    two.say("d")
    two.work()
    one.work()
    two.work()
    assert in_zookeeper(one)[:1] == ["c"]
    assert {"b", "d"} < set(in_zookeeper(one))
    assert any("is not the one on this center's disk" in told for told in two.told_words())
    assert verdict_of(one.folder).sound
    assert next(two.folder.glob("aside-*/chain-*.jsonl")).is_file()


def test_a_file_that_was_cut_while_the_controller_was_down_is_told_and_filled_again(center):
    one = center("zhaohui")
    one.say("a", "b", "c")
    one.work()
    one.die()
    (file,) = chain_files(one.folder)
    file.write_bytes(b"".join(file.read_bytes().splitlines(keepends=True)[:1]))
    again = center("zhaohui")
    again.work()
    assert any("the files of the audit chain were cut" in told for told in again.told_words())
    assert words(again.files.after(0))[:3] == ["a", "b", "c"]
    assert verdict_of(one.folder).sound


def test_a_file_that_was_edited_is_set_aside_and_fetched_again(center):
    one = center("zhaohui")
    one.say("a", "b", "c")
    one.work()
    one.die()
    (file,) = chain_files(one.folder)
    file.write_bytes(file.read_bytes().replace(b'"detail":"b"', b'"detail":"x"'))
    again = center("zhaohui")
    again.work()
    assert any("is not what was written" in told for told in again.told_words())
    assert words(again.files.after(0))[:3] == ["a", "b", "c"]
    assert verdict_of(one.folder).sound


def test_pieces_that_were_edited_in_zookeeper_are_told_and_not_taken_over(center, tree):
    one, two = center("zhaohui"), center("yuecheng")
    one.say("a", "b")
    one.work()
    path = f"{PATHS.audit_pieces}/{1:012d}"
    data = tree.nodes[path].data.replace(b'"detail":"b"', b'"detail":"x"')
    one.session.commit(UNGUARDED, [Replace(path=path, data=data)], deadline_s=1.0)
    two.work()
    assert any("the audit chain in ZooKeeper is not what was written" in told for told in two.told_words())
    assert words(two.files.after(0))[:2] != ["a", "x"]


def test_what_a_controller_that_does_not_lead_would_do_is_no_event(center):
    one = center("zhaohui")
    one.scribe.emit(Decided(group=GroupName("lis"), decision="stay", reason="all is well"))
    one.scribe.emit(Alarm(group=None, severity=Severity.ALARM, code="guard", message="fenced"))
    one.work()
    assert in_zookeeper(one) == ["alarm"]
