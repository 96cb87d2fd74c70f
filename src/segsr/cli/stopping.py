"""Ctrl-C and SIGTERM, which Lightning takes for ends of its own."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

from segsr.errors import Interrupted


@contextmanager
def lightnings_exit_unwrapped() -> Iterator[None]:
    """Raises the KeyboardInterrupt that Lightning turned into exit status 1.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed, or SIGTERM came (then `segsr.errors.Interrupted`).
    """
    try:
        yield
    except SystemExit as error:
        if isinstance(error.__context__, KeyboardInterrupt):
            raise error.__context__ from None
        raise


@contextmanager
def sigterm_interrupts() -> Iterator[None]:
    """Makes of SIGTERM, which `Trainer.predict` would only log, what Ctrl-C is."""

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise Interrupted(number)

    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)
