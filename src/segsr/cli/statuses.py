"""Exit statuses of the command line, and what is told with them."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable, Collection

from segsr.errors import DivergenceError, Interrupted, SegSRError
from segsr.ranks import is_rank_zero

DONE = 0
FAILED = 1
"""A file failed; the rest was done."""
USAGE_ERROR = 2
"""What argparse takes for wrong usage, too."""
KILLED = 128
"""What a shell adds to the number of the signal that ended a process."""


def status(act: Callable[[], int]) -> int:
    """What `act` returns, or the status of how it ended: by a user's error or by a signal.

    Where all ranks stop together, rank zero's status tells it; another's would alarm the launcher.
    """
    try:
        return act()
    except DivergenceError as error:
        if not is_rank_zero():
            return DONE
        print(f"segsr: {error}", file=sys.stderr)
        return USAGE_ERROR
    except SegSRError as error:
        print(f"segsr: {error}", file=sys.stderr)
        return USAGE_ERROR
    except KeyboardInterrupt as stop:
        number = stop.number if isinstance(stop, Interrupted) else signal.SIGINT
        return KILLED + number if is_rank_zero() else DONE


def done_or_failed(failures: Collection[object]) -> int:
    """The status of work that went on after failures."""
    return FAILED if failures else DONE


def report_problems(problems: Collection[str]) -> int:
    """Print a line for each problem; the status of work that went on after them."""
    for problem in problems:
        print(f"segsr: {problem}", file=sys.stderr)
    return done_or_failed(problems)
