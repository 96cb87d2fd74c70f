"""One piece of work at a time: the others wait in a line of limited length, in order."""

from __future__ import annotations

import threading
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from segsr.errors import SegSRError


class LineFullError(SegSRError):
    """The line is as long as it may be.

    Attributes:
        seconds: After which it is worth asking again, as far as is known.
    """

    def __init__(self, length: int, seconds: float | int) -> None:
        self.seconds = max(1, round(seconds))
        super().__init__(
            f"{length} restorations are waiting, and more do not fit: try again in about"
            f" {self.seconds} s"
        )


class Stopped(Exception):  # noqa: N818  (as KeyboardInterrupt, it is no error)
    """Whoever asked for the work has gone."""


class Turn:
    """A piece of work in the line; also what the work tells how far it is.

    Attributes:
        result: What the work returns.
        size: How long it takes, compared with other work.
        total: Its steps.
        done: Those of them that are done.
    """

    def __init__(self, work: Callable[[Turn], Any], size: float | int, total: int) -> None:
        self.work = work
        self.size = size
        self.total = total
        self.done = 0
        self.result: Future[Any] = Future()
        self.began: float | None = None
        self.unwanted = False

    def advance(self, t: int = 0) -> None:
        """One more step is done.

        Raises:
            Stopped: If nobody waits for the result any more.
        """
        self.done += 1
        if self.unwanted:
            raise Stopped


class Turns:
    """The line, and the thread that works it off.

    Args:
        length: Pieces of work that may wait while one is worked on.
    """

    def __init__(self, length: int) -> None:
        self.length = length
        self.finished = 0
        self.failed = 0
        self._rate: float | None = None  # seconds per size
        self._now: Turn | None = None
        self._waiting: deque[Turn] = deque()
        self._changed = threading.Condition()  # of a lock that its holder may take again
        self._thread: threading.Thread | None = None

    @property
    def waiting(self) -> int:
        """How many wait."""
        return len(self._waiting)

    @property
    def running(self) -> bool:
        """Whether one is worked on."""
        return self._now is not None

    def check_room(self) -> None:
        """Check that one more piece of work fits, before anything is done for it.

        Raises:
            LineFullError: If it does not.
        """
        with self._changed:
            if len(self._waiting) >= self.length + (self._now is None):
                raise LineFullError(self.length, self._seconds([*self._waiting]))

    def submit(self, work: Callable[[Turn], Any], size: float | int = 1, total: int = 1) -> Turn:
        """Return the turn of `work`, which is called with it.

        Raises:
            LineFullError: If `length` pieces are waiting.
        """
        turn = Turn(work, size, total)
        with self._changed:
            self.check_room()
            self._waiting.append(turn)
            if self._thread is None:
                self._thread = threading.Thread(target=self._work, name="turns", daemon=True)
                self._thread.start()
            self._changed.notify()
        return turn

    def ahead(self, turn: Turn) -> int:
        """Return how many are worked off before `turn`, the one at work included."""
        with self._changed:
            if turn not in self._waiting:
                return 0
            return self._waiting.index(turn) + (self._now is not None)

    def left(self, turn: Turn) -> float | None:
        """Return in how many seconds `turn` will be done, if anything is known of that."""
        with self._changed:
            before: list[Turn] = []
            if turn in self._waiting:
                before = [*self._waiting][: self._waiting.index(turn)]
                before += [self._now] if self._now is not None else []
            if self._rate is None and (turn.began is None or not turn.done):
                return None
            return self._seconds([*before, turn])

    def give_up(self, turn: Turn) -> None:
        """Take `turn` out of the line; if it is at work, it ends with its next step."""
        with self._changed:
            turn.unwanted = True
            if turn in self._waiting:
                self._waiting.remove(turn)
                turn.result.cancel()

    def _seconds(self, turns: list[Turn]) -> float:
        return sum((self._seconds_of(turn) for turn in turns), 0.0)

    def _seconds_of(self, turn: Turn) -> float:
        whole = turn.size * (self._rate or 0.0)
        if turn.began is None:
            return whole
        spent = time.monotonic() - turn.began
        if 0 < turn.done < turn.total:
            return spent / turn.done * (turn.total - turn.done)
        return max(0.0, whole - spent)

    def _work(self) -> None:
        while True:
            with self._changed:
                while not self._waiting:
                    self._changed.wait()
                turn = self._now = self._waiting.popleft()
                turn.began = time.monotonic()
                turn.result.set_running_or_notify_cancel()
            outcome: Any = None
            failure: BaseException | None = None
            try:
                outcome = turn.work(turn)
            except BaseException as error:
                failure = error
            with self._changed:
                self._now = None
                if failure is None:
                    self._rate = (time.monotonic() - turn.began) / turn.size
                    self.finished += 1
                else:
                    self.failed += not isinstance(failure, Stopped)
            if failure is None:
                turn.result.set_result(outcome)
            else:
                turn.result.set_exception(failure)
            del turn, outcome, failure  # an idle thread holds no photograph
