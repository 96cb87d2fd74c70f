"""The discriminator of adversarial training: small heads on frozen features, and one on pixels."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn.utils.parametrizations import spectral_norm

SLOPE = 0.2
"""Of every leaky ReLU."""


class FeatureDiscriminator(nn.Module):
    """Tells real pictures from restored ones, patch by patch and at several scales.

    A head reads each map of a frozen feature network (as HYPIR's discriminator does on ConvNeXt,
    and projected GANs do), which needs far fewer steps than a network that starts from nothing; a
    small patch discriminator reads the pixels themselves, for what the features no longer see. All
    convolutions are spectrally normalised.

    Args:
        feature_channels: Channels of the feature maps, finest first.
        width: Channels within the heads.
        pixel_widths: Channels of the pixel head's convolutions, each halving the resolution.
    """

    def __init__(
        self,
        feature_channels: Sequence[int] = (64, 128, 256, 512, 512),
        width: int = 64,
        pixel_widths: Sequence[int] = (32, 64, 96),
    ) -> None:
        super().__init__()
        self.feature_channels = list(feature_channels)
        self.heads = nn.ModuleList(_head(channels, width) for channels in feature_channels)
        layers: list[nn.Module] = []
        channels = 3
        for out in pixel_widths:
            layers += [_conv(channels, out, 4, stride=2), nn.LeakyReLU(SLOPE)]
            channels = out
        self.pixels = nn.Sequential(*layers, _head(channels, width))

    def forward(
        self, images: Float[Tensor, "b 3 h w"], features: Sequence[Float[Tensor, "b _ _ _"]]
    ) -> list[Float[Tensor, "b 1 _ _"]]:
        """Return one map of logits for the pixels and one per feature map; real is positive.

        Args:
            images: In [0, 1].
            features: Their maps, in the order of `feature_channels`.
        """
        with torch.autocast(images.device.type, enabled=False):  # spectral norms want one type
            maps = [head(x.float()) for head, x in zip(self.heads, features, strict=True)]
            return [self.pixels(images.float() * 2 - 1), *maps]


def _head(channels: int, width: int) -> nn.Sequential:
    return nn.Sequential(
        _conv(channels, width, 1),
        nn.LeakyReLU(SLOPE),
        _conv(width, width, 3),
        nn.LeakyReLU(SLOPE),
        _conv(width, 1, 1),
    )


def _conv(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Module:
    padding = (kernel - stride + 1) // 2
    convolution: nn.Module = spectral_norm(nn.Conv2d(inputs, outputs, kernel, stride, padding))
    return convolution
