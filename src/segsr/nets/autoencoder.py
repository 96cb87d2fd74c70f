"""Images to latents and back: the only owner of the range [-1, 1]."""

from __future__ import annotations

import torch
from diffusers import AutoencoderKL
from jaxtyping import Float
from torch import Tensor, nn

from segsr.nets.controllable_decoder import ControllableDecoder
from segsr.nets.patch_autoencoder import PatchAutoencoder


class Autoencoder(nn.Module):
    """Wraps a diffusers-style codec so that everyone else sees images in [0, 1].

    Args:
        codec: `diffusers.AutoencoderKL` (Stable Diffusion) or our `PatchAutoencoder`.
        cfw: StableSR's controllable decoder for an `AutoencoderKL`.
    """

    def __init__(
        self, codec: AutoencoderKL | PatchAutoencoder, cfw: ControllableDecoder | None = None
    ) -> None:
        super().__init__()
        self.codec = codec
        self.cfw = cfw

    @property
    def factor(self) -> int:
        """Pixels per latent along each side."""
        if isinstance(self.codec, PatchAutoencoder):
            return int(self.codec.config.patch)
        return int(2 ** (len(self.codec.config.block_out_channels) - 1))

    def train_refinement(self) -> None:
        """Let the refinement of a `PatchAutoencoder`, if it has one, be trained."""
        if isinstance(self.codec, PatchAutoencoder) and self.codec.refinement is not None:
            self.codec.refinement.requires_grad_(True)

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

    def decode(
        self,
        latents: Float[Tensor, "b c lh lw"],
        lq: Float[Tensor, "b 3 h w"] | None = None,
        fidelity: float = 0.0,
    ) -> Float[Tensor, "b 3 h w"]:
        """Return images of scaled `latents`, in [0, 1] up to overshoot (not clamped).

        Args:
            latents: What to decode.
            lq: The enlarged LQ images in [0, 1], for the controllable decoder.
            fidelity: Weight of their features, from 0 to 1.
        """
        unscaled = latents / self.codec.config.scaling_factor
        if self.cfw is None or lq is None:
            images: Tensor = self.codec.decode(unscaled).sample
        else:
            images = self.cfw(self.codec, unscaled, lq * 2 - 1, fidelity)
        return (images + 1) / 2
