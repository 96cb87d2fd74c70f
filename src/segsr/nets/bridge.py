"""The Dual-Modality Bridge: what each diffusion tells the other at every step."""

from __future__ import annotations

from collections.abc import Sequence

from diffusers import ConfigMixin, ModelMixin
from diffusers.configuration_utils import register_to_config
from jaxtyping import Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX
from segsr.nets.pixel_norm import NormType
from segsr.nets.time_aware_encoder import Guidance, TimeAwareEncoder


class DualModalityBridge(ModelMixin, ConfigMixin):
    """Seg Controller (S_t to C_t) and ImgAided (z_t to I_t), silent at the start (section 3.3).

    C_t is added to the image controller's guidance, I_t to the skips of the seg denoiser. Both end
    in zero-initialised projections, so a fresh bridge changes nothing. The paper leaves their
    structure to its supplement; ours is the time-aware encoder on both sides.

    Args:
        num_classes: Classes K of the mask.
        latent_channels: Channels of z_t.
        guidance_channels: Channels of C_t, those of the image controller.
        aid_channels: Channels of I_t, the seg denoiser's `width`.
        control_widths: Levels of the Seg Controller, as many as the image controller has.
        aid_widths: Levels of ImgAided, as many as the seg denoiser has.
        depth: Residual blocks per level.
        attention_levels: Levels with self-attention.
        embedding: Size of a class's embedding.
        norm_groups: Groups of every GroupNorm.
        norm_type: `group`, or `pixel`, with which maps without attention are strictly local.
    """

    @register_to_config
    def __init__(
        self,
        num_classes: int = 34,
        latent_channels: int = 4,
        guidance_channels: int = 256,
        aid_channels: int = 256,
        control_widths: Sequence[int] = (128, 128, 256, 256),
        aid_widths: Sequence[int] = (128, 128, 256),
        depth: int = 1,
        attention_levels: Sequence[int] = (),
        embedding: int = 16,
        norm_groups: int = 32,
        norm_type: NormType = "group",
    ) -> None:
        super().__init__()
        self.class_embedding = nn.Embedding(num_classes, embedding)
        self.seg_controller = TimeAwareEncoder(
            embedding,
            guidance_channels,
            control_widths,
            depth=depth,
            attention_levels=attention_levels,
            norm_groups=norm_groups,
            norm_type=norm_type,
            silent=True,
        )
        self.image_aid = TimeAwareEncoder(
            latent_channels,
            aid_channels,
            aid_widths,
            depth=depth,
            attention_levels=attention_levels,
            norm_groups=norm_groups,
            norm_type=norm_type,
            silent=True,
        )

    @property
    def silent(self) -> bool:
        """Whether C_t is zero for every mask: the Seg Controller's projections still are."""
        return _silent(self.seg_controller)

    @property
    def gives_no_aid(self) -> bool:
        """Whether I_t is zero for every image: the projections of ImgAided still are."""
        return _silent(self.image_aid)

    def control(self, masks: Int[Tensor, "b h w"], timesteps: Int[Tensor, " b"]) -> Guidance:
        """Return C_t of the mask S_t: one (B, guidance_channels, h', w') map per scale.

        A pixel of `IGNORE_INDEX` adds nothing: its cell of every map is 0, and so is a coarser cell
        that covers it.
        """
        unknown = (masks == IGNORE_INDEX)[:, None]
        embedded = self.class_embedding(masks.masked_fill(unknown[:, 0], 0)).permute(0, 3, 1, 2)
        maps: Guidance = self.seg_controller(embedded.masked_fill(unknown, 0), timesteps)
        hidden = unknown.to(embedded.dtype)
        return tuple(
            feature.masked_fill(F.max_pool2d(hidden, 2**level, ceil_mode=True) > 0, 0)
            for level, feature in enumerate(maps)  # each half as large as the one before
        )

    def aid(self, latents: Float[Tensor, "b c h w"], timesteps: Int[Tensor, " b"]) -> Guidance:
        """Return I_t of the noisy image latent z_t: one (B, aid_channels, h', w') map per scale."""
        maps: Guidance = self.image_aid(latents, timesteps)
        return maps


def _silent(encoder: TimeAwareEncoder) -> bool:
    return not any(parameter.any() for parameter in encoder.projections.parameters())
