"""True colours: what a restoration shifts is taken back from the photograph (StableSR's two ways).

The reference is the LQ photograph at HQ size, the canvas. `adain` gives every channel the
reference's mean and standard deviation, over the whole photograph. `wavelet` replaces all that is
coarser than about 31 pixels by the reference's. A photograph of any size goes in bands of rows, so
that memory stays that of the photograph itself.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch
from jaxtyping import Float, UInt8
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import SCALE
from segsr.model.options import Colour
from segsr.nets.resize_codec import to_canvas

LEVELS = 5
REACH = 2**LEVELS - 1
"""Pixels to each side on which a low frequency depends: 1 + 2 + 4 + 8 + 16."""
_EPSILON = 2.5e-6  # of variances in [0, 1]: StableSR's 1e-5 in [-1, 1]
_PIXELS = 2**21  # of a band


def adain(image: Float[Tensor, "c h w"], reference: Float[Tensor, "c h w"]) -> Tensor:
    """Return `image` with the mean and standard deviation of `reference`, channel by channel."""
    gain, offset = _gain_and_offset(*_moments([image]), *_moments([reference]))
    return image * gain.to(image) + offset.to(image)


def wavelet(image: Float[Tensor, "c h w"], reference: Float[Tensor, "c h w"]) -> Tensor:
    """Return the high frequencies of `image` over the low ones of `reference`.

    high(x) = x - low(x) and `low` is linear, so high(image) + low(reference) is one filtering.
    """
    return image + low_frequencies(reference - image)


def low_frequencies(image: Float[Tensor, "c h w"]) -> Float[Tensor, "c h w"]:
    """Return `image` filtered by [1 2 1; 2 4 2; 1 2 1] / 16, dilated by 1, 2, 4, 8 and 16 in turn.

    Edges are repeated.
    """
    for level in range(LEVELS):
        image = _smooth(_smooth(image, 2**level, -1), 2**level, -2)
    return image


def match_colour_(
    image: Float[Tensor, "3 sh sw"] | UInt8[Tensor, "3 sh sw"],
    lq: Float[Tensor, "3 h w"],
    colour: Colour,
) -> None:
    """Give a restored photograph the colours of the photograph, in place.

    Args:
        image: The restored photograph, in [0, 1] or as 8-bit samples; overwritten.
        lq: The photograph, in [0, 1], SCALE times smaller.
        colour: How.
    """
    if colour == "adain":
        _adain_(image, lq)
    elif colour == "wavelet":
        _wavelet_(image, lq)


def _adain_(image: Tensor, lq: Tensor) -> None:
    found = _moments(_values(image[:, first:last]) for first, last in _bands(image))
    wanted = _moments(_reference(lq, image, first, last) for first, last in _bands(image))
    gain, offset = (x.to(image.device, torch.float32) for x in _gain_and_offset(*found, *wanted))
    for first, last in _bands(image):
        rows = image[:, first:last]
        _write(rows, _values(rows) * gain + offset)


def _wavelet_(image: Tensor, lq: Tensor) -> None:
    height = image.shape[1]
    above = image[:, :0]
    for first, last in _bands(image):
        top, bottom = max(first - REACH, 0), min(last + REACH, height)
        seen = _values(torch.cat([above, image[:, first:bottom]], 1))
        above = image[:, max(last - REACH, 0) : last].clone()  # as it was before it is overwritten
        found = wavelet(seen, _reference(lq, image, top, bottom))
        _write(image[:, first:last], found[:, first - top : last - top])


def _bands(image: Tensor) -> Iterator[tuple[int, int]]:
    """First and last row of bands of about `_PIXELS`, none but the last lower than `REACH`."""
    height, width = image.shape[-2:]
    rows = max(_PIXELS // width, 2 * REACH)
    for first in range(0, height, rows):
        yield first, min(first + rows, height)


def _reference(lq: Tensor, like: Tensor, first: int, last: int) -> Tensor:
    """Rows of the canvas; a cubic kernel reaches two LQ rows to either side."""
    begin, end = max(first // SCALE - 2, 0), (last - 1) // SCALE + 3
    canvas = to_canvas(lq[None, :, begin:end].to(like.device, torch.float32))[0]
    return canvas[:, first - SCALE * begin : last - SCALE * begin]


def _values(image: Tensor) -> Tensor:
    return image.float() / 255 if image.dtype == torch.uint8 else image


def _write(rows: Tensor, values: Tensor) -> None:
    values = values.clamp(0, 1)
    rows.copy_((values * 255).round() if rows.dtype == torch.uint8 else values)


def _moments(parts: Iterator[Tensor] | list[Tensor]) -> tuple[Tensor, Tensor]:
    """Mean and variance of each channel over all parts, (c, 1, 1) in float64."""
    sums, squares, count = torch.zeros(()).double(), torch.zeros(()).double(), 0
    for part in parts:
        exact = part.flatten(1).double().cpu()
        sums, squares = sums + exact.sum(1), squares + exact.square().sum(1)
        count += exact.shape[1]
    mean, square = ((x / count)[:, None, None] for x in (sums, squares))
    return mean, (square - mean.square()).clamp(min=0)


def _gain_and_offset(
    mean: Tensor, variance: Tensor, wanted_mean: Tensor, wanted_variance: Tensor
) -> tuple[Tensor, Tensor]:
    gain = ((wanted_variance + _EPSILON) / (variance + _EPSILON)).sqrt()
    return gain, wanted_mean - gain * mean


def _smooth(image: Tensor, reach: int, axis: int) -> Tensor:
    """[1 2 1] / 4 along one axis, dilated by `reach`."""
    around = (reach, reach) if axis == -1 else (0, 0, reach, reach)
    padded = F.pad(image, around, mode="replicate")
    side = image.shape[axis]
    neighbours = padded.narrow(axis, 0, side) + padded.narrow(axis, 2 * reach, side)
    return neighbours.add_(image, alpha=2).div_(4)
