"""Any size: the x4 model once or twice, then a resize to the exact size."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int, UInt8
from PIL import Image
from torch import Tensor

from segsr.batch import SCALE
from segsr.errors import SegSRError

LARGEST = SCALE * SCALE
"""Largest factor: the model twice."""


@dataclass(frozen=True)
class Enlargement:
    """How a photograph reaches its size.

    Attributes:
        passes: How often the model is asked, 1 or 2.
        height: Of the result.
        width: Of the result.
        resized: Whether the last pass leaves another size.
    """

    passes: int
    height: int
    width: int
    resized: bool

    def __str__(self) -> str:
        twice = f"x{SCALE}" if self.passes == 1 else f"x{SCALE} twice"
        return f"{twice}, then resized to {self.width}x{self.height}" if self.resized else twice


@dataclass(frozen=True)
class Size:
    """The size a user wants of a result, in one of three ways; x4 if in none.

    Attributes:
        scale: Times the photograph's, from 1 to `LARGEST`.
        long_side: Pixels of the longer side.
        size: Width and height, of the photograph's shape.

    Raises:
        SegSRError: If several are given, or a value is out of its range.
    """

    scale: float | int | None = None
    long_side: int | None = None
    size: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        given = [x for x in (self.scale, self.long_side, self.size) if x is not None]
        if len(given) > 1:
            raise SegSRError("scale, long_side and size each give the size: leave one of them.")
        if self.scale is not None and not 1 <= self.scale <= LARGEST:
            raise SegSRError(f"scale is {self.scale}, but must be from 1 to {LARGEST}.")
        sides = [self.long_side] if self.long_side is not None else self.size or []
        if any(side < 1 for side in sides):
            raise SegSRError(f"a side of {min(sides)} px was asked for: give at least 1.")

    def of(self, height: int, width: int) -> Enlargement:
        """Return how a photograph of so many pixels reaches this size.

        Raises:
            SegSRError: If that is smaller than the photograph, too large, or of another shape.
        """
        tall, wide = self._sides(height, width)
        factor = max(tall / height, wide / width)
        if tall < height or wide < width or factor > LARGEST:
            raise SegSRError(
                f"{wide}x{tall} px is {factor:.3g} times a photograph of {width}x{height} px, but"
                f" from 1 to {LARGEST} times can be had: give --scale, or resize it first."
            )
        passes = 1 if tall <= SCALE * height and wide <= SCALE * width else 2
        full = SCALE**passes
        return Enlargement(passes, tall, wide, (tall, wide) != (full * height, full * width))

    def _sides(self, height: int, width: int) -> tuple[int, int]:
        if self.size is not None:
            wide, tall = self.size
            fitting = round(height * wide / width), round(width * tall / height)
            if abs(fitting[0] - tall) > 1 and abs(fitting[1] - wide) > 1:
                raise SegSRError(
                    f"{wide}x{tall} px has another shape than a photograph of {width}x{height} px:"
                    f" give {wide}x{fitting[0]} or {fitting[1]}x{tall}, and crop the result."
                )
            return tall, wide
        if self.long_side is not None:
            factor = self.long_side / max(height, width)
        else:
            factor = SCALE if self.scale is None else self.scale
        return max(1, round(factor * height)), max(1, round(factor * width))


def resize(
    image: Float[Tensor, "c h w"] | UInt8[Tensor, "c h w"], height: int, width: int
) -> Float[Tensor, "c nh nw"] | UInt8[Tensor, "c nh nw"]:
    """Return `image` at another size, by Pillow's antialiased Lanczos filter, of its own type.

    A channel at a time, to spare memory; values in [0, 1] stay within.
    """
    found = torch.empty(len(image), height, width, dtype=image.dtype)
    for channel, result in zip(image.detach().cpu(), found, strict=True):
        picture = Image.fromarray(channel.numpy()).resize((width, height), Image.Resampling.LANCZOS)
        result.copy_(torch.from_numpy(np.array(picture)))
    found = found if image.dtype == torch.uint8 else found.clamp_(0, 1)
    return found.to(image.device)


def resize_mask(mask: Int[Tensor, "h w"], height: int, width: int) -> Int[Tensor, "nh nw"]:
    """Return classes at another size: those of the nearest pixel."""
    rows, columns = (
        (2 * torch.arange(new, device=mask.device) + 1) * old // (2 * new)
        for old, new in zip(mask.shape, (height, width), strict=True)
    )
    return mask[rows][:, columns]
