"""The JPEG stage: a random quality for each sample; the codec is in `jpeg.py`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segsr.degradation import draws, ops
from segsr.degradation.draws import Range
from segsr.degradation.jpeg import jpeg
from segsr.degradation.stage import Params, by_size


@dataclass(frozen=True)
class Jpeg:
    """JPEG compression and decompression; the result is rounded to 8 bits, as decoders give it.

    Args:
        quality: From 1 (worst) to 100.

    Raises:
        SegSRError: A range that makes no sense.
    """

    quality: Range

    def __post_init__(self) -> None:
        draws.check_range("quality", self.quality, 1, 100)

    def draw(self, generator: torch.Generator) -> Params:
        """The quality, a real number: the codec interpolates between whole ones."""
        return {"quality": draws.uniform(self.quality, generator)}

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image compressed with its own quality."""
        result = list(images)
        for group in by_size(images):
            quality = torch.tensor([float(params[i]["quality"]) for i in group])
            compressed = ops.quantise(jpeg(torch.stack([images[i] for i in group]), quality))
            for i, image in zip(group, compressed, strict=True):
                result[i] = image
        return result
