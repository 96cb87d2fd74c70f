"""The steps that degradation recipes are made of: pure functions on batches in [0, 1].

Every parameter is given per sample, so a recipe can draw each sample's own; what is random comes
from the sample's own CPU generator, so a sample degrades alike in every batch and on every device.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Bool, Float
from kornia.enhance import jpeg_codec_differentiable
from kornia.filters import filter2d
from torch import Tensor
from torch.nn import functional as F

ResizeMode = Literal["area", "bilinear", "bicubic"]


def blur(
    images: Float[Tensor, "b c h w"], kernels: Float[Tensor, "b k k"]
) -> Float[Tensor, "b c h w"]:
    """Each image correlated with its own kernel; borders are reflected."""
    return filter2d(images, kernels, border_type="reflect")


def resize(
    images: Float[Tensor, "b c h w"],
    size: tuple[int, int],
    modes: Sequence[ResizeMode],
    *,
    antialias: bool = True,
) -> Float[Tensor, "b c oh ow"]:
    """Each image resized to `size` (height, width) in its own mode.

    Args:
        images: In any range; the result of "bicubic" can leave it.
        size: New height and width.
        modes: One mode per image.
        antialias: Widen the bilinear and bicubic filters when shrinking, as Pillow does. "area"
            is a box filter in any case.
    """
    result = images.new_empty((*images.shape[:2], *size))
    for mode in sorted(set(modes)):
        chosen = [i for i, m in enumerate(modes) if m == mode]
        smooth = antialias and mode != "area"
        result[chosen] = F.interpolate(images[chosen], size, mode=mode, antialias=smooth)
    return result


def add_gaussian_noise(
    images: Float[Tensor, "b c h w"],
    sigma: Float[Tensor, " b"],
    grey: Bool[Tensor, " b"],
    generators: Sequence[torch.Generator],
) -> Float[Tensor, "b c h w"]:
    """Images plus white Gaussian noise; not clamped.

    Args:
        images: Images in [0, 1].
        sigma: Standard deviation, in units of that range.
        grey: Whether an image's noise is the same in all its channels.
        generators: One CPU generator per image.
    """
    channels, *size = images.shape[1:]
    noise = torch.stack(
        [
            torch.randn(1 if is_grey else channels, *size, generator=g).expand(channels, -1, -1)
            for is_grey, g in zip(grey.tolist(), generators, strict=True)
        ]
    )
    return images + sigma.to(images).view(-1, 1, 1, 1) * noise.to(images)


def jpeg(
    images: Float[Tensor, "b 3 h w"], quality: Float[Tensor, " b"]
) -> Float[Tensor, "b 3 h w"]:
    """Images after JPEG at each one's own quality (1 to 100), 4:2:0, still float.

    Kornia's codec; its rounding is a smooth stand-in for the exact one (39 dB and more to Pillow).
    """
    return jpeg_codec_differentiable(images.clamp(0, 1), quality.to(images))


def quantise(images: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
    """Images clamped to [0, 1] and rounded to multiples of 1/255, as an 8-bit file holds them."""
    return (images.clamp(0, 1) * 255).round() / 255
