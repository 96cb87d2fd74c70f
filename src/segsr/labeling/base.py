"""What every labeler is: photographs in, a score per class and pixel out."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX

Size = tuple[int, int]
"""Height and width in pixels."""


class Labeler(nn.Module, ABC):
    """A network that knows a list of classes.

    Args:
        classes: Names by class index; those of the masks it draws.
    """

    def __init__(self, classes: Sequence[str]) -> None:
        super().__init__()
        self.classes = tuple(classes)

    @abstractmethod
    def scores(self, images: Float[Tensor, "b 3 h w"], size: Size) -> Float[Tensor, "b c sh sw"]:
        """Return each class's score in [0, 1] at points of an even grid over `images`.

        Args:
            images: RGB in [0, 1], of any size; the labeler resizes them to what it was trained on.
            size: Height and width of the finest grid that is of use. A coarser one is as good where
                the network knows no finer: `label` interpolates it, a piece at a time.
        """


class Labels(NamedTuple):
    """Masks and how sure the labeler is of each pixel.

    Attributes:
        masks: Class indices, `IGNORE_INDEX` where no score reaches the threshold or all are 0.
        confidence: The best class's score in [0, 1].
    """

    masks: Int[Tensor, "b h w"]
    confidence: Float[Tensor, "b h w"]


LARGEST = 2**21
"""Points of the finest grid that a labeler is asked for: enough for photographs of 2 MP."""
PIECE = 2**17
"""Pixels whose scores are in memory at once; all of a photograph's take 140 MB a megapixel."""


@torch.no_grad()
def label(
    labeler: Labeler,
    images: Float[Tensor, "b 3 h w"],
    *,
    size: Size | None = None,
    threshold: float = 0.0,
) -> Labels:
    """Return the masks that `labeler` draws of `images`.

    Scores are resized bilinearly before the best class is taken.

    Args:
        labeler: On the images' device.
        images: RGB in [0, 1].
        size: Height and width of the masks; those of the images if None.
        threshold: Least score of a label; at 0 the best class always wins, as in X-Decoder's own
            semantic segmentation. A pixel whose scores are all zero has no label even then.
    """
    height, width = size or (images.shape[-2], images.shape[-1])
    shrink = min(1.0, (LARGEST / (height * width)) ** 0.5)
    finest = (max(1, round(shrink * height)), max(1, round(shrink * width)))
    scores = labeler.scores(images, finest)
    rows = max(1, PIECE // width)
    confidences, masks = [], []
    for each in scores:
        kept = _possible(each)
        best = [piece.max(dim=0) for piece in _enlarged(each[kept], (height, width), rows)]
        confidences.append(torch.cat([piece.values for piece in best]))
        masks.append(kept[torch.cat([piece.indices for piece in best])])
    confidence, mask = torch.stack(confidences), torch.stack(masks)
    unsure = (confidence < threshold) | (confidence <= 0)
    return Labels(mask.masked_fill(unsure, IGNORE_INDEX), confidence)


def _possible(scores: Float[Tensor, "c h w"]) -> Int[Tensor, " kept"]:
    """The classes that may be best somewhere between the points of the grid, in order.

    Of the four points around a place one has a weight of a quarter or more, so the best score there
    is a quarter of that point's best or more: a class that reaches this nowhere is nowhere best.
    """
    least = scores.amax(dim=0).min()
    return (scores.amax(dim=(1, 2)) >= least / 4).nonzero()[:, 0]


def _enlarged(
    scores: Float[Tensor, "c h w"], size: Size, rows: int
) -> Iterator[Float[Tensor, "c rows ow"]]:
    """What `F.interpolate(scores, size, mode="bilinear")` returns, so many rows at a time."""
    height, width = size
    old = scores.shape[-2]
    if scores.shape[-2:] == size:
        yield from torch.split(scores, rows, dim=1)
        return
    centres = (torch.arange(height, device=scores.device) + 0.5) * (old / height) - 0.5
    centres = centres.clamp(0, old - 1)
    upper = centres.floor().long().clamp(max=max(0, old - 2))
    for some, above in zip(torch.split(centres, rows), torch.split(upper, rows), strict=True):
        share = (some - above).to(scores.dtype)[:, None]
        below = (above + 1).clamp(max=old - 1)
        piece = torch.lerp(scores[:, above], scores[:, below], share)[None]
        yield F.interpolate(piece, (len(some), width), mode="bilinear")[0]


def resize_short_side(
    images: Float[Tensor, "b 3 h w"], side: int, multiple: int = 1
) -> Float[Tensor, "b 3 nh nw"]:
    """Return `images` with a short side of `side` pixels: bicubic, antialiased, in [0, 1].

    Args:
        images: RGB in [0, 1].
        side: Pixels of the short side.
        multiple: Both sides are rounded to the nearest multiple of it, one at least.
    """
    height, width = images.shape[-2:]
    factor = side / min(height, width)
    new = tuple(max(multiple, round(s * factor / multiple) * multiple) for s in (height, width))
    if new == (height, width):
        return images
    return F.interpolate(images, new, mode="bicubic", antialias=True).clamp(0, 1)
