"""The line: one at a time, in order, of limited length."""

import threading
import time

import pytest

from segsr.app.turns import LineFullError, Stopped, Turns


@pytest.fixture
def gate():
    """Work that begins, and ends when it is let go."""

    class Gate:
        def __init__(self):
            self.begun, self.open = threading.Event(), threading.Event()

        def __call__(self, turn):
            self.begun.set()
            assert self.open.wait(10)
            return "done"

    return Gate()


def test_one_at_a_time_and_in_order():
    turns, order, at_once = Turns(50), [], []

    def work(number):
        def act(turn):
            at_once.append(number)
            assert len(at_once) == 1
            order.append(number)
            time.sleep(0.001)
            at_once.remove(number)
            return number

        return act

    results = [turns.submit(work(i)).result for i in range(40)]
    assert [result.result(10) for result in results] == list(range(40))
    assert order == list(range(40))
    assert (turns.finished, turns.failed, turns.waiting) == (40, 0, 0)


def test_what_does_not_fit_into_the_line_is_told_when_to_come_again(gate):
    turns = Turns(2)
    first = turns.submit(gate)
    assert gate.begun.wait(10)
    second, third = turns.submit(lambda turn: 2), turns.submit(lambda turn: 3)
    with pytest.raises(LineFullError, match=r"2 restorations are waiting.*try again in about"):
        turns.submit(lambda turn: 4)
    assert [turns.ahead(turn) for turn in (first, second, third)] == [0, 1, 2]
    gate.open.set()
    assert [turn.result.result(10) for turn in (first, second, third)] == ["done", 2, 3]
    assert turns.submit(lambda turn: 5).result.result(10) == 5


def test_a_failure_is_the_asker_s_alone():
    turns = Turns(3)
    bad = turns.submit(lambda turn: 1 / 0)
    assert turns.submit(lambda turn: "fine").result.result(10) == "fine"
    with pytest.raises(ZeroDivisionError):
        bad.result.result(10)
    assert (turns.finished, turns.failed) == (1, 1)


def test_who_gives_up_leaves_the_line_or_stops_with_the_next_step(gate):
    turns = Turns(3)

    def steps(turn):
        gate(turn)
        turn.advance()
        pytest.fail("it goes on")

    running = turns.submit(steps)
    assert gate.begun.wait(10)
    waiting, after = turns.submit(lambda turn: 1), turns.submit(lambda turn: 2)
    turns.give_up(waiting)
    turns.give_up(running)
    assert waiting.result.cancelled()
    assert turns.ahead(after) == 1
    gate.open.set()
    with pytest.raises(Stopped):
        running.result.result(10)
    assert after.result.result(10) == 2
    assert turns.failed == 0


def test_the_time_left_comes_from_steps_and_from_work_before(gate):
    turns = Turns(3)
    assert turns.submit(lambda turn: time.sleep(0.1), size=1.0).result.result(10) is None

    def work(turn):
        time.sleep(0.05)
        turn.advance()
        gate(turn)

    running = turns.submit(work, size=10.0, total=5)
    assert gate.begun.wait(10)
    waiting = turns.submit(lambda turn: None, size=2.0)
    assert 0.2 <= turns.left(running) < 2.0  # one of five steps took 0.05 s
    assert turns.left(waiting) > turns.left(running) + 0.15
    gate.open.set()
    waiting.result.result(10)


def test_nothing_is_known_of_the_first(gate):
    turns = Turns(1)
    turn = turns.submit(gate)
    assert turns.left(turn) is None
    gate.open.set()
