"""What a task found for a batch, for callbacks to write."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class Predictions(NamedTuple):
    """Results of a batch.

    Attributes:
        names: File names of the photographs.
        images: (B, 3, H, W) in [0, 1]; None of a task that makes none.
        masks: Classes (B, H, W); None of a task that makes none.
    """

    names: list[str]
    images: Tensor | None
    masks: Tensor | None
