"""The Img Denoiser: Stable Diffusion's U-Net with an SFT at the end of every residual block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import torch
from diffusers import ConfigMixin, ModelMixin, UNet2DConditionModel
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, Int
from torch import Tensor, nn

from segsr.nets.pixel_norm import NormType, normalise_pixels
from segsr.nets.sft import GuidedResnetBlock, GuidedTimeEmbedding
from segsr.nets.time_aware_encoder import Guidance


class ImageDenoiser(ModelMixin, ConfigMixin):
    """Predicts noise, velocity or x0 of a noisy latent under guidance (paper section 3.3).

    Args:
        unet: Keyword arguments of `diffusers.UNet2DConditionModel`.
        guidance_channels: Channels of every guidance map.
        sft_hidden: Hidden channels of every SFT (StableSR: 128).
        prompt_tokens: Tokens of the stored prompt embedding that the cross-attention reads where
            no prompt is given (Stable Diffusion: 77); 0 for a U-Net without cross-attention.
        norm_type: `group` (Stable Diffusion), or `pixel`, with which a U-Net without attention is
            strictly local.
    """

    _supports_gradient_checkpointing = True
    prompt: Tensor | None

    @register_to_config
    def __init__(
        self,
        unet: dict[str, Any],
        guidance_channels: int = 256,
        sft_hidden: int = 128,
        prompt_tokens: int = 0,
        norm_type: NormType = "group",
    ) -> None:
        super().__init__()
        self.net = UNet2DConditionModel(**unet)
        self.net.time_embedding = GuidedTimeEmbedding(self.net.time_embedding)
        down, up = list(self.net.down_blocks), list(self.net.up_blocks)
        coarsest = len(down) - 1
        stages = [*enumerate(down), *((coarsest - i, stage) for i, stage in enumerate(up))]
        stages.append((coarsest, self.net.mid_block))
        for level, stage in stages:
            for i, block in enumerate(stage.resnets):
                stage.resnets[i] = GuidedResnetBlock(block, guidance_channels, sft_hidden, level)
        if norm_type == "pixel":
            normalise_pixels(self)
        shape = (prompt_tokens, self.net.config.cross_attention_dim)
        self.register_buffer("prompt", torch.zeros(shape) if prompt_tokens else None)

    def guided_blocks(self) -> Iterator[GuidedResnetBlock]:
        """Yield the blocks that carry an SFT (22 in Stable Diffusion 2.1)."""
        return (m for m in self.modules() if isinstance(m, GuidedResnetBlock))

    def guidance_parameters(self) -> Iterator[nn.Parameter]:
        """Yield the parameters of the SFTs: what stage one trains on a frozen U-Net."""
        return (p for block in self.guided_blocks() for p in block.sft.parameters())

    def load_base(self, state: Mapping[str, Tensor]) -> None:
        """Load the weights of a plain `UNet2DConditionModel`; the SFTs keep theirs.

        Raises:
            RuntimeError: If a key of `state` has no place or a place outside the SFTs no key.
        """
        renamed = {
            key.replace("time_embedding.", "time_embedding.embedding."): value
            for key, value in state.items()
        }
        sft = {key: value for key, value in self.net.state_dict().items() if ".sft." in key}
        self.net.load_state_dict({**renamed, **sft})

    def forward(
        self,
        latents: Float[Tensor, "b c h w"],
        timesteps: Int[Tensor, " b"],
        guidance: Guidance,
        prompt: Float[Tensor, "b n d"] | None = None,
    ) -> Float[Tensor, "b o h w"]:
        """Return the prediction for `latents` at `timesteps`.

        Args:
            latents: The noisy latents z_t, with whatever the U-Net was built to read beside them.
            timesteps: Their steps on the shared clock.
            guidance: One map per level of the U-Net, finest first.
            prompt: Text features for the cross-attention; the stored ones if None.
        """
        if prompt is None and self.prompt is not None:
            prompt = self.prompt.expand(latents.shape[0], -1, -1)
        prediction: Tensor = self.net(
            latents, timesteps, prompt, timestep_cond=guidance, return_dict=False
        )[0]
        return prediction
