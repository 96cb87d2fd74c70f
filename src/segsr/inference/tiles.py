"""Tiles: networks see overlapping windows of the latent grid, the sampler sees one grid.

At every step the *predictions* of overlapping tiles are blended and one global step is taken:
blending samples instead would shrink their variance, and drawing the mask tile by tile would make
overlaps disagree. The weights are a partition of unity, cosine ramps over the overlaps (StableSR's
Gaussian has a standard deviation of a tenth of a tile, so little of an overlap is used).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float, Int
from torch import Tensor

from segsr.diffusion.joint_sampler import JointStep, Prediction
from segsr.diffusion.state import State, Window
from segsr.model.conditions import Conditions, stack
from segsr.model.joint import JointModel, Predict
from segsr.model.options import SamplingOptions
from segsr.nets.seg_prior import Prior

PredictMask = Callable[[State, Conditions, int], Tensor]
"""Both states at t, and what is known of the photograph, to log probabilities of the mask."""
PredictImage = Callable[[State, Conditions, int, Tensor], Tensor]
"""The same and those log probabilities to the image denoiser's output."""


@dataclass(frozen=True)
class Tiling:
    """How the latent grid is cut.

    Attributes:
        size: Cells along a tile's side, at most; a multiple of `stride`.
        overlap: Cells that neighbours share, at least but for the rounding of origins.
        stride: What the origins of tiles are multiples of, so that a network that halves its grid
            meets the same cells in every tile.
        batch: Tiles that the networks see at a time.
        beyond: Cells that the mask's networks see besides on every side of a tile.
        margin: Cells within a side of a tile that say nothing where a neighbour covers them.
    """

    size: int
    overlap: int
    stride: int = 1
    batch: int = 1
    beyond: int = 0
    margin: int = 0

    def widened(self) -> Tiling:
        """Return the tiles that the mask's networks see: what they say of `beyond` is dropped."""
        more = 2 * self.beyond
        margin = self.margin + self.beyond
        return replace(
            self, size=self.size + more, overlap=self.overlap + more, beyond=0, margin=margin
        )

    def windows(self, height: int, width: int) -> list[Window]:
        """Return windows of one size that cover a grid whose sides are multiples of `stride`."""
        (tall, rows), (wide, columns) = self.cut(height), self.cut(width)
        return [Window(top, left, tall, wide) for top in rows for left in columns]

    def cut(self, length: int) -> tuple[int, list[int]]:
        """Return the side of tiles that cover `length` cells, and their origins.

        There are as few as `size` allows, and they are as small as that many may be.
        """
        if length <= self.size:
            return length, [0]
        count = math.ceil((length - self.overlap) / (self.size - self.overlap))
        least = math.ceil((length + (count - 1) * self.overlap) / count)
        side = min(math.ceil(least / self.stride) * self.stride, self.size)
        room = length - side
        even = (room * i / (count - 1) for i in range(count - 1))
        return side, [*(int(x) // self.stride * self.stride for x in even), room]


def ramp(start: int, side: int, starts: list[int], margin: int = 0) -> Float[Tensor, " n"]:
    """Return the weight along one axis of the tile at `start` among tiles of one side.

    It rises and falls as a squared sine over what the tile shares with its neighbours, but for
    `margin` on either side of that, where it is 0 and 1; all tiles' weights sum to one where at
    most two overlap.
    """
    weight = torch.ones(side)
    place = starts.index(start)
    for neighbour, ends in ((place - 1, False), (place + 1, True)):
        if 0 <= neighbour < len(starts):
            shared = side - abs(starts[neighbour] - start)
            inner = max(shared - 2 * margin, 1)
            along = (torch.arange(shared) + 0.5 - (shared - inner) / 2) / inner
            rise = torch.sin(along.clamp(0, 1) * math.pi / 2).square()
            if ends:
                weight[side - shared :] *= rise.flip(0)
            else:
                weight[:shared] *= rise
    return weight


def blend(
    tiling: Tiling,
    size: tuple[int, int],
    of: Callable[[list[Window]], Tensor],
    factor: int = 1,
) -> Float[Tensor, "b c h w"]:
    """Return what `of` says of every tile, blended over the whole grid.

    Args:
        tiling: How the grid is cut.
        size: Height and width of the grid in cells.
        of: Windows to maps (B, C, factor * h, factor * w), one after another along B.
        factor: Pixels of the maps per cell.
    """
    windows, margin = tiling.windows(*size), factor * tiling.margin
    if len(windows) == 1:
        return of(windows)
    rows, columns = (sorted({factor * window[axis] for window in windows}) for axis in (0, 1))
    whole: Tensor | None = None
    total = torch.zeros(factor * size[0], factor * size[1])
    for first in range(0, len(windows), tiling.batch):
        together = windows[first : first + tiling.batch]
        found = of(together)
        if whole is None:
            whole = found.new_zeros(len(found) // len(together), found.shape[1], *total.shape)
        for window, part in zip(together, found.chunk(len(together)), strict=True):
            tall, wide = factor * window.height, factor * window.width
            down = ramp(factor * window.top, tall, rows, margin)
            across = ramp(factor * window.left, wide, columns, margin)
            weight = down[:, None] * across
            window.of(whole, factor).add_(part * weight.to(part))
            window.of(total, factor).add_(weight)
    assert whole is not None
    return whole.div_(total.to(whole))  # one, where more than two overlap


def tiled_predict(
    mask: PredictMask,
    image: PredictImage,
    tiling: Tiling,
    on_tile: Callable[[], None] = lambda: None,
) -> Predict:
    """Return `JointModel.predict` over tiles: the mask's probabilities and the image's predictions.

    Probabilities are blended, since among logarithms one tile could veto a class. The image's
    networks are told the blended ones. A grid that fits one tile is predicted as ever.

    Args:
        mask: `JointModel.predict_mask`.
        image: `JointModel.predict_image`.
        tiling: How the grid is cut.
        on_tile: Called after every tile of the image's.
    """

    def over(state: State, conditions: Conditions, t: int) -> Prediction:
        size = (state.masks.shape[-2], state.masks.shape[-1])
        log_mask = over_mask(state, conditions, t, size)

        def images_of(together: list[Window]) -> Tensor:
            here = torch.cat([window.of(log_mask) for window in together])
            found = image(*_crops(state, conditions, together), t, here)
            for _ in together:
                on_tile()
            return found

        return Prediction(blend(tiling, size, images_of), log_mask)

    def over_mask(state: State, conditions: Conditions, t: int, size: tuple[int, int]) -> Tensor:
        tiles = tiling.widened()
        if len(tiles.windows(*size)) == 1:
            return mask(state, conditions, t)

        def masks_of(together: list[Window]) -> Tensor:
            return mask(*_crops(state, conditions, together), t).exp_()

        blended = blend(tiles, size, masks_of)
        return blended.clamp_(min=1e-30).log_()

    return over


def _crops(state: State, conditions: Conditions, windows: list[Window]) -> tuple[State, Conditions]:
    """The states and conditions inside windows, as one batch."""
    states = State(*map(torch.cat, zip(*map(state.crop, windows), strict=True)))
    return states, stack([conditions.crop(window) for window in windows])


def tiled_read(
    model: JointModel,
    canvas: Float[Tensor, "b 3 sh sw"],
    given: Int[Tensor, "b gh gw"] | None,
    tiling: Tiling,
    prior: Prior,
) -> Conditions:
    """Return `JointModel.read` of a canvas whose latents are encoded tile by tile.

    Args:
        model: The model.
        canvas: See there.
        given: See there.
        tiling: How the grid is cut.
        prior: What the prior says on the grid.
    """
    factor = model.mask.factor
    size = (canvas.shape[-2] // factor, canvas.shape[-1] // factor)

    def latents_of(together: list[Window]) -> Tensor:
        return model.image.encode(torch.cat([window.of(canvas, factor) for window in together]))

    latents = blend(tiling, size, latents_of)
    return Conditions(canvas, latents, prior.features, prior.logits, given)


def tiled_decode(
    model: JointModel,
    step: JointStep,
    conditions: Conditions,
    options: SamplingOptions,
    tiling: Tiling,
) -> tuple[Float[Tensor, "b 3 sh sw"], Int[Tensor, "b sh sw"], Tensor]:
    """Return `JointModel.decode` of a step, decoded tile by tile.

    Classes come from each tile's middle: between cells they are interpolated, which needs one cell
    beyond.
    """
    factor = model.mask.factor
    height, width = step.masks.shape[-2:]
    size = (height, width)
    windows = tiling.windows(*size)
    if len(windows) == 1:
        return model.decode(step, conditions, options)

    def images_of(together: list[Window]) -> Tensor:
        part = stack([conditions.crop(window) for window in together])
        latents = torch.cat([window.of(step.predicted_latents) for window in together])
        return model.image.decode(latents, part.lq_latents, part.canvas, options)

    image = blend(tiling, size, images_of, factor)
    shape = (len(step.masks), factor * size[0], factor * size[1])
    classes = torch.empty(shape, dtype=torch.uint8, device=image.device)
    sure = torch.empty(shape, dtype=torch.bool, device=image.device)
    for core in Tiling(tiling.size, 0).windows(*size):
        top, left = max(core.top - 1, 0), max(core.left - 1, 0)
        bottom = min(core.top + core.height + 1, size[0])
        right = min(core.left + core.width + 1, size[1])
        around = Window(top, left, bottom - top, right - left)
        inner = Window(core.top - top, core.left - left, core.height, core.width)
        found = model.mask.decode(around.of(step.mask_log_probs))
        for whole, part in zip((classes, sure), found, strict=True):
            core.of(whole, factor).copy_(inner.of(part, factor))
    return image, classes.long(), sure
