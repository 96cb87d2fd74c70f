"""The pixel decoder: a transformer encoder on the coarsest features, then a feature pyramid."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

_GROUPS = 32
_TEMPERATURE = 10_000.0


class PixelFeatures(NamedTuple):
    """What the transformer decoder reads.

    Attributes:
        mask_features: Embedding of each pixel at stride 4, `(b, m, h, w)`.
        scales: Features to attend to, `(b, d, h', w')`, coarsest first: strides 32, 16, 8.
        encoded: Output of the transformer encoder, `(b, d, h', w')` at the coarsest stride.
    """

    mask_features: Tensor
    scales: list[Tensor]
    encoded: Tensor


class PixelDecoder(nn.Module):
    """Features of a backbone to embeddings of pixels and the decoder's scales.

    Args:
        inputs: Channels of the backbone's features, finest first.
        width: Channels here; a multiple of 32 and of `heads`.
        mask_width: Channels of the pixel embeddings.
        layers: Layers of the transformer encoder.
        hidden: Width of its feed-forward networks.
        heads: Its attention heads.
    """

    def __init__(
        self,
        inputs: Sequence[int],
        width: int,
        mask_width: int,
        layers: int,
        hidden: int,
        heads: int,
    ) -> None:
        super().__init__()
        *finer, coarsest = inputs
        self.input_proj = nn.Conv2d(coarsest, width, 1)
        self.encoder = nn.ModuleList(EncoderLayer(width, hidden, heads) for _ in range(layers))
        self.adapters = nn.ModuleList(ConvNorm(channels, width, 1) for channels in finer)
        self.layers = nn.ModuleList(ConvNorm(width, width, 3) for _ in inputs)
        self.mask_features = nn.Conv2d(width, mask_width, 3, padding=1)

    def forward(self, features: Sequence[Tensor]) -> PixelFeatures:
        """Return the pixel embeddings and the scales of `features`, finest first."""
        *finer, coarsest = features
        encoded = self._encode(self.input_proj(coarsest))
        y = F.relu(self.layers[-1](encoded))
        scales = [y]
        for i in reversed(range(len(finer))):
            above = F.interpolate(y, size=finer[i].shape[-2:], mode="nearest")
            y = F.relu(self.layers[i](self.adapters[i](finer[i]) + above))
            scales.append(y)
        # The finest scale only becomes pixel embeddings: no layer of the decoder attends to it.
        return PixelFeatures(self.mask_features(y), scales[:-1], encoded)

    def _encode(self, x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b d h w"]:
        position = tokens(sine_position(x))
        y = tokens(x)
        for layer in self.encoder:
            y = layer(y, position)
        return y.transpose(1, 2).reshape(x.shape)


class ConvNorm(nn.Module):
    """A convolution that keeps the size, without bias, and a GroupNorm of 32 groups."""

    def __init__(self, inputs: int, outputs: int, kernel: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, kernel, padding=kernel // 2, bias=False)
        self.norm = nn.GroupNorm(_GROUPS, outputs)

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b d h w"]:
        y: Tensor = self.norm(self.conv(x))
        return y


class EncoderLayer(nn.Module):
    """Self-attention and a feed-forward network, each normalised after its sum."""

    def __init__(self, width: int, hidden: int, heads: int) -> None:
        super().__init__()
        self.self_attn = nn.MultiheadAttention(width, heads, batch_first=True)
        self.linear1 = nn.Linear(width, hidden)
        self.linear2 = nn.Linear(hidden, width)
        self.norm1 = nn.LayerNorm(width)
        self.norm2 = nn.LayerNorm(width)

    def forward(
        self, x: Float[Tensor, "b n d"], position: Float[Tensor, "#b n d"]
    ) -> Float[Tensor, "b n d"]:
        at = x + position  # positions turn queries and keys, not what is read
        x = self.norm1(x + self.self_attn(at, at, x, need_weights=False)[0])
        x = self.norm2(x + self.linear2(F.relu(self.linear1(x))))
        return x


def tokens(x: Float[Tensor, "b d h w"]) -> Float[Tensor, "b hw d"]:
    """Return the pixels of `x` as a sequence, row by row."""
    return x.flatten(2).transpose(1, 2)


def sine_position(x: Float[Tensor, "b d h w"]) -> Float[Tensor, "1 d h w"]:
    """Return sines and cosines of each pixel's row (first half) and column (second half).

    Rows and columns count from 1 and are scaled so that the last one is a full turn (DETR's
    normalised encoding, arXiv 2005.12872).
    """
    _, d, h, w = x.shape
    i = torch.arange(d // 2, device=x.device)
    period = _TEMPERATURE ** (2 * (i // 2) / (d // 2))

    def encode(n: int) -> Tensor:
        turn = 2 * math.pi * torch.arange(1, n + 1, device=x.device) / (n + 1e-6)
        phase = turn[:, None] / period
        return torch.where(i % 2 == 0, phase.sin(), phase.cos())  # n d/2

    rows = encode(h)[:, None].expand(h, w, -1)
    columns = encode(w)[None].expand(h, w, -1)
    return torch.cat([rows, columns], dim=-1).permute(2, 0, 1)[None].to(x.dtype)
