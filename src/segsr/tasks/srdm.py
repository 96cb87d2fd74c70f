"""SRDM, the super-resolution branch: Gaussian diffusion of latents under LQ guidance."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from diffusers import AutoencoderKL
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import Batch
from segsr.checkpoints.folder import (
    has_component,
    load_component,
    load_scheduler,
    load_settings,
    save_folder,
)
from segsr.diffusion import gaussian
from segsr.diffusion.joint_sampler import image_step
from segsr.metrics.restoration import restoration_metrics
from segsr.nets.autoencoder import Autoencoder
from segsr.nets.controllable_decoder import ControllableDecoder
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.nets.resize_codec import upsample_lq
from segsr.nets.time_aware_encoder import Guidance, as_timesteps
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.task import Task, draw_normal, draw_timesteps

Start = Literal["noise", "lq"]


class NoisyImage(NamedTuple):
    """A training sample of the Gaussian side at its timestep."""

    lq_latents: Tensor
    latents: Tensor
    target: Tensor


class SRDM(Task):
    """Restores a photograph by diffusion in the autoencoder's latents (paper section 3.3).

    The diffused state is (z_hq - anchor) / scale. StableSR's choice is anchor 0 and scale 1;
    `residual_scale` sets the anchor to the LQ latent, so that the state is what LQ lacks.

    Args:
        autoencoder: Stable Diffusion's VAE or the compact `PatchAutoencoder`; always frozen.
        controller: LQ latent and t to guidance.
        denoiser: The guided U-Net.
        scheduler: A diffusers scheduler (DDPM, DDIM, DPM-Solver++): betas and prediction type for
            training, and the sampler's steps.
        residual_scale: Scale of the residual state; None diffuses z_hq itself.
        concat_lq: The denoiser reads the LQ latent beside the state, as SR3's does; StableSR's
            reads it through the guidance alone.
        timestep_weights: The cumulative alphas (T,) to the probabilities of t in training; uniform
            if None.
        train_denoiser: Train the whole U-Net; otherwise its SFTs alone, on a frozen U-Net.
        steps: Sampling steps where a call names none.
        temperature: Standard deviation of the noise a restoration starts from. 1 samples; less
            trades invented detail for fidelity, as far as 0, a deterministic estimate.
        cfw: StableSR's controllable decoder; always frozen.
        fidelity: Its weight w, from 0 (the plain decoder) to 1.
        **task: See `Task`.
    """

    abar: Tensor
    timestep_weights: Tensor

    def __init__(
        self,
        autoencoder: AutoencoderKL | PatchAutoencoder,
        controller: ImageController,
        denoiser: ImageDenoiser,
        scheduler: Any,
        *,
        residual_scale: float | None = None,
        concat_lq: bool = False,
        timestep_weights: Callable[[Tensor], Tensor] | None = None,
        train_denoiser: bool = False,
        steps: int = 4,
        temperature: float | int = 1.0,
        cfw: ControllableDecoder | None = None,
        fidelity: float = 0.5,
        **task: Any,
    ) -> None:
        super().__init__(**task)
        gaussian.check_prediction_type(scheduler.config.prediction_type)
        self.autoencoder = Autoencoder(autoencoder, cfw)
        self.autoencoder.requires_grad_(False)
        self.controller = controller
        self.denoiser = denoiser
        self.scheduler = scheduler
        self.residual_scale = residual_scale
        self.concat_lq = concat_lq
        self.steps = steps
        self.temperature = temperature
        self.fidelity = fidelity
        abar = scheduler.alphas_cumprod.float()
        weights = torch.ones_like(abar) if timestep_weights is None else timestep_weights(abar)
        self.register_buffer("abar", abar, persistent=False)
        self.register_buffer("timestep_weights", weights, persistent=False)
        if not train_denoiser:
            denoiser.requires_grad_(False)
            for parameter in denoiser.guidance_parameters():
                parameter.requires_grad_(True)
        self.metrics["restored"] = restoration_metrics()

    @property
    def multiple(self) -> int:
        """What both sides of an HQ image must be multiples of."""
        return int(self.autoencoder.factor * 2 ** (len(self.controller.config.channels) - 1))

    def encode_lq(self, lq: Float[Tensor, "b 3 h w"]) -> Float[Tensor, "b c gh gw"]:
        """Return the latents of the bicubically enlarged LQ image."""
        with torch.no_grad():
            return self.autoencoder.encode(upsample_lq(lq))

    def to_state(self, latents: Tensor, lq_latents: Tensor) -> Tensor:
        """Return the diffused state of image `latents`."""
        if self.residual_scale is None:
            return latents
        return (latents - lq_latents) / self.residual_scale

    def from_state(self, state: Tensor, lq_latents: Tensor) -> Tensor:
        """Return the image latents of a clean diffused `state`."""
        if self.residual_scale is None:
            return state
        return lq_latents + self.residual_scale * state

    def noisy_latents(self, state: Tensor, lq_latents: Tensor, t: Int[Tensor, " b"]) -> Tensor:
        """Return the noisy image latents of a `state` at `t`: what the bridge reads."""
        if self.residual_scale is None:
            return state
        return self.abar[t].view(-1, 1, 1, 1).sqrt() * lq_latents + self.residual_scale * state

    def denoise(
        self,
        state: Float[Tensor, "b c gh gw"],
        t: Int[Tensor, " b"],
        lq_latents: Float[Tensor, "b c gh gw"],
        guidance: Guidance | None = None,
    ) -> Float[Tensor, "b c gh gw"]:
        """Return the denoiser's output, of the scheduler's prediction type.

        Args:
            state: The noisy state at `t`.
            t: Its timesteps.
            lq_latents: From `encode_lq`.
            guidance: Of the image controller, perhaps with the bridge's; the former alone if None.
        """
        if guidance is None:
            guidance = self.controller(lq_latents, t)
        seen = torch.cat([state, lq_latents], 1) if self.concat_lq else state
        output: Tensor = self.denoiser(seen, t, guidance)
        return output

    def noise(
        self, batch: Batch, t: Int[Tensor, " b"], generators: list[torch.Generator]
    ) -> NoisyImage:
        """Return the LQ latents, z_t and the training target of `batch` at timesteps `t`."""
        lq_latents = self.encode_lq(batch["lq"])
        with torch.no_grad():
            x0 = self.to_state(self.autoencoder.encode(batch["hq"]), lq_latents)
        noise, abar = draw_normal(x0, generators), self.abar[t].view(-1, 1, 1, 1)
        kind = self.scheduler.config.prediction_type
        return NoisyImage(
            lq_latents, gaussian.q_sample(x0, noise, abar), gaussian.target(kind, x0, noise, abar)
        )

    def draw_timesteps(self, generators: list[torch.Generator]) -> Int[Tensor, " b"]:
        """Draw each sample's training timestep."""
        return draw_timesteps(self.timestep_weights, generators).to(self.abar.device)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the mean squared error of the denoiser's prediction."""
        generators = self.generators(batch)
        t = self.draw_timesteps(generators)
        sample = self.noise(batch, t, generators)
        output = self.denoise(sample.latents, t, sample.lq_latents)
        loss = F.mse_loss(output.float(), sample.target)
        self.log_loss("image_loss", loss)
        return loss

    def timed_scheduler(self, steps: int | None) -> Any:
        """Return a scheduler of this task's kind, set to `steps`: each restoration has its own."""
        scheduler = copy.deepcopy(self.scheduler)
        scheduler.set_timesteps(steps or self.steps)
        return scheduler

    def start_state(
        self, lq_latents: Tensor, t: int, generators: list[torch.Generator], start: Start
    ) -> Tensor:
        """Return the state at the first timestep: pure noise, or the LQ latent noised to `t`."""
        noise = self.temperature * draw_normal(lq_latents, generators)
        if start == "noise":
            return noise
        state = self.to_state(lq_latents, lq_latents)
        return gaussian.q_sample(state, noise, self.abar[t].view(1, 1, 1, 1))

    def sample(
        self,
        lq_latents: Float[Tensor, "b c gh gw"],
        generators: list[torch.Generator],
        *,
        steps: int | None = None,
        start: Start = "noise",
    ) -> Iterator[Float[Tensor, "b c gh gw"]]:
        """Yield the clean state predicted at every step of the reverse process; see `decode`."""
        scheduler = self.timed_scheduler(steps)
        times = [int(t) for t in scheduler.timesteps]
        state = self.start_state(lq_latents, times[0], generators, start)
        for t in times:
            with torch.no_grad():
                now = as_timesteps(t, state)
                output = self.denoise(state, now, lq_latents)
                clean, state = image_step(scheduler, output, state, t, generators)
            yield clean

    @torch.no_grad()
    def roll_out(
        self, lq_latents: Float[Tensor, "b c gh gw"], noise: Tensor, t: Int[Tensor, " b"]
    ) -> Float[Tensor, "b c gh gw"]:
        """Return each sample's state at its `t`, as the sampler arrives at it from `noise`.

        Args:
            lq_latents: From `encode_lq`.
            noise: Standard normal; the sampler starts from `temperature` times it.
            t: Timesteps of the sampler, on the CPU.
        """
        scheduler = self.timed_scheduler(None)
        moving = self.temperature * noise
        state = moving
        for time in scheduler.timesteps.tolist():
            here = (t == time).to(state.device, non_blocking=True).view(-1, 1, 1, 1)
            state = torch.where(here, moving, state)
            going = (t < time).nonzero()[:, 0].to(state.device, non_blocking=True)
            if len(going):
                now, lq = moving[going], lq_latents[going]
                output = self.denoise(now, as_timesteps(time, now), lq)
                then = scheduler.step(output.float(), time, now).prev_sample
                moving = moving.index_copy(0, going, then)
        return state

    def restore(
        self, lq: Float[Tensor, "b 3 h w"], generators: list[torch.Generator], **options: Any
    ) -> Float[Tensor, "b 3 sh sw"]:
        """Return the restored images, in [0, 1]; the autoencoder runs once each way.

        Args:
            lq: LQ images; SCALE times their sides must be multiples of `multiple`.
            generators: One CPU generator per image.
            **options: See `sample`.
        """
        lq_latents = self.encode_lq(lq)
        *_, clean = self.sample(lq_latents, generators, **options)
        return self.decode(clean, lq_latents, lq)

    @torch.no_grad()
    def decode(
        self, clean: Tensor, lq_latents: Tensor, lq: Float[Tensor, "b 3 h w"]
    ) -> Float[Tensor, "b 3 sh sw"]:
        """Return the image of a clean state, clamped to [0, 1]."""
        enlarged = None if self.autoencoder.cfw is None else upsample_lq(lq)
        return self.picture(clean, lq_latents, enlarged).clamp(0, 1)

    def picture(
        self,
        clean: Float[Tensor, "b c gh gw"],
        lq_latents: Float[Tensor, "b c gh gw"],
        enlarged: Float[Tensor, "b 3 sh sw"] | None = None,
    ) -> Float[Tensor, "b 3 sh sw"]:
        """Return the image of a clean state, in [0, 1] up to overshoot, with its gradient.

        Args:
            clean: The clean state.
            lq_latents: From `encode_lq`.
            enlarged: The LQ images at HQ size, for the controllable decoder.
        """
        latents = self.from_state(clean, lq_latents)
        return self.autoencoder.decode(latents, enlarged, self.fidelity)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the networks, the scheduler and the settings into the model folder `folder`."""
        settings = {
            "residual_scale": self.residual_scale,
            "concat_lq": self.concat_lq,
            "steps": self.steps,
            "temperature": self.temperature,
        }
        components = {
            "autoencoder": self.autoencoder.codec,
            "controller": self.controller,
            "denoiser": self.denoiser,
        }
        if self.autoencoder.cfw is not None:
            components["cfw"] = self.autoencoder.cfw
            settings["fidelity"] = self.fidelity
        save_folder(folder, components, {"srdm": settings}, self.scheduler)

    @classmethod
    def from_pretrained(cls, model: str | Path, **options: Any) -> SRDM:
        """Return the SRDM of a model folder; see `JointSegSR.from_pretrained`.

        Raises:
            SegSRError: If the model or a component of it cannot be had.
        """
        return cls(
            load_component(model, "autoencoder"),
            load_component(model, "controller"),
            load_component(model, "denoiser"),
            load_scheduler(model),
            cfw=load_component(model, "cfw") if has_component(model, "cfw") else None,
            **{**load_settings(model).get("srdm", {}), **options},
        )

    def evaluate(self, batch: Batch) -> Predictions:
        """Restore the batch from seeded noise, measure and picture it."""
        restored = self.restore(batch["lq"], self.evaluation_generators(batch))
        if "hq" in batch:
            self.measure("restored", restored, batch["hq"])
        log_pictures(self, batch, restored)
        return Predictions(batch["name"], restored, None)
