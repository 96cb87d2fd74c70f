"""What the prior says of a whole photograph, and of a window of it."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import SCALE
from segsr.diffusion.state import Window
from segsr.model.joint import JointModel
from segsr.model.mask_branch import SEEN
from segsr.nets.resize_codec import to_canvas
from segsr.nets.seg_prior import Prior


def look(model: JointModel, lq: Float[Tensor, "1 3 h w"]) -> Prior:
    """Return what the prior says of a whole photograph, at its own resolution.

    Of one that is larger than the prior is shown, no canvas is made: it sees the photograph itself,
    enlarged to what it may see or shrunk.

    Args:
        model: The model, on the device of `lq`.
        lq: The LQ photograph, padded to what the model can take.
    """
    height, width = lq.shape[-2:]
    shrink = (SEEN / (SCALE * SCALE * height * width)) ** 0.5
    if shrink >= 1:
        return model.mask.look(to_canvas(lq))
    size = [max(32, round(SCALE * side * shrink / 32) * 32) for side in (height, width)]
    return model.mask.look(F.interpolate(lq, size, mode="bicubic", antialias=True).clamp(0, 1))


@torch.no_grad()
def prior_in(prior: Prior, window: Window, size: tuple[int, int]) -> Prior:
    """Return a window of what the prior says, interpolated as over the whole grid of `size`."""
    if tuple(prior.features.shape[-2:]) == size:
        return Prior(*map(window.of, prior))
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
