"""Spatial feature transform: how guidance enters a residual block of the image denoiser."""

from __future__ import annotations

from typing import NamedTuple

from diffusers.models.resnet import ResnetBlock2D
from jaxtyping import Float
from torch import Tensor, nn

from segsr.nets.time_aware_encoder import Guidance


class GuidedTime(NamedTuple):
    """What the guided blocks receive in place of the bare time embedding."""

    embedding: Tensor
    guidance: Guidance


class GuidedTimeEmbedding(nn.Module):
    """Hands the guidance, given as `timestep_cond`, on to every block together with the time.

    The U-Net of diffusers passes `timestep_cond` to its time embedding and the result to all its
    residual blocks. So the guidance travels with the call and no module holds it in between: two
    forwards before one backward, gradient checkpointing and compilation see the right maps.
    """

    def __init__(self, embedding: nn.Module) -> None:
        super().__init__()
        self.embedding = embedding

    def forward(self, sinusoid: Tensor, guidance: Guidance) -> GuidedTime:
        return GuidedTime(self.embedding(sinusoid), guidance)


class SFT(nn.Module):
    """norm(h) * (1 + gamma) + beta, with gamma and beta read from a guidance map.

    StableSR's spatial feature transform: an affine GroupNorm, a shared 3x3 convolution to `hidden`
    channels with ReLU, and one 3x3 convolution each for gamma and beta.
    """

    def __init__(self, channels: int, guidance_channels: int, hidden: int, groups: int) -> None:
        super().__init__()
        self.norm = nn.GroupNorm(groups, channels)
        self.shared = nn.Sequential(nn.Conv2d(guidance_channels, hidden, 3, padding=1), nn.ReLU())
        self.gamma = nn.Conv2d(hidden, channels, 3, padding=1)
        self.beta = nn.Conv2d(hidden, channels, 3, padding=1)

    def forward(
        self, h: Float[Tensor, "b c h w"], guidance: Float[Tensor, "b g h w"]
    ) -> Float[Tensor, "b c h w"]:
        shared = self.shared(guidance)
        modulated: Tensor = self.norm(h) * (1 + self.gamma(shared)) + self.beta(shared)
        return modulated


class GuidedResnetBlock(nn.Module):
    """A `ResnetBlock2D` whose residual passes an SFT before it joins the skip connection.

    Takes over the modules of `block` under their own names, so the weights of a plain U-Net load
    unchanged and only the keys under `sft.` are new.

    Args:
        block: The plain block.
        guidance_channels: Channels of a guidance map.
        hidden: Hidden channels of the SFT.
        level: Which of the guidance's maps it reads, 0 the finest.
    """

    def __init__(
        self, block: ResnetBlock2D, guidance_channels: int, hidden: int, level: int
    ) -> None:
        super().__init__()
        self.level = level
        self.norm1, self.conv1 = block.norm1, block.conv1
        self.time_emb_proj = block.time_emb_proj
        self.norm2, self.dropout, self.conv2 = block.norm2, block.dropout, block.conv2
        self.conv_shortcut = block.conv_shortcut
        self.nonlinearity = block.nonlinearity
        self.sft = SFT(block.out_channels, guidance_channels, hidden, block.norm2.num_groups)

    def forward(self, x: Float[Tensor, "b c h w"], time: GuidedTime) -> Float[Tensor, "b d h w"]:
        h = self.conv1(self.nonlinearity(self.norm1(x)))
        h = h + self.time_emb_proj(self.nonlinearity(time.embedding))[:, :, None, None]
        h = self.conv2(self.dropout(self.nonlinearity(self.norm2(h))))
        h = self.sft(h, time.guidance[self.level])
        skip = x if self.conv_shortcut is None else self.conv_shortcut(x)
        output: Tensor = skip + h
        return output
