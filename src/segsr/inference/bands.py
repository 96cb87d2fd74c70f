"""Photographs whose states do not fit into memory go in overlapping bands of rows."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, SCALE
from segsr.diffusion.noise import Noise
from segsr.diffusion.state import Window
from segsr.inference.memory import Layout
from segsr.inference.prior import look, prior_in
from segsr.inference.restoration import Restoration, padded, restore
from segsr.inference.tiles import Tiling, ramp
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.seg_prior import Prior


def restore_in_bands(
    model: JointModel,
    image: Float[Tensor, "3 h w"],
    noise: Noise,
    options: SamplingOptions,
    layout: Layout,
    *,
    mask: Int[Tensor, "mh mw"] | None = None,
    on_step: Callable[[int], None] = lambda t: None,
    on_tile: Callable[[], None] = lambda: None,
) -> Restoration:
    """Return `image` at SCALE times its size, restored band by band.

    Each band sees the noise of its place and what the prior says of the whole photograph. Pictures
    of neighbours are blended over the middle third of what they share, masks meet in its middle. So
    the picture is that of the photograph in one piece, but for what lies beyond.

    Args:
        model: The trained model, on its device.
        image: The LQ photograph, in [0, 1].
        noise: Of the photograph, by position.
        options: How to sample.
        layout: How the photograph is cut.
        mask: See `segsr.inference.restoration.restore`.
        on_step: Called with t after every step of every band.
        on_tile: Called after every tile of every band.

    Returns:
        The restoration with `image`, `mask` and `classes` as uint8, to spare memory.
    """
    height, width = (SCALE * side for side in image.shape[-2:])
    per_row = 1 if mask is None else mask.shape[0] // image.shape[-2]
    lq = padded(image[None], model)
    tall, wide = lq.shape[-2:]
    if mask is not None:
        right, bottom = per_row * wide - mask.shape[1], per_row * tall - mask.shape[0]
        mask = F.pad(mask, (0, right, 0, bottom), value=IGNORE_INDEX)
    seen = look(model, lq.to(model.device))
    side, starts = bands(tall, layout)
    places, margin = [SCALE * start for start in starts], SCALE * layout.overlap // 3
    pixels = torch.empty(3, height, width, dtype=torch.uint8)
    masks, classes = (torch.empty(height, width, dtype=torch.uint8) for _ in range(2))
    before = torch.empty(3, 0, width)
    for i, start in enumerate(starts):
        part = restore(
            model,
            lq[0, :, start : start + side],
            noise.moved(SCALE * start // model.mask.factor),
            options,
            mask=None if mask is None else mask[per_row * start : per_row * (start + side)],
            tiling=layout.tiling,
            prior=_prior_of(model, seen, start, side, (tall, wide)),
            on_step=on_step,
            on_tile=on_tile,
        )
        band = part.image[..., :width].cpu()
        band *= ramp(places[i], SCALE * side, places, margin)[:, None]
        band[:, : before.shape[1]] += before
        end = places[i + 1] if i + 1 < len(starts) else height
        done = band[:, : end - places[i]]
        pixels[:, places[i] : end] = done.clamp_(0, 1).mul_(255).round_().byte()
        before = band[:, end - places[i] :].clone()
        begin = places[i] if i == 0 else (places[i] + places[i - 1] + SCALE * side) // 2
        rows = slice(begin - places[i], height - places[i])
        for whole, found in ((masks, part.mask), (classes, part.classes)):
            piece = found[rows, :width]
            whole[begin : begin + len(piece)] = piece.cpu().byte()
    return Restoration(pixels, masks, classes, [])


def _prior_of(
    model: JointModel, seen: Prior, start: int, side: int, size: tuple[int, int]
) -> Prior:
    """What the prior says on the grid of a band; `start`, `side` and `size` are LQ pixels."""
    top, height, tall, wide = (
        SCALE * x // model.mask.factor for x in (start, side, size[0], size[1])
    )
    return prior_in(seen, Window(top, 0, height, wide), (tall, wide))


def bands(height: int, layout: Layout) -> tuple[int, list[int]]:
    """Return the LQ rows of a band, and the first row of each, of a photograph with its padding."""
    padded_height = -(-height // layout.step) * layout.step
    return Tiling(layout.band, layout.overlap, layout.step).cut(padded_height)
