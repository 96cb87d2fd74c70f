"""The image branch: Gaussian diffusion in an autoencoder's latents under LQ guidance."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from diffusers import AutoencoderKL
from jaxtyping import Float, Int
from torch import Tensor, nn

from segsr.checkpoints.folder import (
    has_component,
    load_component,
    load_scheduler,
    load_settings,
    save_folder,
)
from segsr.diffusion import gaussian
from segsr.diffusion.joint_sampler import image_step, predicted
from segsr.diffusion.noise import Noise
from segsr.errors import SegSRError
from segsr.model.options import Colour, SamplingOptions, Start
from segsr.nets.autoencoder import Autoencoder
from segsr.nets.controllable_decoder import ControllableDecoder
from segsr.nets.image_controller import ImageController
from segsr.nets.image_denoiser import ImageDenoiser
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.nets.time_aware_encoder import Guidance, as_timesteps


class ImageBranch(nn.Module):
    """Restores a photograph by diffusion in the autoencoder's latents (paper section 3.3).

    The diffused state is (z_hq - anchor) / scale. StableSR's choice is anchor 0 and scale 1;
    `residual_scale` sets the anchor to the LQ latent, so that the state is what LQ lacks.

    Args:
        autoencoder: Stable Diffusion's VAE or the compact `PatchAutoencoder`.
        controller: LQ latent and t to guidance.
        denoiser: The guided U-Net.
        scheduler: A diffusers scheduler (DDPM, DDIM, DPM-Solver++): betas and prediction type for
            training, and the sampler's steps.
        residual_scale: Scale of the residual state; None diffuses z_hq itself.
        concat_lq: The denoiser reads the LQ latent beside the state, as SR3's does; StableSR's
            reads it through the guidance alone.
        steps: Sampling steps where `SamplingOptions` names none.
        temperature: Its temperature where it names none.
        start: Its start where it names none.
        most_steps: Steps that it was distilled to, beyond which it must not be asked; None takes
            any number.
        cfw: StableSR's controllable decoder.
        fidelity: Its weight w where `SamplingOptions` names none, from 0 (the plain decoder) to 1.
        colour: Where a result's colours come from where it names nothing.
    """

    abar: Tensor

    def __init__(
        self,
        autoencoder: AutoencoderKL | PatchAutoencoder,
        controller: ImageController,
        denoiser: ImageDenoiser,
        scheduler: Any,
        *,
        residual_scale: float | None = None,
        concat_lq: bool = False,
        steps: int = 4,
        temperature: float | int = 1.0,
        start: Start = "noise",
        most_steps: int | None = None,
        cfw: ControllableDecoder | None = None,
        fidelity: float = 0.5,
        colour: Colour = "none",
    ) -> None:
        super().__init__()
        gaussian.check_prediction_type(scheduler.config.prediction_type)
        self.autoencoder = Autoencoder(autoencoder, cfw)
        self.controller = controller
        self.denoiser = denoiser
        self.scheduler = scheduler
        self.residual_scale = residual_scale
        self.concat_lq = concat_lq
        self.steps = steps
        self.temperature = temperature
        self.start = start
        self.most_steps = most_steps
        self.fidelity = fidelity
        self.colour = colour
        self.register_buffer("abar", scheduler.alphas_cumprod.float(), persistent=False)

    @property
    def multiple(self) -> int:
        """What both sides of a canvas must be multiples of."""
        return int(self.autoencoder.factor * 2 ** (len(self.controller.config.channels) - 1))

    def check(self, options: SamplingOptions) -> None:
        """Check that this branch can do what `options` ask.

        Raises:
            SegSRError: If it cannot.
        """
        if options.fidelity is not None and self.autoencoder.cfw is None:
            raise SegSRError("the model has no controllable decoder (cfw/): leave fidelity out.")
        if self.most_steps is not None and (options.steps or self.steps) > self.most_steps:
            raise SegSRError(
                f"steps is {options.steps or self.steps}, but the model was distilled to"
                f" {self.most_steps} and does worse with more: leave steps out."
            )

    def settled(self, options: SamplingOptions) -> SamplingOptions:
        """Return `options` with this branch's own choices where they name none."""
        fidelity = None if self.autoencoder.cfw is None else self.fidelity
        return replace(
            options,
            steps=options.steps or self.steps,
            start=self.chosen_start(options),
            temperature=self.temperature if options.temperature is None else options.temperature,
            fidelity=fidelity if options.fidelity is None else options.fidelity,
            colour=options.colour or self.colour,
        )

    @torch.no_grad()
    def encode(self, canvas: Float[Tensor, "b 3 sh sw"]) -> Float[Tensor, "b c gh gw"]:
        """Return the latents of images in [0, 1]."""
        return self.autoencoder.encode(canvas)

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
            lq_latents: From `encode`.
            guidance: Of the image controller, perhaps with the bridge's; the former alone if None.
        """
        if guidance is None:
            guidance = self.controller(lq_latents, t)
        seen = torch.cat([state, lq_latents], 1) if self.concat_lq else state
        output: Tensor = self.denoiser(seen, t, guidance)
        return output

    def timed_scheduler(self, steps: int | None) -> Any:
        """Return a scheduler of this branch's kind, set to `steps`, its own number if None.

        One step starts at the noisiest time: of diffusers' spacings only "trailing" has it there,
        the others' single time is the cleanest.
        """
        steps = steps or self.steps
        scheduler = copy.deepcopy(self.scheduler)  # each restoration has its own
        if steps == 1 and getattr(scheduler.config, "timestep_spacing", None) is not None:
            scheduler.register_to_config(timestep_spacing="trailing")
        scheduler.set_timesteps(steps)
        return scheduler

    def start_state(
        self,
        lq_latents: Float[Tensor, "b c gh gw"],
        t: int,
        noise: Noise,
        options: SamplingOptions,
    ) -> Float[Tensor, "b c gh gw"]:
        """Return the state at the first timestep `t`; see `SamplingOptions.start`."""
        chosen = options.temperature
        temperature = self.temperature if chosen is None else chosen
        deviation = options.strength * temperature
        drawn = torch.zeros_like(lq_latents)
        if deviation:
            drawn = deviation * noise.normal(lq_latents.shape[1:], "latents").to(lq_latents)
        start = self.chosen_start(options)
        if start == "noise":
            return drawn
        state = self.to_state(lq_latents, lq_latents)
        if start == "latent":
            return state
        return gaussian.q_sample(state, drawn, self.abar[t].view(1, 1, 1, 1))

    def chosen_start(self, options: SamplingOptions) -> Start:
        """Return what a restoration starts from; see `SamplingOptions.start`."""
        own: Start = "lq" if options.strength < 1 and self.start == "noise" else self.start
        return options.start or own

    def sample(
        self,
        lq_latents: Float[Tensor, "b c gh gw"],
        noise: Noise,
        options: SamplingOptions,
    ) -> Iterator[Float[Tensor, "b c gh gw"]]:
        """Yield the clean state predicted at every step, without a mask; see `decode`."""
        scheduler = self.timed_scheduler(options.steps)
        times = [int(t) for t in scheduler.timesteps]
        state = self.start_state(lq_latents, times[0], noise, options)
        for t in times:
            with torch.no_grad():
                output = self.denoise(state, as_timesteps(t, state), lq_latents)
                clean = predicted(scheduler, output, state, t)
                state = image_step(scheduler, output, state, t, noise)
            yield clean

    def restore(
        self,
        canvas: Float[Tensor, "b 3 sh sw"],
        noise: Noise,
        options: SamplingOptions,
    ) -> Float[Tensor, "b 3 sh sw"]:
        """Return the restored images, in [0, 1], without a mask.

        Args:
            canvas: LQ images at HQ size, sides multiples of `multiple`.
            noise: Of every image, by position.
            options: How to sample.
        """
        lq_latents = self.encode(canvas)
        *_, clean = self.sample(lq_latents, noise, options)
        return self.decode(clean, lq_latents, canvas, options)

    @torch.no_grad()
    def decode(
        self,
        clean: Float[Tensor, "b c gh gw"],
        lq_latents: Float[Tensor, "b c gh gw"],
        canvas: Float[Tensor, "b 3 sh sw"],
        options: SamplingOptions,
    ) -> Float[Tensor, "b 3 sh sw"]:
        """Return the image of a clean state, clamped to [0, 1], mixed with the canvas.

        The share of the former is `SamplingOptions.strength`.
        """
        latents = self.from_state(clean, lq_latents)
        fidelity = self.fidelity if options.fidelity is None else options.fidelity
        seen = None if self.autoencoder.cfw is None else canvas
        image = self.autoencoder.decode(latents, seen, float(fidelity)).clamp(0, 1)
        return image if options.strength == 1 else canvas.lerp(image, float(options.strength))

    def picture(
        self, clean: Float[Tensor, "b c gh gw"], lq_latents: Float[Tensor, "b c gh gw"]
    ) -> Float[Tensor, "b 3 sh sw"]:
        """Return the plain decoder's image of a clean state, not clamped, with its gradient."""
        return self.autoencoder.decode(self.from_state(clean, lq_latents))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the networks, the scheduler and the settings into the model folder `folder`."""
        settings = {
            "residual_scale": self.residual_scale,
            "concat_lq": self.concat_lq,
            "steps": self.steps,
            "temperature": self.temperature,
            "start": self.start,
            "most_steps": self.most_steps,
            "colour": self.colour,
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
    def from_pretrained(cls, folder: str | Path) -> ImageBranch:
        """Return the image branch of a model folder; see `JointModel.from_pretrained`.

        Raises:
            SegSRError: If a component of it cannot be had.
        """
        return cls(
            load_component(folder, "autoencoder"),
            load_component(folder, "controller"),
            load_component(folder, "denoiser"),
            load_scheduler(folder),
            cfw=load_component(folder, "cfw") if has_component(folder, "cfw") else None,
            **load_settings(folder).get("srdm", {}),
        )
