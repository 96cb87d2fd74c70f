"""The mask branch: categorical diffusion of the mask under the prior's feature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional as F

from segsr.checkpoints.folder import load_component, load_settings, save_folder
from segsr.diffusion.joint_sampler import mask_step
from segsr.diffusion.noise import Noise
from segsr.diffusion.schedules import mask_abar, trailing_timesteps
from segsr.nets.resize_codec import decode_mask
from segsr.nets.seg_denoiser import SegDenoiser
from segsr.nets.seg_prior import Prior, SegPrior
from segsr.nets.time_aware_encoder import Guidance, as_timesteps

MaskSchedule = Literal["linear", "cosine"]

SEEN = 1024 * 1024
"""Pixels that the prior is shown of a photograph at most."""


class MaskBranch(nn.Module):
    """Estimates the mask of an LQ photograph by discrete diffusion (paper section 3.3, DDPS).

    Args:
        prior: SegFormer, fine-tuned on LQ images.
        denoiser: The seg denoiser.
        factor: Pixels per cell of the latent grid on which the mask is diffused.
        mask_schedule: How the kept share of classes falls on the shared clock: `linear` (DDPS) or
            `cosine` (multinomial diffusion).
        confidence: A pixel whose likeliest class is less likely than this is unsure: it is 255 in
            the mask that is returned, and the Seg Controller does not see it.
        steps: Sampling steps, where the branch runs alone and a call names none.
    """

    abar: Tensor

    def __init__(
        self,
        prior: SegPrior,
        denoiser: SegDenoiser,
        *,
        factor: int = 8,
        mask_schedule: MaskSchedule = "linear",
        confidence: float | int = 0.0,
        steps: int = 4,
    ) -> None:
        super().__init__()
        self.prior = prior
        self.denoiser = denoiser
        self.factor = factor
        self.mask_schedule = mask_schedule
        self.confidence = confidence
        self.steps = steps
        self.register_buffer("abar", mask_abar(mask_schedule).float(), persistent=False)

    @property
    def num_classes(self) -> int:
        """Classes K of the mask."""
        return int(self.denoiser.config.num_classes)

    @torch.no_grad()
    def read(self, canvas: Float[Tensor, "b 3 sh sw"]) -> Prior:
        """Return F_lq and the first mask's logits of an LQ canvas, both on the latent grid."""
        size = [side // self.factor for side in canvas.shape[-2:]]
        features, logits = self.look(canvas)
        if list(features.shape[-2:]) != size:
            features, logits = (F.interpolate(x, size, mode="bilinear") for x in (features, logits))
        return Prior(features, logits)

    @torch.no_grad()
    def look(self, canvas: Float[Tensor, "b 3 sh sw"]) -> Prior:
        """Return what the prior says of the whole canvas, at its own resolution.

        Its attention sees everything at once, and takes memory with the square of the pixels: of
        more than `SEEN` it is shown a smaller picture.
        """
        height, width = canvas.shape[-2:]
        shrink = min(1.0, (SEEN / (height * width)) ** 0.5)
        if shrink < 1:
            size = [max(32, round(side * shrink / 32) * 32) for side in (height, width)]
            canvas = F.interpolate(canvas, size, mode="bilinear", antialias=True)
        features, logits = self.prior(canvas)
        return Prior(features, logits)

    def start_state(self, features: Float[Tensor, "b c h w"], noise: Noise) -> Int[Tensor, "b h w"]:
        """Return uniformly random classes on the grid of `features`."""
        drawn = noise.classes(self.num_classes, features.shape[-2:], "mask")
        return drawn.to(features.device)

    def predict(
        self, masks: Int[Tensor, "b h w"], t: int, features: Tensor, aid: Guidance | None = None
    ) -> Float[Tensor, "b k h w"]:
        """Return the log probabilities of the clean mask at one time for all samples."""
        logits: Tensor = self.denoiser(masks, as_timesteps(t, masks), features, aid)
        return logits.float().log_softmax(1)

    def sample(
        self,
        features: Float[Tensor, "b c h w"],
        noise: Noise,
        steps: int | None = None,
    ) -> Iterator[Float[Tensor, "b k h w"]]:
        """Yield the log probabilities predicted at every step, without an image; see `decode`."""
        masks = self.start_state(features, noise)
        times = trailing_timesteps(steps or self.steps, len(self.abar))
        for t, t_next in zip(times, [*times[1:], None], strict=True):
            with torch.no_grad():
                log_x0 = self.predict(masks, t, features)
            yield log_x0
            if t_next is not None:
                masks = mask_step(self.abar, log_x0, masks, t, t_next, noise)

    def sure(self, log_probs: Float[Tensor, "b k h w"]) -> Bool[Tensor, "b h w"]:
        """Return where the likeliest class is at least as likely as `confidence`."""
        return log_probs.amax(1).exp() >= self.confidence

    def decode(
        self, log_probs: Float[Tensor, "b k gh gw"]
    ) -> tuple[Int[Tensor, "b sh sw"], Bool[Tensor, "b sh sw"]]:
        """Return the likeliest classes at HQ size, and where the prediction is sure of them."""
        likeliest = log_probs.amax(1, keepdim=True).exp()
        fine = F.interpolate(likeliest, scale_factor=self.factor, mode="bilinear")[:, 0]
        return decode_mask(log_probs, self.factor), fine >= self.confidence

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the networks and the settings into the model folder `folder`."""
        settings = {
            "factor": self.factor,
            "mask_schedule": self.mask_schedule,
            "confidence": self.confidence,
            "steps": self.steps,
        }
        save_folder(
            folder, {"prior": self.prior, "seg_denoiser": self.denoiser}, {"segdm": settings}
        )

    @classmethod
    def from_pretrained(cls, folder: str | Path) -> MaskBranch:
        """Return the mask branch of a model folder; see `JointModel.from_pretrained`.

        Raises:
            SegSRError: If a component of it cannot be had.
        """
        return cls(
            load_component(folder, "prior"),
            load_component(folder, "seg_denoiser"),
            **load_settings(folder).get("segdm", {}),
        )
