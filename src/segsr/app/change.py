"""What a painted mask changed of a picture: seen in the result, not promised by the model."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from segsr.batch import IGNORE_INDEX
from segsr.inference.size import resize_mask

Pixels = npt.NDArray[np.uint8]  # (H, W, 3)
Mask = npt.NDArray[np.integer]


@dataclass(frozen=True)
class Change:
    """Differences between two restorations of a photograph, with and without what was painted.

    Attributes:
        inside: Mean absolute difference where something was painted, in steps of 255.
        outside: The same elsewhere; 0 if everything was painted.
        news: Share of what was painted that the first mask did not say itself.
    """

    inside: float
    outside: float
    news: float

    @property
    def sentence(self) -> str:
        """What to tell the visitor."""
        if self.inside > 0:
            return (
                f"Where you painted, the picture changed by {self.inside:.2f} of 255 on average;"
                f" elsewhere by {self.outside:.2f}."
            )
        if not self.news:
            return "The model had found the same classes there by itself, so nothing changed."
        return (
            "The mask follows what you painted, the picture did not change: this model's image"
            " branch does not follow the mask yet."
        )


def change(before: Pixels, after: Pixels, held: Mask, found: Mask) -> Change:
    """Return what holding `held` changed.

    Args:
        before: Picture restored without it.
        after: Picture restored with it, by the same settings.
        held: Painted classes (h, w), 255 where nothing was painted.
        found: Mask (H, W) of `before`.
    """
    wide = resize_mask(torch.from_numpy(held), *before.shape[:2]).numpy()
    cells = wide != IGNORE_INDEX
    by_row = np.abs(after.astype(np.int16) - before).mean(axis=2)
    return Change(
        inside=float(by_row[cells].mean()) if cells.any() else 0.0,
        outside=float(by_row[~cells].mean()) if not cells.all() else 0.0,
        news=float((found != wide)[cells].mean()) if cells.any() else 0.0,
    )
