"""Sensor noise: Gaussian and Poisson, each image from its own generator."""

from __future__ import annotations

from functools import cache

import torch
from jaxtyping import Float, Int
from kornia.color import rgb_to_grayscale
from torch import Tensor

GREY_LEVELS = 256


def add_gaussian_noise(
    image: Float[Tensor, "c h w"], sigma: float, grey: bool, generator: torch.Generator
) -> Float[Tensor, "c h w"]:
    """`image` plus white Gaussian noise; not clamped.

    Args:
        image: In [0, 1].
        sigma: Standard deviation, in units of that range.
        grey: Whether the noise is the same in all channels.
        generator: On the image's device.
    """
    shape = (1, *image.shape[1:]) if grey else image.shape
    noise = torch.randn(shape, generator=generator, device=image.device)
    return image + sigma * noise.to(image)


def add_poisson_noise(
    image: Float[Tensor, "c h w"], scale: float, grey: bool, generator: torch.Generator
) -> Float[Tensor, "c h w"]:
    """`image` plus shot noise, stronger where it is bright; not clamped.

    scale * (Poisson(peak * x) / peak - x), x the image at 8 bits and `peak` the power of two at or
    above the number of its distinct values (Real-ESRGAN). Its variance is scale^2 * x / peak.

    Args:
        image: In [0, 1].
        scale: Factor of the noise.
        grey: Whether the noise is that of the luminance, the same in all channels.
        generator: On the image's device.
    """
    seen = rgb_to_grayscale(image) if grey and len(image) == 3 else image
    levels = (seen.clamp(0, 1) * (GREY_LEVELS - 1)).round().int()
    distinct = int(torch.bincount(levels.flatten(), minlength=GREY_LEVELS).count_nonzero())
    peak = 1 << (distinct - 1).bit_length()
    counts = _poisson(levels, peak, generator)
    noise = counts / peak - levels / (GREY_LEVELS - 1)
    return image + scale * noise.to(image)


def _poisson(
    levels: Int[Tensor, "c h w"], peak: int, generator: torch.Generator
) -> Int[Tensor, "c h w"]:
    """Poisson counts of rate peak * levels / 255, exact to the resolution of a float32 uniform.

    As there are only 256 rates, each has a table (Walker's alias method: one uniform picks a
    column, its fraction the column's own outcome or its alias), a fifth of the time of
    `torch.poisson` on a CPU.
    """
    keep, alias = (table.to(levels.device) for table in _alias_tables(peak))
    columns = keep.numel() // GREY_LEVELS
    u = torch.rand(levels.shape, generator=generator, device=levels.device) * columns
    column = u.int().clamp(max=columns - 1)
    cell = (levels * columns + column).flatten()
    own = (u - column).flatten() < keep.index_select(0, cell)
    return torch.where(own, column.flatten(), alias.index_select(0, cell)).view(levels.shape)


@cache
def _alias_tables(peak: int) -> tuple[Tensor, Tensor]:
    """Probability that a column keeps its own outcome, and the outcome else: flat (256 * K)."""
    columns = int(peak + 8 * peak**0.5 + 16)
    count = torch.arange(columns, dtype=torch.float64)
    rate = torch.arange(GREY_LEVELS, dtype=torch.float64)[:, None] * peak / (GREY_LEVELS - 1)
    pmf = torch.exp(torch.xlogy(count, rate) - rate - torch.lgamma(count + 1))
    keep, alias = zip(*(_alias_table(row) for row in pmf.tolist()), strict=True)
    return torch.tensor(keep, dtype=torch.float32).flatten(), torch.tensor(alias).int().flatten()


def _alias_table(pmf: list[float]) -> tuple[list[float], list[int]]:
    """The alias table of one distribution, by Vose's construction."""
    total = sum(pmf)
    keep = [p * len(pmf) / total for p in pmf]
    alias = list(range(len(pmf)))
    poor = [i for i, p in enumerate(keep) if p < 1]
    rich = [i for i, p in enumerate(keep) if p >= 1]
    while poor and rich:
        taker, giver = poor.pop(), rich[-1]
        alias[taker] = giver
        keep[giver] -= 1 - keep[taker]
        if keep[giver] < 1:
            poor.append(rich.pop())
    for i in (*poor, *rich):  # what rounding left over is full
        keep[i] = 1.0
    return keep, alias
