"""The joint model: both branches, each told the other's state by the bridge at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from segsr.batch import IGNORE_INDEX
from segsr.checkpoints.folder import find_folder, load_component, load_settings, save_folder
from segsr.diffusion.gaussian import guide
from segsr.diffusion.joint_sampler import JointStep, Prediction, joint_reverse, mask_reverse
from segsr.diffusion.noise import Noise
from segsr.diffusion.schedules import trailing_timesteps
from segsr.diffusion.state import State
from segsr.model.conditions import Conditions
from segsr.model.image_branch import ImageBranch
from segsr.model.mask_branch import MaskBranch
from segsr.model.options import SamplingOptions
from segsr.nets.bridge import DualModalityBridge
from segsr.nets.time_aware_encoder import add_guidance, as_timesteps

Predict = Callable[[State, Conditions, int], Prediction]
"""Both states at t, and what is known of the photograph, to both networks' predictions."""


class JointModel(nn.Module):
    """SegSR (paper section 3): two diffusions that exchange their states through the bridge.

    Args:
        image: The super-resolution branch.
        mask: The segmentation branch.
        bridge: The Dual-Modality Bridge.
        mask_first: Steps that SegDM takes on its own before the image's first, whose networks then
            see the mask that it estimates, where it is sure; 0 moves both states together.
    """

    def __init__(
        self,
        image: ImageBranch,
        mask: MaskBranch,
        bridge: DualModalityBridge,
        *,
        mask_first: int = 0,
    ) -> None:
        super().__init__()
        self.image = image
        self.mask = mask
        self.bridge = bridge
        self.mask_first = mask_first

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return self.image.abar.device

    @property
    def dtype(self) -> torch.dtype:
        """What its weights are stored in; diffusers asks for it."""
        return next(self.parameters()).dtype

    def read(
        self, canvas: Float[Tensor, "b 3 sh sw"], given: Int[Tensor, "b gh gw"] | None = None
    ) -> Conditions:
        """Return what both branches are told of LQ images, computed once per image.

        Args:
            canvas: The images at HQ size, sides multiples of `image.multiple`.
            given: Classes held fixed instead of estimated; 255 leaves a cell free.
        """
        prior = self.mask.read(canvas)
        return Conditions(canvas, self.image.encode(canvas), prior.features, prior.logits, given)

    @torch.no_grad()
    def predict(
        self, state: State, conditions: Conditions, t: int, options: SamplingOptions
    ) -> Prediction:
        """Return both networks' predictions at one time, each having seen the other's state.

        A function of nothing but its arguments: of a tile, hand in `state.crop(window)` and
        `conditions.crop(window)`. First the mask's, then the image's, which is told of it.
        """
        log_mask = self.predict_mask(state, conditions, t, options)
        if conditions.mask_only:
            return Prediction(state.latents, log_mask)
        return Prediction(self.predict_image(state, conditions, t, log_mask, options), log_mask)

    @torch.no_grad()
    def predict_mask(
        self, state: State, conditions: Conditions, t: int, options: SamplingOptions
    ) -> Float[Tensor, "b k gh gw"]:
        """Return log probabilities of the clean mask, for which the image's state is seen too."""
        if conditions.estimate is not None:
            return conditions.estimate
        latents, masks = state
        aid = None
        if options.exchange and not conditions.mask_only:
            now = as_timesteps(t, latents)
            aid = self.bridge.aid(
                self.image.noisy_latents(latents, conditions.lq_latents, now), now
            )
        return self.mask.predict(masks, t, conditions.features, aid)

    @torch.no_grad()
    def predict_image(
        self,
        state: State,
        conditions: Conditions,
        t: int,
        log_mask: Float[Tensor, "b k gh gw"],
        options: SamplingOptions,
    ) -> Float[Tensor, "b c gh gw"]:
        """Return the image denoiser's output, for which the mask's state is seen where it is sure.

        Args:
            state: Both states at `t`.
            conditions: What is known of the photograph.
            t: Step on the shared clock.
            log_mask: From `predict_mask`.
            options: How to sample.
        """
        latents, masks = state
        if conditions.estimate is not None:
            masks = log_mask.argmax(1)
        sure = self.mask.sure(log_mask)
        if conditions.given is not None:
            sure = sure | (conditions.given != IGNORE_INDEX)
        seen = masks.masked_fill(~sure, IGNORE_INDEX)
        now = as_timesteps(t, latents)
        return self.denoise(latents, now, conditions.lq_latents, seen, options.semantic_guidance)

    def denoise(
        self,
        state: Float[Tensor, "b c gh gw"],
        t: Int[Tensor, " b"],
        lq_latents: Float[Tensor, "b c gh gw"],
        masks: Int[Tensor, "b gh gw"],
        guidance: float | int = 1,
    ) -> Float[Tensor, "b c gh gw"]:
        """Return the image denoiser's output, with its gradient.

        Args:
            state: The image's, at `t`.
            t: Its timesteps.
            lq_latents: What the image controller sees.
            masks: What the Seg Controller sees; 255 adds nothing.
            guidance: See `SamplingOptions`.
        """
        lq_guidance = self.image.controller(lq_latents, t)
        if guidance == 0:
            return self.image.denoise(state, t, lq_latents, lq_guidance)
        control = add_guidance(lq_guidance, self.bridge.control(masks, t))
        if guidance == 1 or self.bridge.silent:
            return self.image.denoise(state, t, lq_latents, control)
        both = tuple(torch.cat(pair) for pair in zip(control, lq_guidance, strict=True))
        twice = (x.repeat(2, 1, 1, 1) for x in (state, lq_latents))
        output = self.image.denoise(next(twice), t.repeat(2), next(twice), both)
        guided, alone = output.chunk(2)
        return guide(guided, alone, guidance)

    def sample(
        self,
        conditions: Conditions,
        noise: Noise,
        options: SamplingOptions,
        predict: Predict | None = None,
    ) -> Iterator[JointStep]:
        """Yield every step of the joint reverse process.

        Args:
            conditions: From `read`.
            noise: Of every image, by position.
            options: How to sample.
            predict: What predicts instead of `self.predict`, such as that over tiles.
        """
        predict = predict or partial(self.predict, options=options)
        scheduler = self.image.timed_scheduler(options.steps)
        first = int(scheduler.timesteps[0])
        latents = self.image.start_state(conditions.lq_latents, first, noise, options)
        masks = self.mask.start_state(conditions.features, noise)
        if self.mask_first:
            estimate = self.estimate(conditions, State(latents, masks), noise, predict)
            conditions = replace(conditions, estimate=estimate)
        yield from joint_reverse(
            lambda state, t: predict(state, conditions, t),
            scheduler,
            self.mask.abar,
            State(latents, masks),
            noise,
            given=conditions.given,
        )

    def estimate(
        self,
        conditions: Conditions,
        state: State,
        noise: Noise,
        predict: Predict,
    ) -> Float[Tensor, "b k gh gw"]:
        """Return log probabilities of the mask after `mask_first` steps of SegDM on its own.

        Args:
            conditions: From `read`.
            state: Both states at the first step.
            noise: See `sample`.
            predict: See `sample`.
        """
        alone = replace(conditions, mask_only=True)
        return mask_reverse(
            lambda state, t: predict(state, alone, t),
            trailing_timesteps(self.mask_first, len(self.mask.abar)),
            self.mask.abar,
            state,
            noise,
            given=conditions.given,
        )

    def decode(
        self, step: JointStep, conditions: Conditions, options: SamplingOptions
    ) -> tuple[Float[Tensor, "b 3 sh sw"], Int[Tensor, "b sh sw"], Bool[Tensor, "b sh sw"]]:
        """Return a step's prediction at HQ size: image in [0, 1], classes, where they are sure."""
        image = self.image.decode(
            step.predicted_latents, conditions.lq_latents, conditions.canvas, options
        )
        return image, *self.mask.decode(step.mask_log_probs)

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder `folder`: all networks, the scheduler, the settings."""
        self.image.save_pretrained(folder)
        self.mask.save_pretrained(folder)
        save_folder(folder, {"bridge": self.bridge}, {"joint": {"mask_first": self.mask_first}})

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "compact",
        *,
        revision: str | None = None,
        sha256: str | None = None,
    ) -> JointModel:
        """Return a trained model in eval mode.

        Args:
            model: `compact` (ships with the package), a model folder, or a hub id.
            revision: Branch, tag or commit, for a hub id.
            sha256: The model's digest, for a hub id; see `segsr.checkpoints.folder.find_folder`.

        Raises:
            SegSRError: If the model or a component of it cannot be had, or it is another one.
        """
        folder = find_folder(model, revision, sha256)
        bridge = load_component(folder, "bridge")
        assert isinstance(bridge, DualModalityBridge)
        branches = ImageBranch.from_pretrained(folder), MaskBranch.from_pretrained(folder)
        joint = cls(*branches, bridge, **load_settings(folder).get("joint", {}))
        return joint.eval()
