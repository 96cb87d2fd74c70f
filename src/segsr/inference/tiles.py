"""Tiles: networks see overlapping windows of the latent grid, the sampler sees one grid.

At every step the *predictions* of overlapping tiles are blended and one global step is taken:
blending samples instead would shrink their variance, and drawing the mask tile by tile would make
overlaps disagree. The weights are a partition of unity, cosine ramps over the overlaps (StableSR's
Gaussian has a standard deviation of a tenth of a tile, so little of an overlap is used).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.diffusion.joint_sampler import JointStep, Prediction
from segsr.diffusion.state import State, Window
from segsr.model.conditions import Conditions
from segsr.model.joint import JointModel, Predict
from segsr.model.options import SamplingOptions
from segsr.nets.seg_prior import Prior


@dataclass(frozen=True)
class Tiling:
    """How the latent grid is cut.

    Attributes:
        size: Cells along a tile's side, at most; a multiple of `stride`.
        overlap: Cells that neighbours share, at least but for the rounding of origins.
        stride: What the origins of tiles are multiples of, so that a network that halves its grid
            meets the same cells in every tile.
    """

    size: int
    overlap: int
    stride: int = 1

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


def ramp(start: int, side: int, starts: list[int]) -> Float[Tensor, " n"]:
    """Return the weight along one axis of the tile at `start` among tiles of one side.

    It rises and falls as a squared sine over what the tile shares with its neighbours; all tiles'
    weights sum to one where at most two overlap.
    """
    weight = torch.ones(side)
    place = starts.index(start)
    for neighbour, ends in ((place - 1, False), (place + 1, True)):
        if 0 <= neighbour < len(starts):
            shared = side - abs(starts[neighbour] - start)
            rise = torch.sin((torch.arange(shared) + 0.5) / shared * math.pi / 2).square()
            if ends:
                weight[side - shared :] *= rise.flip(0)
            else:
                weight[:shared] *= rise
    return weight


def blend(
    windows: list[Window], size: tuple[int, int], of: Callable[[Window], list[Tensor]], factor: int
) -> list[Tensor]:
    """Return what `of` says of every window, blended over the whole grid.

    Args:
        windows: Of one size, covering the grid.
        size: Height and width of the grid in cells.
        of: A window to maps (B, C, factor * h, factor * w).
        factor: Pixels of the maps per cell.
    """
    rows, columns = (sorted({window[axis] for window in windows}) for axis in (0, 1))
    sums: list[Tensor] = []
    total = torch.zeros(factor * size[0], factor * size[1])
    for window in windows:
        vertical = ramp(factor * window.top, factor * window.height, [factor * r for r in rows])
        across = ramp(factor * window.left, factor * window.width, [factor * c for c in columns])
        weight = vertical[:, None] * across
        found = of(window)
        if not sums:
            sums = [x.new_zeros(*x.shape[:2], factor * size[0], factor * size[1]) for x in found]
        for whole, part in zip(sums, found, strict=True):
            window.of(whole, factor).add_(part * weight.to(part))
        window.of(total, factor).add_(weight)
    return [whole.div_(total.to(whole)) for whole in sums]  # one, where more than two overlap


def tiled_predict(predict: Predict, tiling: Tiling) -> Predict:
    """Return `predict` over tiles: the image's predictions and the mask's probabilities blended.

    Probabilities, since among logarithms one tile could veto a class. A grid that fits one tile is
    predicted as ever.
    """

    def over(state: State, conditions: Conditions, t: int) -> Prediction:
        height, width = state.masks.shape[-2:]
        windows = tiling.windows(height, width)
        if len(windows) == 1:
            return predict(state, conditions, t)

        def of(window: Window) -> list[Tensor]:
            found = predict(state.crop(window), conditions.crop(window), t)
            return [found.image, found.mask_log_probs.exp()]

        image, probabilities = blend(windows, (height, width), of, 1)
        return Prediction(image, probabilities.clamp_(min=1e-30).log_())

    return over


def tiled_read(
    model: JointModel,
    canvas: Float[Tensor, "b 3 sh sw"],
    given: Int[Tensor, "b gh gw"] | None,
    tiling: Tiling,
    prior: Prior | None = None,
) -> Conditions:
    """Return `JointModel.read` of a canvas whose latents are encoded tile by tile.

    Args:
        model: The model.
        canvas: See there.
        given: See there.
        tiling: How the grid is cut.
        prior: What the prior says on the grid, where it has seen more than this canvas.
    """
    prior = prior or model.mask.read(canvas)
    factor = model.mask.factor
    size = (canvas.shape[-2] // factor, canvas.shape[-1] // factor)

    def of(window: Window) -> list[Tensor]:
        return [model.image.encode(window.of(canvas, factor))]

    windows = tiling.windows(*size)
    whole = Window(0, 0, *size)
    (latents,) = of(whole) if len(windows) == 1 else blend(windows, size, of, 1)
    return Conditions(canvas, latents, prior.features, prior.logits, given)


@torch.no_grad()
def rows_of(prior: Prior, window: Window, size: tuple[int, int]) -> Prior:
    """Return a window of what the prior says, interpolated as over the whole grid of `size`."""
    ys = (torch.arange(window.top, window.top + window.height) + 0.5) / size[0] * 2 - 1
    xs = (torch.arange(window.left, window.left + window.width) + 0.5) / size[1] * 2 - 1
    y, x = torch.meshgrid(ys, xs, indexing="ij")
    grid = torch.stack([x, y], -1)[None].to(prior.features)
    sampled = (
        F.grid_sample(
            maps, grid.expand(len(maps), -1, -1, -1), padding_mode="border", align_corners=False
        )
        for maps in (prior.features, prior.logits)
    )
    return Prior(*sampled)


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

    def image_of(window: Window) -> list[Tensor]:
        part = conditions.crop(window)
        latents = window.of(step.predicted_latents)
        return [model.image.decode(latents, part.lq_latents, part.canvas, options)]

    (image,) = blend(windows, size, image_of, factor)
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
