"""The Img Controller: the LQ latent and t to the guidance Z_lq of the image denoiser."""

from __future__ import annotations

from collections.abc import Sequence

from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, Int
from torch import Tensor

from segsr.nets.pixel_norm import NormType
from segsr.nets.time_aware_encoder import Guidance, TimeAwareEncoder


class ImageController(ModelMixin, ConfigMixin):
    """StableSR's time-aware encoder on the LQ latent (paper section 3.3, "Img controller").

    The defaults are StableSR's: 52,494,080 parameters on a four-channel latent. See
    `TimeAwareEncoder` for the arguments.
    """

    @register_to_config
    def __init__(
        self,
        latent_channels: int = 4,
        guidance_channels: int = 256,
        channels: Sequence[int] = (256, 256, 512, 512),
        depth: int = 2,
        attention_levels: Sequence[int] = (0, 1, 2),
        heads: int = 4,
        norm_groups: int = 32,
        norm_type: NormType = "group",
    ) -> None:
        super().__init__()
        self.encoder = TimeAwareEncoder(
            latent_channels,
            guidance_channels,
            channels,
            depth=depth,
            attention_levels=attention_levels,
            heads=heads,
            norm_groups=norm_groups,
            norm_type=norm_type,
        )

    def forward(
        self, lq_latents: Float[Tensor, "b c h w"], timesteps: Int[Tensor, " b"]
    ) -> Guidance:
        """Return Z_lq: one (B, guidance_channels, h', w') map per level."""
        maps: Guidance = self.encoder(lq_latents, timesteps)
        return maps
