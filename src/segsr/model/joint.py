"""The joint model: both branches, each told the other's state by the bridge at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from segsr.batch import IGNORE_INDEX
from segsr.checkpoints.folder import find_folder, load_component, save_folder
from segsr.diffusion.gaussian import guide
from segsr.diffusion.joint_sampler import JointStep, Prediction, joint_reverse
from segsr.diffusion.noise import Noise
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
    """

    def __init__(self, image: ImageBranch, mask: MaskBranch, bridge: DualModalityBridge) -> None:
        super().__init__()
        self.image = image
        self.mask = mask
        self.bridge = bridge

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
        return Prediction(self.predict_image(state, conditions, t, log_mask, options), log_mask)

    @torch.no_grad()
    def predict_mask(
        self, state: State, conditions: Conditions, t: int, options: SamplingOptions
    ) -> Float[Tensor, "b k gh gw"]:
        """Return log probabilities of the clean mask, for which the image's state is seen too."""
        latents, masks = state
        aid = None
        if options.exchange:
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
        now = as_timesteps(t, latents)
        lq_latents = conditions.lq_latents
        lq_guidance = self.image.controller(lq_latents, now)
        scale = options.semantic_guidance
        if scale == 0:
            return self.image.denoise(latents, now, lq_latents, lq_guidance)
        sure = self.mask.sure(log_mask)
        if conditions.given is not None:
            sure = sure | (conditions.given != IGNORE_INDEX)
        seen = masks.masked_fill(~sure, IGNORE_INDEX)
        control = add_guidance(lq_guidance, self.bridge.control(seen, now))
        if scale == 1 or self.bridge.silent:
            return self.image.denoise(latents, now, lq_latents, control)
        both = tuple(torch.cat(pair) for pair in zip(control, lq_guidance, strict=True))
        twice = (x.repeat(2, 1, 1, 1) for x in (latents, lq_latents))
        output = self.image.denoise(next(twice), now.repeat(2), next(twice), both)
        guided, alone = output.chunk(2)
        return guide(guided, alone, scale)

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
        yield from joint_reverse(
            lambda state, t: predict(state, conditions, t),
            scheduler,
            self.mask.abar,
            State(latents, masks),
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
        save_folder(folder, {"bridge": self.bridge}, {})

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
        joint = cls(ImageBranch.from_pretrained(folder), MaskBranch.from_pretrained(folder), bridge)
        return joint.eval()
