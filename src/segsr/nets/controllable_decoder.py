"""StableSR's controllable decoder: the LQ image's own features enter the autoencoder's decoder."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import AutoencoderKL, ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.resnet import ResnetBlock2D
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F


class DenseBlock(nn.Module):
    """Five convolutions, each on all features before it; a fifth of the last joins the input.

    The residual dense block of ESRGAN.
    """

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        outputs = [growth] * 4 + [channels]
        self.convs = nn.ModuleList(
            nn.Conv2d(channels + i * growth, width, 3, padding=1) for i, width in enumerate(outputs)
        )

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        features = x
        for conv in list(self.convs)[:-1]:
            new = F.leaky_relu(conv(features), 0.2)
            features = torch.cat([features, new], 1)
        output: Tensor = x + 0.2 * self.convs[-1](features)
        return output


class ResidualInResidual(nn.Module):
    """Three dense blocks, a fifth of whose result joins the input (ESRGAN's RRDB)."""

    def __init__(self, channels: int, growth: int) -> None:
        super().__init__()
        self.blocks = nn.ModuleList(DenseBlock(channels, growth) for _ in range(3))

    def forward(self, x: Float[Tensor, "b c h w"]) -> Float[Tensor, "b c h w"]:
        h = x
        for block in self.blocks:
            h = block(h)
        return x + 0.2 * h


class FeatureFusion(nn.Module):
    """What encoder and decoder features of one level say together, as a residual."""

    def __init__(self, channels: int, depth: int, growth: int, groups: int) -> None:
        super().__init__()
        self.enter = _residual_block(2 * channels, channels, groups)
        self.dense = nn.ModuleList(ResidualInResidual(channels, growth) for _ in range(depth))
        self.leave = _residual_block(channels, channels, groups)

    def forward(
        self, encoded: Float[Tensor, "b c h w"], decoded: Float[Tensor, "b c h w"]
    ) -> Float[Tensor, "b c h w"]:
        h = self.enter(torch.cat([encoded, decoded], 1), None)
        for block in self.dense:
            h = block(h)
        residual: Tensor = self.leave(h, None)
        return residual


class ControllableDecoder(ModelMixin, ConfigMixin):
    """CFW, controllable feature wrapping (StableSR): a fusion at every middle level of a decoder.

    It adds to an autoencoder that stays as it is. The defaults are StableSR's: 44,393,728
    parameters, at 512 channels and half a latent's cell, and at 256 channels and a quarter of it.

    Args:
        channels: Width of each fused level, in the decoder's order (coarsest first): all levels of
            the autoencoder but its first and last.
        depth: RRDBs per fusion.
        growth: Channels that each convolution of a dense block adds.
        norm_groups: Groups of every GroupNorm.
    """

    @register_to_config
    def __init__(
        self,
        channels: Sequence[int] = (512, 256),
        depth: int = 2,
        growth: int = 32,
        norm_groups: int = 32,
    ) -> None:
        super().__init__()
        self.fusions = nn.ModuleList(
            FeatureFusion(width, depth, growth, norm_groups) for width in channels
        )

    def forward(
        self,
        codec: AutoencoderKL,
        latents: Float[Tensor, "b c lh lw"],
        lq: Float[Tensor, "b 3 h w"],
        fidelity: float,
    ) -> Float[Tensor, "b 3 h w"]:
        """Return the image of `latents`, in [-1, 1] up to overshoot.

        Args:
            codec: The autoencoder.
            latents: Unscaled latents.
            lq: The enlarged LQ image in [-1, 1].
            fidelity: Weight w of the fusions, from 0, the plain decoder to the bit, to 1.
        """
        if fidelity == 0:
            plain: Tensor = codec.decode(latents).sample
            return plain
        features = self._encoder_features(codec, lq)
        decoder = codec.decoder
        h = latents if codec.post_quant_conv is None else codec.post_quant_conv(latents)
        h = decoder.mid_block(decoder.conv_in(h))
        for i, block in enumerate(decoder.up_blocks):
            for resnet in block.resnets:
                h = resnet(h, None)
            if 0 < i < len(decoder.up_blocks) - 1:
                h = h + fidelity * self.fusions[i - 1](features[i - 1], h)
            for upsampler in block.upsamplers or ():
                h = upsampler(h)
        image: Tensor = decoder.conv_out(decoder.conv_act(decoder.conv_norm_out(h)))
        return image

    def _encoder_features(self, codec: AutoencoderKL, lq: Tensor) -> list[Tensor]:
        """The encoder's features before each downsampling but the first, coarsest first."""
        features = []
        h = codec.encoder.conv_in(lq)
        for i, block in enumerate(list(codec.encoder.down_blocks)[:-1]):
            for resnet in block.resnets:
                h = resnet(h, None)
            if i > 0:
                features.append(h)
            for downsampler in block.downsamplers or ():
                h = downsampler(h)
        return features[::-1]


def _residual_block(inputs: int, outputs: int, groups: int) -> ResnetBlock2D:
    return ResnetBlock2D(
        in_channels=inputs,
        out_channels=outputs,
        temb_channels=None,
        groups=groups,
        groups_out=groups,
        eps=1e-6,
    )
