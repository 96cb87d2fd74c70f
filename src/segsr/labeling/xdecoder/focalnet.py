"""FocalNet: X-Decoder's image backbone, in the two forms of its public checkpoints.

One file for both, since they share all but the order within a block: Focal-L normalises before
the residual is added; Focal-T adds depthwise convolutions and normalises after it, which no
packaged FocalNet does.
"""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

_STEM, _STRIDE = 7, 4


class FocalNet(nn.Module):
    """A pyramid of features at strides 4, 8, 16, ..., one for each stage.

    Args:
        width: Channels of the first stage; each later one has twice as many.
        depths: Blocks of each stage.
        kernels: Sides of the focal (depthwise) kernels of each stage, finest first.
        mlp_width: Hidden channels of an MLP per channel of its stage.
        depthwise: Focal-T's blocks and stem instead of Focal-L's.
    """

    def __init__(
        self,
        width: int,
        depths: Sequence[int],
        kernels: Sequence[Sequence[int]],
        mlp_width: float = 4.0,
        depthwise: bool = False,
    ) -> None:
        super().__init__()
        widths = [width * 2**i for i in range(len(depths))]
        # Focal-T pads the stem by half its kernel, Focal-L by one pixel less.
        padding = _STEM // 2 if depthwise else _STEM // 2 - 1
        self.stem = Downsample(3, width, _STEM, _STRIDE, padding)
        self.stages = nn.ModuleList(
            nn.Sequential(
                *(
                    FocalBlock(channels, sides, round(mlp_width * channels), depthwise)
                    for _ in range(depth)
                )
            )
            for channels, depth, sides in zip(widths, depths, kernels, strict=True)
        )
        self.downsamples = nn.ModuleList(
            Downsample(channels, 2 * channels, kernel=3, stride=2, padding=1)
            for channels in widths[:-1]
        )
        self.norms = nn.ModuleList(nn.LayerNorm(channels) for channels in widths)

    def forward(self, images: Float[Tensor, "b 3 h w"]) -> list[Tensor]:
        """Return the normalised features `(b, channels, h', w')` of each stage, finest first.

        Args:
            images: Normalised RGB, both sides multiples of the coarsest stride.
        """
        x = self.stem(images)
        features = []
        for i, (blocks, norm) in enumerate(zip(self.stages, self.norms, strict=True)):
            if i:
                x = self.downsamples[i - 1](_channels_first(x))
            x = blocks(x)
            # The next stage reads the features as they are, without this norm.
            features.append(_channels_first(norm(x)).contiguous())
        return features


class Downsample(nn.Module):
    """A strided convolution and a LayerNorm: channels first in, channels last out."""

    def __init__(self, inputs: int, outputs: int, kernel: int, stride: int, padding: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(inputs, outputs, kernel, stride, padding)
        self.norm = nn.LayerNorm(outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b nh nw d"]:
        y: Tensor = self.norm(_channels_last(self.proj(x)))
        return y


class FocalBlock(nn.Module):
    """Focal modulation and an MLP, each a residual scaled by channel.

    Args:
        channels: Width of the features, channels last.
        kernels: Sides of the focal kernels.
        hidden: Width of the MLP.
        depthwise: Focal-T's order: a depthwise residual before each half, LayerNorm after each sum.
    """

    def __init__(self, channels: int, kernels: Sequence[int], hidden: int, depthwise: bool) -> None:
        super().__init__()
        self.depthwise = depthwise
        if depthwise:
            self.dw1 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
            self.dw2 = nn.Conv2d(channels, channels, 3, padding=1, groups=channels)
        self.modulation = FocalModulation(channels, kernels)
        self.mlp = Mlp(channels, hidden)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.gamma_1 = nn.Parameter(torch.full((channels,), 1e-4))
        self.gamma_2 = nn.Parameter(torch.full((channels,), 1e-4))

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        if not self.depthwise:
            x = x + self.gamma_1 * self.norm1(self.modulation(x))
            x = x + self.gamma_2 * self.norm2(self.mlp(x))
            return x
        x = x + _channels_last(self.dw1(_channels_first(x)))
        x = self.norm1(x + self.gamma_1 * self.modulation(x))
        x = x + _channels_last(self.dw2(_channels_first(x)))
        x = self.norm2(x + self.gamma_2 * self.mlp(x))
        return x


class FocalModulation(nn.Module):
    """Context gathered at growing scales, gated and multiplied to the query (arXiv 2203.11926)."""

    def __init__(self, channels: int, kernels: Sequence[int]) -> None:
        super().__init__()
        self.levels = len(kernels)
        self.f = nn.Linear(channels, 2 * channels + self.levels + 1)
        self.focal_layers = nn.ModuleList(
            nn.Conv2d(channels, channels, k, padding=k // 2, groups=channels, bias=False)
            for k in kernels
        )
        self.h = nn.Conv2d(channels, channels, 1)
        self.proj = nn.Linear(channels, channels)

    def forward(self, x: Float[Tensor, "b h w c"]) -> Float[Tensor, "b h w c"]:
        c = x.shape[-1]
        parts = torch.split(_channels_first(self.f(x)), [c, c, self.levels + 1], dim=1)
        query, context, gates = parts
        gathered = query.new_zeros(())
        for i, layer in enumerate(self.focal_layers):
            context = F.gelu(layer(context))
            gathered = gathered + context * gates[:, i : i + 1]
        whole = F.gelu(context.mean((2, 3), keepdim=True))
        gathered = gathered + whole * gates[:, self.levels :]
        modulated = query * self.h(gathered / (self.levels + 1))
        y: Tensor = self.proj(_channels_last(modulated))
        return y


class Mlp(nn.Module):
    """Two linear layers around a GELU."""

    def __init__(self, channels: int, hidden: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(channels, hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Float[Tensor, "*b c"]) -> Float[Tensor, "*b c"]:
        y: Tensor = self.fc2(F.gelu(self.fc1(x)))
        return y


def _channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


def _channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)
