"""What every labeller is: photographs in, a score per class and pixel out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple, Protocol, runtime_checkable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX

Size = tuple[int, int]
"""Height and width in pixels."""


@runtime_checkable
class Labeler(Protocol):
    """A network that knows a list of classes.

    Attributes:
        classes: Names by class index; those of the masks it draws.
    """

    classes: Sequence[str]

    def scores(self, images: Float[Tensor, "b 3 h w"], size: Size) -> Float[Tensor, "b c oh ow"]:
        """Return each class's score in [0, 1] for each pixel of `images` (RGB in [0, 1]).

        Args:
            images: Photographs of any size; the labeller resizes them to what it was trained on.
            size: Height and width of the scores, usually those of the photographs.
        """
        ...


class Labels(NamedTuple):
    """Masks and how sure the labeller is of each pixel.

    Attributes:
        masks: Class indices, `IGNORE_INDEX` where no score exceeds the threshold.
        confidence: The best class's score in [0, 1].
    """

    masks: Int[Tensor, "b h w"]
    confidence: Float[Tensor, "b h w"]


@torch.no_grad()
def label(
    labeler: Labeler,
    images: Float[Tensor, "b 3 h w"],
    *,
    size: Size | None = None,
    threshold: float = 0.0,
) -> Labels:
    """Return the masks that `labeler` draws of `images`.

    Args:
        labeler: On the images' device.
        images: RGB in [0, 1].
        size: Height and width of the masks; those of the images if None.
        threshold: Least score of a label; at 0 the best class always wins, as in X-Decoder's own
            semantic segmentation. A pixel whose scores are all zero has no label even then.
    """
    height, width = images.shape[-2:]
    confidence, masks = labeler.scores(images, size or (height, width)).max(dim=1)
    unsure = (confidence < threshold) | (confidence <= 0)
    return Labels(masks.masked_fill(unsure, IGNORE_INDEX), confidence)


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
