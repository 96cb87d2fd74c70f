"""The half U-Net that all controllers share: an image-like input and t to one map per scale."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers.models.attention_processor import Attention
from diffusers.models.downsampling import Downsample2D
from diffusers.models.embeddings import TimestepEmbedding, Timesteps
from diffusers.models.resnet import ResnetBlock2D
from jaxtyping import Float, Int
from torch import Tensor, nn

from segsr.nets.pixel_norm import NormType, normalise_pixels

Guidance = tuple[Tensor, ...]
"""Maps of one image-like input by level, finest first; each level halves the resolution."""


def zero_projection(channels: int) -> nn.Conv2d:
    """A 1x1 convolution from `channels` to `channels` that starts by returning zeros."""
    projection = nn.Conv2d(channels, channels, 1)
    nn.init.zeros_(projection.weight)
    assert projection.bias is not None
    nn.init.zeros_(projection.bias)
    return projection


class TimeEmbedding(nn.Module):
    """Timesteps (B,) on the shared clock to features (B, 4 * channels): [cos, sin], then an MLP."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.sinusoid = Timesteps(channels, flip_sin_to_cos=True, downscale_freq_shift=0)
        self.mlp = TimestepEmbedding(channels, 4 * channels)

    def forward(self, timesteps: Int[Tensor, " b"]) -> Float[Tensor, "b c"]:
        weight = self.mlp.linear_1.weight
        embedding: Tensor = self.mlp(self.sinusoid(timesteps).to(weight.dtype))
        return embedding


class EncoderLevel(nn.Module):
    """One scale: time-conditioned residual blocks, each with optional self-attention."""

    def __init__(
        self,
        inputs: int,
        channels: int,
        time_channels: int,
        *,
        depth: int,
        heads: int | None,
        groups: int,
    ) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(
            residual_block(inputs if i == 0 else channels, channels, time_channels, groups=groups)
            for i in range(depth)
        )
        self.attentions = nn.ModuleList(
            self_attention(channels, heads=heads, groups=groups)
            for _ in range(depth if heads else 0)
        )

    def forward(self, x: Tensor, time: Tensor) -> Tensor:
        for i, block in enumerate(self.blocks):
            x = block(x, time)
            if self.attentions:
                x = self.attentions[i](x)
        return x


def residual_block(inputs: int, outputs: int, time_channels: int, *, groups: int) -> ResnetBlock2D:
    """diffusers' residual block with this library's normalisation (eps 1e-5, as in StableSR)."""
    return ResnetBlock2D(
        in_channels=inputs,
        out_channels=outputs,
        temb_channels=time_channels,
        groups=groups,
        groups_out=groups,
        eps=1e-5,
    )


def self_attention(channels: int, *, heads: int | None, groups: int) -> Attention:
    """Self-attention over all positions of a map, with its residual connection."""
    heads = heads or 1
    return Attention(
        channels,
        heads=heads,
        dim_head=channels // heads,
        norm_num_groups=groups,
        eps=1e-5,
        bias=True,
        residual_connection=True,
    )


class TimeAwareEncoder(nn.Module):
    """A half U-Net that returns one map of `out_channels` per scale.

    With the default arguments it has the structure of StableSR's time-aware encoder (52,494,080
    parameters for four input channels): every level's last feature before downsampling, and the
    middle block's output for the last level, pass one more time-conditioned residual block.

    Args:
        in_channels: Channels of the input.
        out_channels: Channels of every returned map.
        channels: Width of each level; each level after the first halves the resolution.
        depth: Residual blocks per level.
        attention_levels: Levels whose blocks are followed by self-attention; the middle block
            attends if any level does, and alone if only a level past the last is named.
        heads: Attention heads.
        norm_groups: Groups of every GroupNorm; must divide all widths.
        norm_type: `group`, or `pixel`, with which an encoder without attention is strictly local.
        silent: End every map in a zero-initialised projection, so that a fresh encoder returns 0.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int = 256,
        channels: Sequence[int] = (256, 256, 512, 512),
        depth: int = 2,
        attention_levels: Sequence[int] = (0, 1, 2),
        heads: int = 4,
        norm_groups: int = 32,
        norm_type: NormType = "group",
        silent: bool = False,
    ) -> None:
        super().__init__()
        time_channels = 4 * channels[0]
        widths = [channels[0], *channels]
        self.time = TimeEmbedding(channels[0])
        self.conv_in = nn.Conv2d(in_channels, channels[0], 3, padding=1)
        self.levels = nn.ModuleList(
            EncoderLevel(
                widths[i],
                width,
                time_channels,
                depth=depth,
                heads=heads if i in attention_levels else None,
                groups=norm_groups,
            )
            for i, width in enumerate(channels)
        )
        self.downsamplers = nn.ModuleList(
            Downsample2D(width, use_conv=True, padding=1, name="op") for width in channels[:-1]
        )
        last = channels[-1]
        self.middle = nn.ModuleList(
            residual_block(last, last, time_channels, groups=norm_groups) for _ in range(2)
        )
        self.middle_attention = (
            self_attention(last, heads=heads, groups=norm_groups) if attention_levels else None
        )
        self.taps = nn.ModuleList(
            residual_block(width, out_channels, time_channels, groups=norm_groups)
            for width in channels
        )
        self.projections = nn.ModuleList(
            zero_projection(out_channels) if silent else nn.Identity() for _ in channels
        )
        if norm_type == "pixel":
            normalise_pixels(self)

    def forward(self, x: Float[Tensor, "b c h w"], timesteps: Int[Tensor, " b"]) -> Guidance:
        """Return the maps of `x` at `timesteps`, one per level; the finest is as large as `x`."""
        time = self.time(timesteps)
        features = []
        x = self.conv_in(x)
        for level, downsample in zip(self.levels, [*self.downsamplers, None], strict=True):
            x = level(x, time)
            if downsample is not None:
                features.append(x)
                x = downsample(x)
        x = self.middle[0](x, time)
        if self.middle_attention is not None:
            x = self.middle_attention(x)
        features.append(self.middle[1](x, time))
        return tuple(
            project(tap(feature, time))
            for feature, tap, project in zip(features, self.taps, self.projections, strict=True)
        )


def add_guidance(first: Guidance, second: Guidance) -> Guidance:
    """The sum of two guidances of as many levels, map by map."""
    return tuple(a + b for a, b in zip(first, second, strict=True))


def keep_guidance(guidance: Guidance, keep: Float[Tensor, " b"]) -> Guidance:
    """`guidance` with the maps of every sample multiplied by its entry of `keep` (0 drops it)."""
    return tuple(feature * keep.view(-1, 1, 1, 1) for feature in guidance)


def as_timesteps(t: int | Int[Tensor, ""] | Int[Tensor, " b"], like: Tensor) -> Int[Tensor, " b"]:
    """`t` as one int64 timestep per sample of `like`, on its device."""
    return torch.as_tensor(t, device=like.device).long().expand(like.shape[0])
