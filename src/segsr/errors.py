"""The one error that is meant for the user's eyes, and the one way to be told to stop."""

from __future__ import annotations

import signal
from pathlib import Path


class SegSRError(Exception):
    """Something the user can put right; the command line shows it as one line, without a traceback.

    The message gives the value, the rule and the remedy:
    "LQ size must be a multiple of 8, got 50x64: pad to 56x64".
    """


class DivergenceError(SegSRError):
    """A training broke down and all its ranks stopped together; rank zero tells of it."""


class Interrupted(KeyboardInterrupt):
    """A run was told to stop by a signal and has saved where it stands.

    Attributes:
        number: The signal.
    """

    def __init__(self, number: int) -> None:
        super().__init__(signal.Signals(number).name)
        self.number = number


def about(path: Path, reason: str) -> str:
    """Return `reason` with the file it is about before it, unless it names the file itself."""
    return reason if str(path) in reason else f"{path}: {reason}"
