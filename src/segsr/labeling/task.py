"""A labeler of our own: the prior's network, trained on clean photographs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from jaxtyping import Float
from torch import Tensor

from segsr.checkpoints.folder import load_component
from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.labeling.base import Labeler, Size, resize_short_side

MULTIPLE = 32
"""Coarsest stride of SegFormer: sides are rounded to it."""


class TaskLabeler(Labeler):
    """The `prior` of a model folder as a labeler.

    Args:
        model: `compact_labeler` (ships with the package; street scenes), a model folder or hub id.
        short_side: Pixels of the short side that larger photographs are shrunk to;
            `compact_labeler` was trained on photographs of 256 to 512.
        classes: Names of the network's classes.

    Raises:
        SegSRError: If the folder holds no such network, or one with another number of classes, or
            the short side is too short.
    """

    def __init__(
        self,
        model: str | Path = "compact_labeler",
        *,
        short_side: int = 512,
        classes: Sequence[str] = CLASSES,
    ) -> None:
        super().__init__(classes)
        self.net = load_component(model, "prior").requires_grad_(False)
        if self.net.config.num_classes != len(classes):
            raise SegSRError(
                f"the labeler {model} knows {self.net.config.num_classes} classes, but "
                f"{len(classes)} names are given: give the names it was trained with"
            )
        if short_side < MULTIPLE:
            raise SegSRError(f"short_side must be at least {MULTIPLE} pixels, got {short_side}")
        self.short_side = short_side

    def scores(self, images: Float[Tensor, "b 3 h w"], size: Size) -> Float[Tensor, "b c sh sw"]:
        """Return the softmax over classes at a quarter of the network's input; see `Labeler`."""
        side = max(MULTIPLE, min(self.short_side, *images.shape[-2:]))
        logits = self.net(resize_short_side(images, side, MULTIPLE)).logits
        scores: Tensor = logits.float().softmax(dim=1)
        return scores
