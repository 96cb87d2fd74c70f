"""Photographs whose states do not fit into memory go in overlapping bands of rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import SCALE
from segsr.diffusion.state import Window
from segsr.inference.memory import Layout
from segsr.inference.restoration import Restoration, padded, restore
from segsr.inference.tiles import Tiling, ramp, rows_of
from segsr.model.joint import JointModel
from segsr.model.mask_branch import SEEN
from segsr.model.options import SamplingOptions
from segsr.nets.seg_prior import Prior


def restore_in_bands(
    model: JointModel,
    image: Float[Tensor, "3 h w"],
    noise: Callable[[int], torch.Generator],
    options: SamplingOptions,
    layout: Layout,
    *,
    mask: Int[Tensor, "mh mw"] | None = None,
    on_step: Callable[[int], None] = lambda t: None,
) -> Restoration:
    """Return `image` at SCALE times its size, restored band by band.

    Each band is a photograph of its own with its own noise; pictures of neighbours are blended over
    what they share, and their masks meet in the middle of it. A model that starts without noise
    (temperature 0) has the same picture in every cutting but for what lies beyond the overlap.

    Args:
        model: The trained model, on its device.
        image: The LQ photograph, in [0, 1].
        noise: The first row of a band to its CPU generator.
        options: How to sample.
        layout: How the photograph is cut.
        mask: See `segsr.inference.restoration.restore`.
        on_step: Called with t after every step of every band.

    Returns:
        The restoration with `image`, `mask` and `classes` as uint8, to spare memory.
    """
    height, width = image.shape[-2:]
    side, starts = bands(height, layout)
    seen = look(model, image)
    pixels = torch.empty(3, SCALE * height, SCALE * width, dtype=torch.uint8)
    masks, classes = (torch.empty(pixels.shape[1:], dtype=torch.uint8) for _ in range(2))
    per_row = 1 if mask is None else mask.shape[0] // height
    before = torch.empty(3, 0, SCALE * width)
    places = [SCALE * start for start in starts]
    for i, start in enumerate(starts):
        lq = image[:, start : start + side]
        prior = _prior_of(model, seen, lq, start, (height, width))
        part = restore(
            model,
            lq,
            noise(start),
            options,
            mask=None if mask is None else mask[per_row * start : per_row * (start + side)],
            tiling=layout.tiling,
            prior=prior,
            on_step=on_step,
        )
        weight = ramp(places[i], SCALE * side, places)[:, None]
        band = part.image.cpu() * weight
        band[:, : before.shape[1]] += before
        end = places[i + 1] if i + 1 < len(starts) else SCALE * height
        done = end - places[i]
        rows = slice(places[i], end)
        pixels[:, rows] = (band[:, :done].clamp(0, 1) * 255).round().byte()
        before = band[:, done:].clone()
        begin = places[i] if i == 0 else (places[i] + places[i - 1] + SCALE * side) // 2
        for whole, found in ((masks, part.mask), (classes, part.classes)):
            whole[begin : places[i] + SCALE * side] = found[begin - places[i] :].cpu().byte()
    return Restoration(pixels, masks, classes, [])


def look(model: JointModel, image: Float[Tensor, "3 h w"]) -> Prior:
    """Return what the prior says of the whole photograph; see `MaskBranch.look`.

    Of one that is larger than the prior is shown, no canvas is made: it sees the photograph itself,
    enlarged to what it may see or shrunk.
    """
    height, width = image.shape[-2:]
    shrink = min(1.0, (SEEN / (SCALE * SCALE * height * width)) ** 0.5)
    size = [max(32, round(SCALE * side * shrink / 32) * 32) for side in (height, width)]
    shown = F.interpolate(image[None], size, mode="bicubic", antialias=True).clamp(0, 1)
    return model.mask.look(shown.to(model.device))


def _prior_of(
    model: JointModel, seen: Prior, lq: Tensor, start: int, size: tuple[int, int]
) -> Prior:
    """What the prior says on the grid of a band, which is padded to what the model can take."""
    cells = SCALE / model.mask.factor  # per LQ pixel
    tall, wide = (int(side * cells) for side in padded(lq[None], model).shape[-2:])
    grid = int(size[0] * cells), int(size[1] * cells)
    return rows_of(seen, Window(int(start * cells), 0, tall, wide), grid)


def bands(height: int, layout: Layout) -> tuple[int, list[int]]:
    """Return the LQ rows of a band, and the first row of each."""
    return Tiling(layout.band, layout.overlap, layout.step).cut(height)
