"""Resampling between the LQ image, the HQ image and the latent grid on which both states live."""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import SCALE


def to_canvas(lq: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 sh sw"]:
    """Return the canvas of an LQ image, all that networks see of it: the image at HQ size.

    Bicubic and clamped to [0, 1], as StableSR conditions on it.
    """
    return F.interpolate(lq, scale_factor=SCALE, mode="bicubic").clamp(0, 1)


def pillow_bicubic(lq: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b 3 sh sw"]:
    """Return Pillow's bicubic enlargement of the LQ image, the baseline of every table."""
    return F.interpolate(lq, scale_factor=SCALE, mode="bicubic", antialias=True).clamp(0, 1)


def encode_mask(masks: Int[Tensor, "b h w"], factor: int) -> Int[Tensor, "b gh gw"]:
    """Return `masks` on the latent grid, 1 / `factor` of their size: nearest pixel.

    The encoder of the paper's "simple resize codec" (section 3.3).
    """
    size = (masks.shape[-2] // factor, masks.shape[-1] // factor)
    return F.interpolate(masks[:, None].float(), size, mode="nearest-exact")[:, 0].long()


def decode_mask(logits: Float[Tensor, "b k gh gw"], factor: int) -> Int[Tensor, "b h w"]:
    """Return the class map at `factor` times the size of `logits`: bilinear, then arg max.

    The decoder of the paper's "simple resize codec" (section 3.3).
    """
    return F.interpolate(logits.float(), scale_factor=factor, mode="bilinear").argmax(1)
