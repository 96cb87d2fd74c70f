"""Images to latents and back: the only owner of the range [-1, 1]."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn

from segsr.nets.patch_autoencoder import PatchAutoencoder


class Autoencoder(nn.Module):
    """Wraps a diffusers-style codec so that everyone else sees images in [0, 1].

    Args:
        codec: `diffusers.AutoencoderKL` (Stable Diffusion) or our `PatchAutoencoder`.
    """

    def __init__(self, codec: AutoencoderKL | PatchAutoencoder) -> None:
        super().__init__()
        self.codec = codec

    @property
    def factor(self) -> int:
        """Pixels per latent along each side."""
        if isinstance(self.codec, PatchAutoencoder):
            return int(self.codec.config.patch)
        return int(2 ** (len(self.codec.config.block_out_channels) - 1))

    @property
    def channels(self) -> int:
        """Channels of the latents."""
        return int(self.codec.config.latent_channels)

    def encode(
        self, images: Float[Tensor, "b 3 h w"], generator: torch.Generator | None = None
    ) -> Float[Tensor, "b c lh lw"]:
        """Return scaled latents of `images` in [0, 1]; sides must be multiples of `factor`.

        With a generator, a sample of the posterior (as StableSR trains); without, its mode.
        """
        posterior = self.codec.encode(images * 2 - 1).latent_dist
        latents = posterior.mode() if generator is None else posterior.sample(generator)
        scaled: Tensor = latents * self.codec.config.scaling_factor
        return scaled

    def decode(self, latents: Float[Tensor, "b c lh lw"]) -> Float[Tensor, "b 3 h w"]:
        """Return images of scaled `latents`, in [0, 1] up to overshoot (not clamped)."""
        images: Tensor = self.codec.decode(latents / self.codec.config.scaling_factor).sample
        return (images + 1) / 2
