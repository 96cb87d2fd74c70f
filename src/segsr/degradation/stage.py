"""What a stage of a recipe is: it draws a sample's parameters, and applies drawn ones.

Drawn parameters are plain numbers and words (JSON), and all that is random: noise is drawn from a
seed among them. So a stage applied to the same image with the same parameters does the same again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor

Params = dict[str, Any]
"""What a stage drew for one sample: JSON."""


@runtime_checkable
class Stage(Protocol):
    """One step of a recipe."""

    def draw(self, generator: torch.Generator) -> Params:
        """Parameters for one sample, from its own CPU generator."""
        ...

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """The images (C, h, w) after this stage, each with its own parameters and of its own size.

        Images that share a size go through as one batch.

        Args:
            images: In [0, 1].
            params: What `draw` returned for each.
            lq_size: Height and width of the LQ images in the end.
        """
        ...


def apply_all(
    stages: Mapping[str, Stage],
    images: list[Tensor],
    params: Sequence[Params],
    lq_size: tuple[int, int],
) -> list[Tensor]:
    """The images after all `stages`; `params` are by stage, one dict per image."""
    for name, stage in stages.items():
        images = stage.apply(images, [drawn[name] for drawn in params], lq_size)
    return images


def by_size(images: Sequence[Tensor]) -> list[list[int]]:
    """Indices of the images that share a size, group by group."""
    groups: dict[torch.Size, list[int]] = {}
    for i, image in enumerate(images):
        groups.setdefault(image.shape, []).append(i)
    return list(groups.values())
