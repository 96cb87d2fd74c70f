"""A photograph in the memory there is: whole, in tiles or in bands, smaller ones if need be."""

from __future__ import annotations

from collections.abc import Callable

import torch
from jaxtyping import Float, Int
from torch import Tensor

from segsr.batch import SCALE
from segsr.diffusion.noise import Noise
from segsr.errors import SegSRError
from segsr.inference.bands import bands, restore_in_bands
from segsr.inference.memory import LARGEST, SMALLEST, Layout, Tile
from segsr.inference.restoration import Restoration, restore
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions

TOGETHER = 16
"""Tiles that a device of its own memory sees at a time at most; a CPU is busy with one."""


def restore_within_memory(
    model: JointModel,
    image: Float[Tensor, "3 h w"],
    noise: Noise,
    options: SamplingOptions,
    tile: Tile,
    lay_out: Callable[[int, int], Layout],
    *,
    mask: Int[Tensor, "mh mw"] | None = None,
    trajectory: bool = False,
    on_step: Callable[[int], None] = lambda t: None,
    on_tile: Callable[[], None] = lambda: None,
) -> Restoration:
    """Return `image` at SCALE times its size, cut as memory asks.

    A CUDA device that runs out of memory in spite of what was planned, because others use it too,
    gets tiles half as large, and the photograph begins anew. Where the user chose the tile it does
    not.

    Args:
        model: The trained model, on its device.
        image: The LQ photograph, in [0, 1].
        noise: Of the photograph, by position.
        options: How to sample.
        tile: What the user wants.
        lay_out: The largest side of a tile in HQ pixels and how many tiles at a time, both at most,
            to how the photograph is cut.
        mask: See `segsr.inference.restoration.restore`.
        trajectory: See there.
        on_step: See there.
        on_tile: See there.

    Raises:
        SegSRError: If a tile of the user's side does not fit, or not even the smallest does.
    """
    largest, together = LARGEST, TOGETHER if model.device.type == "cuda" else 1
    while True:
        layout = lay_out(largest, together)
        try:
            return _restore(
                model, image, noise, options, layout, mask, trajectory, on_step, on_tile
            )
        except torch.cuda.OutOfMemoryError as error:
            side = min(layout.tiling.size * model.mask.factor, SCALE * max(image.shape[-2:]))
            if tile != "auto" or side <= SMALLEST:
                raise _lacking(side, tile) from error
        torch.cuda.empty_cache()  # here, where the error holds no frame and so no tensor any more
        largest, together = max(SMALLEST, side // 2), 1


def _restore(
    model: JointModel,
    image: Tensor,
    noise: Noise,
    options: SamplingOptions,
    layout: Layout,
    mask: Tensor | None,
    trajectory: bool,
    on_step: Callable[[int], None],
    on_tile: Callable[[], None],
) -> Restoration:
    count = len(bands(image.shape[-2], layout)[1])
    if count > 1 and trajectory:
        raise SegSRError("a photograph that must go in bands has no trajectory: leave it out.")
    if count > 1:
        return restore_in_bands(
            model, image, noise, options, layout, mask=mask, on_step=on_step, on_tile=on_tile
        )
    return restore(
        model,
        image,
        noise,
        options,
        mask=mask,
        tiling=layout.tiling,
        trajectory=trajectory,
        on_step=on_step,
        on_tile=on_tile,
    )


def _lacking(side: int, tile: Tile) -> SegSRError:
    remedy = "--device cpu" if side // 2 < SMALLEST else f"--tile auto, or --tile {side // 2}"
    chosen = "" if tile == "auto" else " as you chose"
    return SegSRError(
        f"the device ran out of memory over tiles of {side} px{chosen}: give {remedy}."
    )
