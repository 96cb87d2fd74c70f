"""JPEG as a decoder gives it back: baseline, 4:2:0, per-image quality.

Everything but one rounding is linear: colours to luminance and chroma, chroma halved, each 8x8
block through the cosine transform and divided by its quantisation table | round | and back
(ITU-T T.81; colour conversion by JFIF; quality and chroma interpolation as libjpeg has them).
"""

from __future__ import annotations

import math
from functools import cache

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

BLOCK = 8
_LUMINANCE = (
    (16, 11, 10, 16, 24, 40, 51, 61),
    (12, 12, 14, 19, 26, 58, 60, 55),
    (14, 13, 16, 24, 40, 57, 69, 56),
    (14, 17, 22, 29, 51, 87, 80, 62),
    (18, 22, 37, 56, 68, 109, 103, 77),
    (24, 35, 55, 64, 81, 104, 113, 92),
    (49, 64, 78, 87, 103, 121, 120, 101),
    (72, 92, 95, 98, 112, 100, 103, 99),
)
_CHROMA = (
    (17, 18, 24, 47, 99, 99, 99, 99),
    (18, 21, 26, 66, 99, 99, 99, 99),
    (24, 26, 56, 99, 99, 99, 99, 99),
    (47, 66, 99, 99, 99, 99, 99, 99),
    *((99,) * 8,) * 4,
)
"""T.81 tables K.1 and K.2, the tables of quality 50."""
_TO_YCC = ((0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312))
_TO_RGB = ((1.0, 0.0, 1.402), (1.0, -0.344136, -0.714136), (1.0, 1.772, 0.0))


def jpeg(
    images: Float[Tensor, "b c h w"], quality: Float[Tensor, " b"]
) -> Float[Tensor, "b c h w"]:
    """Images after JPEG at each one's own quality; in [0, 1], not rounded.

    Within 40 dB and more of what Pillow reads back.

    Args:
        images: In [0, 1]; RGB or grey, of any size (borders are repeated to whole blocks).
        quality: From 1 (worst) to 100, real numbers between whole ones.
    """
    height, width = images.shape[-2:]
    step = BLOCK if images.shape[1] == 1 else 2 * BLOCK
    padded = F.pad(images, (0, -width % step, 0, -height % step), mode="replicate")
    levels = padded.float() * 255
    quality = quality.to(levels)
    if images.shape[1] == 1:
        result = _coded(levels - 128, _LUMINANCE, quality) + 128
    else:
        ycc = _mixed(levels, _TO_YCC)
        luminance = _coded(ycc[:, :1] - 128, _LUMINANCE, quality) + 128
        chroma = _doubled(_coded(F.avg_pool2d(ycc[:, 1:], 2), _CHROMA, quality))
        result = _mixed(torch.cat([luminance, chroma], 1), _TO_RGB)
    return (result[..., :height, :width] / 255).clamp(0, 1).to(images.dtype)


def quantisation_table(
    table: tuple[tuple[int, ...], ...], quality: Float[Tensor, " b"]
) -> Float[Tensor, "b 8 8"]:
    """A quality-50 table at other qualities, by libjpeg's rule: whole numbers from 1 to 255."""
    scale = torch.where(quality < 50, 5000 / quality, 200 - 2 * quality).floor()
    base = torch.tensor(table).to(quality)
    return ((base * scale[:, None, None] + 50) / 100).floor().clamp(1, 255)


def _coded(planes: Tensor, table: tuple[tuple[int, ...], ...], quality: Tensor) -> Tensor:
    """Planes (B, C, H, W) around 0 through transform, rounding and back."""
    b, c, h, w = planes.shape
    steps = quantisation_table(table, quality).view(b, 1, -1)
    transform = _block_transform().to(planes)  # (64 pixels, 64 coefficients), orthonormal
    blocks = planes.view(b, c, h // BLOCK, BLOCK, w // BLOCK, BLOCK).transpose(3, 4)
    coefficients = blocks.reshape(b, -1, BLOCK * BLOCK) @ (transform / steps)
    blocks = coefficients.round() @ (transform * steps).mT
    return (
        blocks.view(b, c, h // BLOCK, w // BLOCK, BLOCK, BLOCK).transpose(3, 4).reshape(b, c, h, w)
    )


def _mixed(images: Tensor, matrix: tuple[tuple[float, ...], ...]) -> Tensor:
    """The channels of `images` mixed by a (3, 3) matrix."""
    return (torch.tensor(matrix).to(images) @ images.flatten(2)).view(images.shape)


def _doubled(planes: Tensor) -> Tensor:
    """Planes at twice their size, each new pixel 3/4 of its own and 1/4 of the next nearest."""
    return F.interpolate(planes, scale_factor=2, mode="bilinear")


@cache
def _block_transform() -> Tensor:
    """The two-dimensional cosine transform of a flattened block, (64, 64), orthonormal."""
    k = torch.arange(BLOCK, dtype=torch.float64)
    cosine = torch.cos(math.pi * (2 * k[:, None] + 1) * k / (2 * BLOCK)) * math.sqrt(2 / BLOCK)
    cosine[:, 0] /= math.sqrt(2)
    return torch.kron(cosine, cosine).float()
