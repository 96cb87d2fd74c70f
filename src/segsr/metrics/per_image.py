"""The mean over images of a per-image score: the shell around every score in this package."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float
from torch import Tensor
from torchmetrics import Metric


class PerImageMean(Metric):
    """Averages `score(restored, hq)` over the images of a set, each image counting once.

    The value does not depend on how the set is cut into batches or spread over devices; an empty
    set gives nan.

    Of a score that falls as images get better, derive a class that says so: torchmetrics wants
    `higher_is_better` on the class.

    Args:
        score: Pure function of two batches of images, float (b, 3, h, w) in [0, 1], to one number
            per image, float (b,).
    """

    higher_is_better = True
    full_state_update = False
    is_differentiable = False

    total: Tensor
    count: Tensor

    def __init__(self, score: Callable[[Tensor, Tensor], Tensor]) -> None:
        super().__init__()
        self.score = score
        self.add_state("total", torch.zeros(()), dist_reduce_fx="sum")
        self.add_state("count", torch.zeros((), dtype=torch.int64), dist_reduce_fx="sum")

    def update(self, restored: Float[Tensor, "b 3 h w"], hq: Float[Tensor, "b 3 h w"]) -> None:
        """Add the images of one batch."""
        self.total += self.score(restored, hq).sum()
        self.count += len(hq)

    def compute(self) -> Float[Tensor, ""]:
        """Return the mean score over all images seen since the last reset."""
        return self.total / self.count
