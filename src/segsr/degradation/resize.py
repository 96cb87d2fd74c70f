"""Resize stages: by a random factor, and to the LQ size."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import get_args

import torch
from torch import Tensor

from segsr.degradation import draws, ops
from segsr.degradation.draws import Number, Range
from segsr.degradation.ops import ResizeMode
from segsr.degradation.stage import Params
from segsr.errors import SegSRError


@dataclass(frozen=True)
class Resize:
    """Resize by a random factor in a random mode.

    Args:
        scale: Lowest and highest factor; enlarging draws from 1 up, shrinking from 1 down.
        up_prob: Probability of enlarging.
        down_prob: Probability of shrinking; else the factor is 1.
        of: What the factor refers to: the "image" as it comes, or the size of the "lq" image in
            the end (Real-ESRGAN's second order).
        modes: Equally likely; see `ops.ResizeMode`.
        antialias: See `ops.resize`.

    Raises:
        SegSRError: A range, probability or mode that makes no sense.
    """

    scale: Range
    up_prob: Number
    down_prob: Number
    of: str = "image"
    modes: Sequence[str] = ("area", "bilinear", "bicubic")
    antialias: bool = False

    def __post_init__(self) -> None:
        draws.check_range("scale", self.scale, 1e-2, 16)
        draws.check_probability(up_prob=self.up_prob, down_prob=self.down_prob)
        if self.up_prob + self.down_prob > 1 + 1e-9:
            raise SegSRError(
                f"up_prob and down_prob must not exceed 1 together, got {self.up_prob} and "
                f"{self.down_prob}: lower one"
            )
        if (self.up_prob and self.scale[1] < 1) or (self.down_prob and self.scale[0] > 1):
            raise SegSRError(
                f"scale must reach to 1 from below to shrink and above it to enlarge, got "
                f"{list(self.scale)} with up_prob={self.up_prob} and down_prob={self.down_prob}"
            )
        draws.check_options("of", [self.of], ("image", "lq"))
        draws.check_options("modes", self.modes, get_args(ResizeMode))

    def draw(self, generator: torch.Generator) -> Params:
        """The factor and the mode."""
        direction = draws.weighted(
            {
                "up": self.up_prob,
                "down": self.down_prob,
                "keep": max(0.0, 1 - self.up_prob - self.down_prob),
            },
            generator,
        )
        low, high = self.scale
        span = {"up": (max(1, low), high), "down": (low, min(1, high)), "keep": (1, 1)}[direction]
        return {"scale": draws.uniform(span, generator), "mode": draws.pick(self.modes, generator)}

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image at its own size, which is rounded down but to no less than a pixel."""
        result = []
        for image, drawn in zip(images, params, strict=True):
            base = image.shape[-2:] if self.of == "image" else lq_size
            height, width = (max(1, int(side * drawn["scale"])) for side in base)
            result.append(_resized(image, (height, width), drawn["mode"], self.antialias))
        return result


@dataclass(frozen=True)
class Shrink:
    """Resize to the LQ size, in a random mode.

    Args:
        modes: Equally likely; see `ops.ResizeMode`.
        antialias: See `ops.resize`.

    Raises:
        SegSRError: An unknown mode.
    """

    modes: Sequence[str] = ("area", "bilinear", "bicubic")
    antialias: bool = False

    def __post_init__(self) -> None:
        draws.check_options("modes", self.modes, get_args(ResizeMode))

    def draw(self, generator: torch.Generator) -> Params:
        """The mode."""
        return {"mode": draws.pick(self.modes, generator)}

    def apply(
        self, images: list[Tensor], params: Sequence[Params], lq_size: tuple[int, int]
    ) -> list[Tensor]:
        """Each image at the LQ size."""
        return [
            _resized(image, lq_size, drawn["mode"], self.antialias)
            for image, drawn in zip(images, params, strict=True)
        ]


def _resized(image: Tensor, size: tuple[int, int], mode: ResizeMode, antialias: bool) -> Tensor:
    if image.shape[-2:] == size:
        return image
    return ops.resize(image[None], size, mode, antialias=antialias)[0]
