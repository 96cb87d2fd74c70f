"""A linear autoencoder: non-overlapping patches in an orthonormal basis. It decodes for free."""

from __future__ import annotations

import torch
from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from diffusers.models.autoencoders.vae import DecoderOutput, DiagonalGaussianDistribution
from diffusers.models.modeling_outputs import AutoencoderKLOutput
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.nets.refinement import Refinement

_CERTAIN = -30.0  # the log variance at which diffusers' Gaussian is its mean


class PatchAutoencoder(ModelMixin, ConfigMixin):
    """Patches in their principal components, with the interface of `diffusers.AutoencoderKL`.

    The encoder is a strided convolution, the decoder its transpose. The basis is orthonormal, so
    an error in the latents is the same error in the pixels. Patches do not overlap, so predicted
    ones meet in faint seams; the refinement learns to smooth them (see `PixelSRDM`).

    Args:
        patch: Side of a patch in pixels: the factor between image and latent grid.
        latent_channels: Components kept, at most 3 * patch**2.
        scaling_factor: What latents are multiplied by before diffusion.
        refine_channels: Hidden channels of the decoder's `Refinement`; 0 leaves it out.
    """

    @register_to_config
    def __init__(
        self,
        patch: int = 4,
        latent_channels: int = 24,
        scaling_factor: float = 1.0,
        refine_channels: int = 0,
    ) -> None:
        super().__init__()
        dimensions = 3 * patch**2
        if latent_channels > dimensions:
            raise ValueError(
                f"latent_channels is {latent_channels}, but a {patch}x{patch} RGB patch has only"
                f" {dimensions} components: keep at most that many."
            )
        self.mean = nn.Parameter(torch.zeros(dimensions))
        basis = torch.eye(dimensions)[:latent_channels]
        self.encoder = nn.Parameter(basis.view(latent_channels, 3, patch, patch).clone())
        self.decoder = nn.Parameter(self.encoder.detach().clone())
        self.refinement = Refinement(refine_channels, patch) if refine_channels else None

    @torch.no_grad()
    def fit(self, images: Float[Tensor, "b 3 h w"]) -> None:
        """Set the basis to the principal components of the patches of `images` in [-1, 1]."""
        patch = self.config.patch
        patches = F.unfold(images, patch, stride=patch).transpose(1, 2).flatten(0, 1).double()
        self.mean.copy_(patches.mean(0))
        _, vectors = torch.linalg.eigh(torch.cov(patches.T))  # ascending eigenvalues
        basis = vectors.flip(1)[:, : self.config.latent_channels].T
        self.encoder.copy_(basis.reshape_as(self.encoder))
        self.decoder.copy_(self.encoder)

    def encode(self, images: Float[Tensor, "b 3 h w"]) -> AutoencoderKLOutput:
        """Return the latents (B, latent_channels, h / patch, w / patch) of `images` in [-1, 1]."""
        with torch.autocast(images.device.type, enabled=False):  # exact, also in mixed precision
            bias = -(self.encoder.flatten(1) @ self.mean)
            mean = F.conv2d(images, self.encoder, bias, stride=self.config.patch)
        certain = torch.full_like(mean, _CERTAIN)
        distribution = DiagonalGaussianDistribution(
            torch.cat([mean, certain], 1), deterministic=True
        )
        return AutoencoderKLOutput(latent_dist=distribution)

    def decode(self, latents: Float[Tensor, "b c h w"]) -> DecoderOutput:
        """Return the images of `latents`, in [-1, 1] up to overshoot."""
        patch = self.config.patch
        with torch.autocast(latents.device.type, enabled=False):
            images = F.conv_transpose2d(latents, self.decoder, stride=patch)
        offset = self.mean.view(3, patch, patch).repeat(1, *latents.shape[-2:])
        images = images + offset
        return DecoderOutput(sample=images if self.refinement is None else self.refinement(images))


def refined(codec: PatchAutoencoder, channels: int) -> PatchAutoencoder:
    """Return `codec` with a fresh refinement; `codec` itself if it has one of that width."""
    config = codec.config
    if config.refine_channels == channels:
        return codec
    sizes = config.patch, config.latent_channels, config.scaling_factor
    found: PatchAutoencoder = PatchAutoencoder(*sizes, refine_channels=channels)
    for name in ("mean", "encoder", "decoder"):
        setattr(found, name, getattr(codec, name))
    return found
