"""What is read off LQ images once, before the first step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from segsr.diffusion.state import Window


@dataclass(frozen=True)
class Conditions:
    """What the networks are told at every step; all but the canvas lie on the latent grid.

    Attributes:
        canvas: The LQ images at HQ size, (B, 3, H, W) in [0, 1].
        lq_latents: Their latents, (B, C, h, w), for the image branch.
        features: The prior's F_lq, (B, F, h, w), for the mask branch.
        prior_logits: The prior's first mask, (B, K, h, w).
        given: Classes held fixed instead of estimated, int64 (B, h, w); 255 leaves a cell free.
            None leaves all.
    """

    canvas: Tensor
    lq_latents: Tensor
    features: Tensor
    prior_logits: Tensor
    given: Tensor | None = None

    def crop(self, window: Window) -> Conditions:
        """Return what holds inside `window`: views, so that a tile costs no memory."""
        factor = self.canvas.shape[-1] // self.lq_latents.shape[-1]
        return Conditions(
            window.of(self.canvas, factor),
            window.of(self.lq_latents),
            window.of(self.features),
            window.of(self.prior_logits),
            None if self.given is None else window.of(self.given),
        )


def stack(parts: Sequence[Conditions]) -> Conditions:
    """Return what is known of several windows of one size as that of one batch."""
    if len(parts) == 1:
        return parts[0]
    given = [part.given for part in parts if part.given is not None]
    return Conditions(
        torch.cat([part.canvas for part in parts]),
        torch.cat([part.lq_latents for part in parts]),
        torch.cat([part.features for part in parts]),
        torch.cat([part.prior_logits for part in parts]),
        torch.cat(given) if given else None,
    )
