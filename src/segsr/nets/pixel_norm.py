"""Normalisation that looks at one pixel: what keeps a network strictly local."""

from __future__ import annotations

from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

NormType = Literal["group", "pixel"]
"""GroupNorm (Stable Diffusion's: statistics over the whole picture) or `PixelNorm`."""


class PixelNorm(nn.Module):
    """Layer normalisation over the channels of each pixel, with an affine map per channel.

    Unlike GroupNorm it takes no statistics over the picture, so a tile with a margin as wide as the
    network's receptive field comes out as the whole picture does.

    Args:
        channels: Channels of the input.
        eps: What is added to the variance.
    """

    def __init__(self, channels: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))
        self.eps = eps

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        # Autocast would take a half-precision map through float32 and double what is moved; the
        # kernel sums in float32 either way.
        with torch.autocast(x.device.type, enabled=False):
            weight, bias = self.weight.to(x.dtype), self.bias.to(x.dtype)
            y = F.layer_norm(x.permute(0, 2, 3, 1), weight.shape, weight, bias, self.eps)
        return y.permute(0, 3, 1, 2)


def normalise_pixels(network: nn.Module) -> None:
    """Put a `PixelNorm` in the place of every GroupNorm of `network`."""
    for parent in list(network.modules()):
        for name, child in list(parent.named_children()):
            if isinstance(child, nn.GroupNorm):
                setattr(parent, name, PixelNorm(child.num_channels, child.eps))
