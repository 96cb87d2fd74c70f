"""The Seg Denoiser: a U-Net from a noisy mask to the logits of the clean one."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.nets.pixel_norm import NormType, normalise_pixels
from segsr.nets.time_aware_encoder import (
    Guidance,
    TimeAwareEncoder,
    add_guidance,
    residual_block,
)


class SegDenoiser(ModelMixin, ConfigMixin):
    """Predicts the clean mask from S_t, F_lq and, through the bridge, I_t (paper section 3.3).

    As in DDPS, each pixel's class is embedded and concatenated with the prior's feature. The
    contracting half is a `TimeAwareEncoder`, whose maps are the skip connections; the image aid
    is added to them, scale by scale.

    Args:
        num_classes: Classes K of the mask.
        feature_channels: Channels of F_lq.
        width: Channels of every skip connection and of the expanding half, hence of I_t.
        channels: Widths of the contracting half, finest first.
        depth: Residual blocks per level of the contracting half.
        attention_levels: Levels of the contracting half with self-attention.
        embedding: Size of a class's embedding (DDPS: 16).
        norm_groups: Groups of every GroupNorm.
        norm_type: `group`, or `pixel`, with which a denoiser without attention is strictly local.
    """

    @register_to_config
    def __init__(
        self,
        num_classes: int = 34,
        feature_channels: int = 256,
        width: int = 256,
        channels: Sequence[int] = (256, 256, 256),
        depth: int = 2,
        attention_levels: Sequence[int] = (2,),
        embedding: int = 16,
        norm_groups: int = 32,
        norm_type: NormType = "group",
    ) -> None:
        super().__init__()
        self.class_embedding = nn.Embedding(num_classes, embedding)
        self.encoder = TimeAwareEncoder(
            embedding + feature_channels,
            width,
            channels,
            depth=depth,
            attention_levels=attention_levels,
            norm_groups=norm_groups,
        )
        self.decoder = nn.ModuleList(
            residual_block(2 * width, width, 4 * channels[0], groups=norm_groups)
            for _ in channels[1:]
        )
        self.norm = nn.GroupNorm(norm_groups, width)
        self.classifier = nn.Conv2d(width, num_classes, 1)
        if norm_type == "pixel":
            normalise_pixels(self)

    def forward(
        self,
        masks: Int[Tensor, "b h w"],
        timesteps: Int[Tensor, " b"],
        features: Float[Tensor, "b c fh fw"],
        image_aid: Guidance | None = None,
    ) -> Float[Tensor, "b k h w"]:
        """Return the logits of the clean mask.

        Args:
            masks: The noisy mask S_t on the latent grid, classes 0..K-1.
            timesteps: Its steps on the shared clock.
            features: The prior's F_lq, resized to the latent grid where it differs.
            image_aid: I_t, one (B, width, h', w') map per level; None adds nothing.
        """
        embedded = self.class_embedding(masks).permute(0, 3, 1, 2)
        if features.shape[-2:] != masks.shape[-2:]:
            features = F.interpolate(features, masks.shape[-2:], mode="bilinear")
        skips = self.encoder(torch.cat([embedded, features.to(embedded.dtype)], 1), timesteps)
        if image_aid is not None:
            skips = add_guidance(skips, image_aid)
        time = self.encoder.time(timesteps)
        *finer, x = skips
        for block, skip in zip(self.decoder, reversed(finer), strict=True):
            x = F.interpolate(x, skip.shape[-2:], mode="nearest")
            x = block(torch.cat([x, skip], 1), time)
        logits: Tensor = self.classifier(F.silu(self.norm(x)))
        return logits
