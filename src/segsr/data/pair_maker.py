"""One photograph to one pair, as bytes."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from jaxtyping import UInt8
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import SCALE
from segsr.data.crop import centre_crop, crop_to_multiple
from segsr.data.read import SamplePixels
from segsr.degradation import Pipeline
from segsr.errors import SegSRError
from segsr.files.pixels import read_image
from segsr.nets.resize_codec import pillow_bicubic
from segsr.seeding import generator


@dataclass(frozen=True)
class Pair:
    """A pair and how it came about; images are (3, H, W) in 0..255.

    Attributes:
        hq: The ground truth, sharpened where the degradation says so.
        lq: The degraded image, 1 / SCALE of the size.
        bicubic: `lq` enlarged to the size of `hq`.
        params: What the degradation drew, by stage.
    """

    hq: UInt8[Tensor, "3 h w"]
    lq: UInt8[Tensor, "3 lh lw"]
    bicubic: UInt8[Tensor, "3 h w"]
    params: dict[str, Any]


@dataclass(frozen=True)
class PairMaker:
    """Makes pairs that depend on the seed and a photograph's file name, on nothing else.

    They are those that `PairDataModule` synthesises in evaluation from the same pixels.

    Args:
        degradation: A recipe whose images are rounded to 8 bits.
        seed: Key of all randomness, together with the file name.
        short_side: Resize the photograph first, so that its shorter side has this many pixels
            (bicubic, antialiased); None keeps its size.
        crop: Side of the centre crop; None keeps all that is a multiple of SCALE.

    Raises:
        SegSRError: A size that makes no sense, or a recipe that does not round.
    """

    degradation: Pipeline
    seed: int = 0
    short_side: int | None = None
    crop: int | None = None

    def __post_init__(self) -> None:
        for name, side in (("short_side", self.short_side), ("crop", self.crop)):
            if side is not None and (side < SCALE or (name == "crop" and side % SCALE)):
                raise SegSRError(f"{name} must be a positive multiple of {SCALE}, got {side}")
        if self.short_side and self.crop and self.crop > self.short_side:
            raise SegSRError(
                f"crop={self.crop} is larger than short_side={self.short_side}: enlarge one or "
                "shrink the other"
            )
        if not self.degradation.rounded:
            raise SegSRError("pairs are written as 8-bit files: set degradation.rounded=true")

    def __call__(self, path: Path) -> Pair:
        """The pair of the photograph in `path`.

        Raises:
            SegSRError: The file is unreadable, or smaller than the crop.
        """
        pixels = read_image(path)
        if self.short_side is not None:
            pixels = resize_short_side(pixels, self.short_side)
        height, width = pixels.shape[1:]
        if self.crop is not None and min(height, width) < self.crop:
            raise SegSRError(
                f"{path} is {width}x{height}, smaller than crop={self.crop}: leave it out or set "
                "short_side"
            )
        photo = SamplePixels(path.name, pixels)
        photo = (
            crop_to_multiple(photo, SCALE) if self.crop is None else centre_crop(photo, self.crop)
        )
        key = generator(self.seed, "degrade", path.name)
        hq, lq, params = self.degradation(photo.hq[None] / 255, [key], return_params=True)
        return Pair(_bytes(hq), _bytes(lq), _bytes(pillow_bicubic(lq)), params[0])


def resize_short_side(pixels: UInt8[Tensor, "3 h w"], side: int) -> UInt8[Tensor, "3 nh nw"]:
    """`pixels` with the shorter side of `side` pixels, the other in proportion (bicubic)."""
    height, width = pixels.shape[1:]
    scale = side / min(height, width)
    size = (max(side, round(height * scale)), max(side, round(width * scale)))
    if size == (height, width):
        return pixels
    resized: Tensor = F.interpolate(pixels[None], size, mode="bicubic", antialias=True)[0]
    return resized


def _bytes(images: Tensor) -> Tensor:
    return (images[0] * 255).round().to(torch.uint8)
