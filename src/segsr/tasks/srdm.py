"""SRDM, the super-resolution branch, and how it learns."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import Batch
from segsr.checkpoints.folder import find_folder
from segsr.diffusion import gaussian
from segsr.diffusion.noise import Noise
from segsr.metrics.restoration import restoration_metrics
from segsr.model.image_branch import ImageBranch
from segsr.model.options import SamplingOptions
from segsr.nets.resize_codec import to_canvas
from segsr.nets.time_aware_encoder import as_timesteps
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.task import Task, draw_timesteps


class NoisyImage(NamedTuple):
    """A training sample of the Gaussian side at its timestep."""

    lq_latents: Tensor
    latents: Tensor
    target: Tensor


class SRDM(Task):
    """Trains an image branch as StableSR does: on the denoiser's error at random times.

    Args:
        branch: The image branch; its autoencoder is always frozen.
        timestep_weights: The cumulative alphas (T,) to the probabilities of t in training; uniform
            if None.
        train_denoiser: Train the whole U-Net; otherwise its SFTs alone, on a frozen U-Net.
        **task: See `Task`.
    """

    timestep_weights: Tensor

    def __init__(
        self,
        branch: ImageBranch,
        *,
        timestep_weights: Callable[[Tensor], Tensor] | None = None,
        train_denoiser: bool = False,
        **task: Any,
    ) -> None:
        super().__init__(**task)
        self.branch = branch
        abar = branch.abar
        weights = torch.ones_like(abar) if timestep_weights is None else timestep_weights(abar)
        self.register_buffer("timestep_weights", weights, persistent=False)
        branch.autoencoder.requires_grad_(False)
        if not train_denoiser:
            branch.denoiser.requires_grad_(False)
            for parameter in branch.denoiser.guidance_parameters():
                parameter.requires_grad_(True)
        self.metrics["restored"] = restoration_metrics()

    def noise(
        self,
        lq_latents: Float[Tensor, "b c gh gw"],
        hq: Float[Tensor, "b 3 h w"],
        t: Int[Tensor, " b"],
        generators: list[torch.Generator],
    ) -> NoisyImage:
        """Return z_t and the training target of the photographs `hq` at timesteps `t`."""
        branch = self.branch
        x0 = branch.to_state(branch.encode(hq), lq_latents)
        noise, abar = gaussian.draw_normal(x0, generators), branch.abar[t].view(-1, 1, 1, 1)
        kind = branch.scheduler.config.prediction_type
        return NoisyImage(
            lq_latents, gaussian.q_sample(x0, noise, abar), gaussian.target(kind, x0, noise, abar)
        )

    def draw_timesteps(self, generators: list[torch.Generator]) -> Int[Tensor, " b"]:
        """Draw each sample's training timestep."""
        return draw_timesteps(self.timestep_weights, generators).to(self.branch.abar.device)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the mean squared error of the denoiser's prediction."""
        generators = self.generators(batch)
        t = self.draw_timesteps(generators)
        lq_latents = self.branch.encode(to_canvas(batch["lq"]))
        sample = self.noise(lq_latents, batch["hq"], t, generators)
        output = self.branch.denoise(sample.latents, t, sample.lq_latents)
        loss = F.mse_loss(output.float(), sample.target)
        self.log_loss("image_loss", loss)
        return loss

    @torch.no_grad()
    def roll_out(
        self, lq_latents: Float[Tensor, "b c gh gw"], noise: Tensor, t: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c gh gw"]:
        """Return each sample's state at its `t`, as the sampler arrives at it from `noise`.

        Args:
            lq_latents: Of the canvas.
            noise: Standard normal; the sampler starts from the branch's temperature times it.
            t: Timesteps of the sampler, on the CPU.
        """
        branch = self.branch
        scheduler = branch.timed_scheduler(None)
        moving = branch.temperature * noise
        state = moving
        for time in scheduler.timesteps.tolist():
            here = (t == time).to(state.device, non_blocking=True).view(-1, 1, 1, 1)
            state = torch.where(here, moving, state)
            going = (t < time).nonzero()[:, 0].to(state.device, non_blocking=True)
            if len(going):
                now, lq = moving[going], lq_latents[going]
                output = branch.denoise(now, as_timesteps(time, now), lq)
                then = scheduler.step(output.float(), time, now).prev_sample
                moving = moving.index_copy(0, going, then)
        return state

    def restore(
        self, lq: Float[Tensor, "b 3 h w"], noise: Noise, **options: Any
    ) -> Float[Tensor, "b 3 sh sw"]:
        """Return the restored images, in [0, 1].

        Args:
            lq: LQ images; SCALE times their sides must be multiples of `branch.multiple`.
            noise: Of every image, by position.
            **options: See `SamplingOptions`.
        """
        return self.branch.restore(to_canvas(lq), noise, SamplingOptions(**options))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the branch into the model folder `folder`."""
        self.branch.save_pretrained(folder)

    @classmethod
    def from_pretrained(cls, model: str | Path, **options: Any) -> SRDM:
        """Return the SRDM of a model folder; `options` are the constructor's.

        Raises:
            SegSRError: If the model or a component of it cannot be had.
        """
        return cls(ImageBranch.from_pretrained(find_folder(model)), **options)

    def evaluate(self, batch: Batch) -> Predictions:
        """Restore the batch from seeded noise, measure and picture it."""
        restored = self.restore(batch["lq"], self.evaluation_noise(batch))
        if "hq" in batch:
            self.measure("restored", restored, batch["hq"])
        log_pictures(self, batch, restored)
        return Predictions(batch["name"], restored, None)
