"""Who tells, how often, and what a channel that fails holds up: nothing."""

from __future__ import annotations

import threading
import time

from drctl.model.errors import EffectRefused, EffectUnknown
from drctl.model.event import Alarm, CoordinatorChanged, LeadershipChanged, NotificationEnded, RunStarted, Severity
from drctl.model.identity import CenterName, Epoch, GroupName, RunId
from drctl.model.playbook import RunKind
from drctl.notify.channel import Terms
from drctl.notify.courier import Courier, Delivery
from drctl.notify.notice import Language, suppressed
from drctl.notify.notifier import Notifier

HERE = CenterName("zhaohui")
AT = "2026-01-02T03:04:05.000+00:00"


class Clock:
    def __init__(self):
        self.at_s = 0.0

    def now_s(self):
        return self.at_s

    def utc(self):
        return AT


class Robot:
    """A channel that does what it is told."""

    def __init__(self, *errors, severity=Severity.INFO, per_minute=10):
        self.terms = Terms(name="duty", severity=severity, language=Language.EN, per_minute=per_minute)
        self.errors = list(errors)
        self.sent = []
        self.tries = 0

    def send(self, notice, *, deadline_s):
        assert deadline_s > 0
        self.tries += 1
        if self.errors:
            raise self.errors.pop(0)
        self.sent.append(notice)


class Room:
    """A notifier, its channel, and what came of it."""

    def __init__(self, robot, *, leading=True):
        self.clock = Clock()
        self.robot = robot
        self.ended = []
        delivery = Delivery(
            now_s=self.clock.now_s,
            tell=self.ended.append,
            summary=lambda count: suppressed(count, cluster="c", center=HERE, at_utc=AT),
            backoff_s=(0.01, 0.01),
        )
        self.notifier = Notifier([Courier(robot, delivery)], cluster="c", center=HERE, clock=self.clock)
        self.notifier.start()
        self.notifier.emit(CoordinatorChanged(connected=True))
        if leading:
            self.notifier.emit(LeadershipChanged(leading=True, leader=HERE))

    def until(self, condition):
        end_s = time.monotonic() + 5.0
        while not condition() and time.monotonic() < end_s:
            threading.Event().wait(0.005)
        assert condition()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.notifier.close(deadline_s=2.0)


def alarm(message="it is", code="person_needed", severity=Severity.ALARM):
    return Alarm(group=GroupName("lis"), severity=severity, code=code, message=message)


def test_the_leader_tells_and_the_others_do_not():
    with Room(Robot()) as room:
        room.notifier.emit(alarm())
        room.until(lambda: room.robot.sent)
    with Room(Robot(), leading=False) as room:
        room.notifier.emit(alarm())
        room.notifier.emit(alarm(code="guard"))
        room.until(lambda: room.robot.sent)
    assert [notice.code for notice in room.robot.sent] == ["guard"]


def test_a_controller_tells_of_its_own_lost_coordinator_after_a_while_and_not_of_a_short_gap():
    with Room(Robot(), leading=False) as room:
        room.notifier.emit(CoordinatorChanged(connected=False))
        room.notifier.emit(CoordinatorChanged(connected=True))
        room.notifier.emit(CoordinatorChanged(connected=False))
        room.until(lambda: room.notifier._lost_at_s is not None)
        room.clock.at_s = 11.0
        room.until(lambda: room.robot.sent)
    assert [notice.code for notice in room.robot.sent] == ["coordinator_lost"]


def test_what_fails_for_a_moment_is_tried_again_and_what_is_refused_is_not():
    with Room(Robot(EffectUnknown("busy"), EffectUnknown("busy"))) as room:
        room.notifier.emit(alarm())
        room.until(lambda: room.ended)
    assert (room.ended[0].delivered, room.ended[0].tries) == (True, 3)
    with Room(Robot(EffectRefused("no such robot"))) as room:
        room.notifier.emit(alarm())
        room.until(lambda: room.ended)
    assert (room.ended[0].delivered, room.ended[0].tries, room.ended[0].error) == (False, 1, "no such robot")


def test_the_same_thing_is_told_once():
    with Room(Robot()) as room:
        for _ in range(5):
            room.notifier.emit(alarm())
        room.notifier.emit(alarm("something else"))
        room.until(lambda: len(room.robot.sent) == 2)
    assert len(room.robot.sent) == 2


def test_a_storm_is_cut_to_the_channels_limit_and_its_size_is_told():
    with Room(Robot(per_minute=5)) as room:
        for number in range(50):
            room.notifier.emit(alarm(f"alarm {number}"))
        room.until(lambda: len(room.robot.sent) == 4)
        room.until(lambda: room.notifier._couriers[0]._kept_back == 46)
        room.clock.at_s = 61.0
        room.until(lambda: len(room.robot.sent) == 5)
    assert room.robot.sent[-1].titles[Language.EN] == "46 more messages were not sent"


def test_what_is_less_severe_than_a_channel_wants_stays_out_of_it():
    with Room(Robot(severity=Severity.ALARM)) as room:
        room.notifier.emit(
            RunStarted(group=GroupName("lis"), run=RunId("lis-8"), kind=RunKind.FAILOVER, epoch=Epoch(8), reason="why")
        )
        room.notifier.emit(alarm())
        room.until(lambda: room.robot.sent)
    assert [notice.event for notice in room.robot.sent] == ["alarm"]


def test_a_channel_that_hangs_holds_up_neither_the_controller_nor_another_channel():
    hold = threading.Event()

    class Hanging(Robot):
        def send(self, notice, *, deadline_s):
            hold.wait(10.0)

    hanging, good = Hanging(), Robot(per_minute=60)
    clock = Clock()
    delivery = Delivery(now_s=clock.now_s, tell=lambda _: None, summary=lambda _: None)  # type: ignore[arg-type,return-value]
    notifier = Notifier([Courier(hanging, delivery), Courier(good, delivery)], cluster="c", center=HERE, clock=clock)
    notifier.start()
    notifier.emit(LeadershipChanged(leading=True, leader=HERE))
    began_s = time.monotonic()
    for number in range(3000):
        notifier.emit(alarm(f"alarm {number}"))
    took_s = time.monotonic() - began_s
    end_s = time.monotonic() + 5.0
    while not good.sent and time.monotonic() < end_s:
        threading.Event().wait(0.005)
    assert good.sent
    assert took_s < 1.0, "three thousand puts on a queue"
    hold.set()
    notifier.close(deadline_s=2.0)


def test_a_message_about_messages_is_no_reason_for_another():
    with Room(Robot()) as room:
        room.notifier.emit(NotificationEnded(channel="duty", delivered=False, tries=1, title="x", error="y"))
        room.notifier.emit(alarm())
        room.until(lambda: room.robot.sent)
    assert len(room.robot.sent) == 1
