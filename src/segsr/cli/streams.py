"""A photograph from standard input, a result to standard output."""

from __future__ import annotations

import sys
from pathlib import Path

from segsr.errors import SegSRError

STREAM = "-"
"""What stands for standard input or output in place of a file."""


def take_in(folder: Path) -> Path:
    """Write what comes from standard input into a file of `folder`, and return it.

    Raises:
        SegSRError: If nothing comes.
    """
    if sys.stdin.isatty():
        raise SegSRError("- reads a photograph from standard input: segsr upscale - < photo.jpg")
    content = sys.stdin.buffer.read()
    if not content:
        raise SegSRError("standard input is empty: hand a photograph in")
    path = folder / "stdin"
    path.write_bytes(content)
    return path


def check_output() -> None:
    """Check that a picture can be written to standard output.

    Raises:
        SegSRError: If a terminal would have to show it.
    """
    if sys.stdout.isatty():
        raise SegSRError("-o - writes a picture to standard output: add > result.png")


def hand_out(path: Path) -> None:
    """Write a file to standard output."""
    sys.stdout.buffer.write(path.read_bytes())
    sys.stdout.buffer.flush()
