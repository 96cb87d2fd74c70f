"""What one number of a table is: its name, its direction, how it comes of an image set."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Reduce = Callable[[npt.NDArray[np.float64]], float]
"""Measurements of n images (n, ...) to the one number of the set."""


def mean(values: npt.NDArray[np.float64]) -> float:
    """Return the mean over images: every image counts once."""
    return float(values.mean())


@dataclass(frozen=True)
class Column:
    """One number of a table.

    Attributes:
        name: As on the command line and in files, `psnr`.
        label: As in tables, `PSNR`.
        higher_is_better: The arrow beside the label.
        decimals: Digits after the point in tables.
        field: Which measurement of an image it comes of.
        reduce: How the measurements of all images become one number.
    """

    name: str
    label: str
    higher_is_better: bool
    decimals: int
    field: str
    reduce: Reduce = mean
