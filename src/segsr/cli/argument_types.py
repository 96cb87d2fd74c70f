"""What values of options must be."""

from __future__ import annotations

import argparse


def positive(text: str) -> int:
    """A whole number from 1 on."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"must be at least 1, got {number}")
    return number


def positive_or_zero(text: str) -> float:
    """A number from 0 on."""
    number = float(text)
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"must be 0 or more, got {text}")
    return number


def share(text: str) -> float:
    """A number from 0 to 1."""
    number = float(text)
    if not 0 <= number <= 1:
        raise argparse.ArgumentTypeError(f"must be from 0 to 1, got {number}")
    return number


def percent(text: str) -> int:
    """A whole number from 1 to 100."""
    number = int(text)
    if not 1 <= number <= 100:
        raise argparse.ArgumentTypeError(f"must be from 1 to 100, got {number}")
    return number


def tile(text: str) -> int | str:
    """`auto`, `off`, or the side of a tile in HQ pixels."""
    return text if text in ("auto", "off") else positive(text)


def width_by_height(text: str) -> tuple[int, int]:
    """Width and height in pixels, such as `3000x2000`."""
    width, by, height = text.lower().partition("x")
    if not by:
        raise argparse.ArgumentTypeError(f"must be like 3000x2000, got {text}")
    return positive(width), positive(height)
