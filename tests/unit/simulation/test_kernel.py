"""The virtual clock, processes, tasks and the network of the simulated world."""

from __future__ import annotations

from chaos.simulation.kernel import Future, Kernel, Lock, Process, Wait
from chaos.simulation.network import Network
from drctl.model.errors import EffectRefused
from drctl.model.identity import CenterName

A, B = CenterName("a"), CenterName("b")


def test_things_happen_in_the_order_of_their_times():
    kernel, seen = Kernel(1), []
    kernel.after(2.0, seen.append, "late")
    kernel.after(1.0, seen.append, "soon")
    kernel.run(3.0)
    assert seen == ["soon", "late"]
    assert kernel.now_s == 3.0


def test_what_is_due_while_a_process_is_frozen_happens_at_its_thaw():
    kernel, seen = Kernel(1), []
    process = Process(kernel, "p")
    process.after(1.0, seen.append, "due")
    process.freeze()
    kernel.run(5.0)
    assert seen == []
    process.thaw()
    assert seen == ["due"]


def test_nothing_of_a_life_happens_after_its_end():
    kernel, seen = Kernel(1), []
    process = Process(kernel, "p")
    process.after(1.0, seen.append, "first life")
    process.kill()
    process.start()
    process.after(1.0, seen.append, "second life")
    kernel.run(5.0)
    assert seen == ["second life"]


def test_a_task_waits_for_a_future_or_for_the_end_of_its_patience():
    kernel, told = Kernel(1), []
    process = Process(kernel, "p")
    early, never = Future[int](), Future[int]()
    kernel.after(1.0, early.set, 7)

    def steps():
        told.append((yield Wait(early, 5.0)))
        told.append((yield Wait(never, 2.0)))
        return early.value

    process.task(steps(), lambda value, error: told.append((value, error, kernel.now_s)))
    kernel.run(10.0)
    assert told == [True, False, (7, None, 3.0)]


def test_a_task_ends_with_the_error_that_it_raises():
    kernel, told = Kernel(1), []

    def steps():
        yield 1.0
        raise EffectRefused("no")

    Process(kernel, "p").task(steps(), lambda _, error: told.append(error.message))
    kernel.run(2.0)
    assert told == ["no"]


def test_a_lock_lets_one_in_at_a_time_in_the_order_of_asking():
    kernel, lock, told = Kernel(1), Lock(), []
    process = Process(kernel, "p")

    def steps(name, for_s):
        came = yield from lock.take(2.5)
        if not came:
            told.append(f"{name} gave up")
            return
        yield for_s
        told.append(name)
        lock.release()

    for name, for_s in (("first", 1.0), ("second", 2.0), ("third", 1.0)):
        process.task(steps(name, for_s), lambda *_: None)
    kernel.run(10.0)
    assert told == ["first", "third gave up", "second"]


def test_a_cut_is_one_way_and_what_tcp_still_sends_arrives_after_it():
    kernel, seen = Kernel(1), []
    network = Network(kernel)
    network.cut(A, B)
    network.carry(A, B, seen.append, "kept")
    network.carry(A, B, seen.append, "lost", keep_s=0.0)
    network.carry(B, A, seen.append, "other way")
    kernel.run(1.0)
    assert seen == ["other way"]
    network.heal(A, B)
    kernel.run(2.0)
    assert seen == ["other way", "kept"]


def test_a_link_that_two_faults_cut_is_open_when_both_are_over():
    network = Network(Kernel(1))
    network.cut(A, B)
    network.cut(A, B)
    network.heal(A, B)
    assert not network.open(A, B)
    network.heal(A, B)
    assert network.open(A, B)
