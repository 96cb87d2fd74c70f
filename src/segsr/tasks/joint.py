"""JointSegSR: both diffusions, side by side, joined by the bridge at every step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import PIL.Image
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, Batch
from segsr.checkpoints.folder import find_folder, load_component, save_folder
from segsr.diffusion.gaussian import guide, predict_x0
from segsr.diffusion.joint_sampler import JointStep, Prediction, joint_reverse
from segsr.metrics.restoration import restoration_metrics
from segsr.metrics.segmentation import labelling_metrics, segmentation_metrics
from segsr.nets.bridge import DualModalityBridge
from segsr.nets.resize_codec import decode_mask, enlarge
from segsr.nets.seg_prior import Prior
from segsr.nets.time_aware_encoder import add_guidance, as_timesteps, keep_guidance
from segsr.seeding import generator
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.restoration import Restoration, restore
from segsr.tasks.segdm import SegDM
from segsr.tasks.srdm import SRDM, NoisyImage, Start
from segsr.tasks.task import Task, draw_keep, draw_normal
from segsr.training.picture_loss import PictureLoss


@dataclass(frozen=True)
class Conditions:
    """What is read off LQ images once, before the first step.

    Attributes:
        lq: The images themselves.
        lq_latents: Their latents, for the image branch.
        prior: F_lq and the first mask's logits, for the mask branch.
    """

    lq: Tensor
    lq_latents: Tensor
    prior: Prior


class JointSegSR(Task):
    """SegSR (paper section 3): SRDM and SegDM exchange their states through the bridge.

    Args:
        srdm: The super-resolution branch.
        segdm: The segmentation branch.
        bridge: The Dual-Modality Bridge.
        picture_loss: What the decoded picture is trained on; None takes the squared error of what
            the denoiser predicts (the paper's).
        train_image: Train the image branch, too; else the bridge alone learns to guide it.
        mask_weight: Weight of the mask's loss beside the image's.
        drop: Probability with which each of C_t and I_t is left out in training, which makes
            semantic guidance possible and each branch able to run alone.
        clean_mask: Probability with which the Seg Controller sees the true mask instead of S_t in
            training, which makes a mask handed in by the user a known input.
        **task: See `Task`.
    """

    def __init__(
        self,
        srdm: SRDM,
        segdm: SegDM,
        bridge: DualModalityBridge,
        *,
        picture_loss: PictureLoss | None = None,
        train_image: bool = True,
        mask_weight: float = 1.0,
        drop: float = 0.1,
        clean_mask: float = 0.1,
        **task: Any,
    ) -> None:
        super().__init__(**task)
        self.srdm = srdm
        self.segdm = segdm
        self.bridge = bridge
        self.picture_loss = picture_loss
        if not train_image:
            srdm.requires_grad_(False)
        self.mask_weight = mask_weight
        self.drop = drop
        self.clean_mask = clean_mask
        self.metrics.update(
            {
                "restored": restoration_metrics(),
                "bicubic": restoration_metrics(),
                "mask": segmentation_metrics(segdm.num_classes),
                "labelled": labelling_metrics(),
                "prior": segmentation_metrics(segdm.num_classes),
            }
        )

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the image's and the mask's loss at one time, each branch seeing the other."""
        generators = self.generators(batch)
        t = self.srdm.draw_timesteps(generators)
        image = self.srdm.noise(batch, t, generators)
        if self.picture_loss is not None:  # a few-step model is trained on what it will meet
            noise = draw_normal(image.latents, generators)
            image = image._replace(latents=self.srdm.roll_out(image.lq_latents, noise, t.cpu()))
        mask = self.segdm.noise(batch, t, generators)
        keep_control, keep_aid = (draw_keep(self.drop, generators).to(t.device) for _ in range(2))
        noisy = draw_keep(self.clean_mask, generators).to(t.device).bool().view(-1, 1, 1)
        seen = torch.where(noisy, mask.masks, mask.clean).masked_fill(mask.unknown, IGNORE_INDEX)
        control = keep_guidance(self.bridge.control(seen, t), keep_control)
        latents = self.srdm.noisy_latents(image.latents, image.lq_latents, t)
        aid = keep_guidance(self.bridge.aid(latents, t), keep_aid)
        guidance = add_guidance(self.srdm.controller(image.lq_latents, t), control)
        output = self.srdm.denoise(image.latents, t, image.lq_latents, guidance)
        logits = self.segdm.denoiser(mask.masks, t, mask.features, aid)
        image_loss = self.image_loss(output.float(), image, t, batch["hq"])
        cross_entropy, divergence = self.segdm.loss(logits, mask, t)
        self.log_loss("image_loss", image_loss)
        self.log_loss("mask_cross_entropy", cross_entropy)
        self.log_loss("mask_divergence", divergence, shown=False)
        return image_loss + self.mask_weight * (cross_entropy + self.segdm.kl_weight * divergence)

    def image_loss(
        self,
        output: Float[Tensor, "b c gh gw"],
        image: NoisyImage,
        t: Int[Tensor, " b"],
        hq: Float[Tensor, "b 3 h w"],
    ) -> Tensor:
        """Return the loss of the denoiser's `output`: on the decoded picture, or its error."""
        if self.picture_loss is None:
            return F.mse_loss(output, image.target)
        kind, abar = self.srdm.scheduler.config.prediction_type, self.srdm.abar[t]
        clean = predict_x0(kind, output, image.latents, abar.view(-1, 1, 1, 1))
        terms = self.picture_loss(
            self.srdm.picture(clean, image.lq_latents),
            hq,
            self.global_step,
            generator(self.seed, "window", self.global_step),
        )
        for name, term in terms.items():
            self.log_loss(name, term, shown=False)
        return torch.stack(list(terms.values())).sum()

    def read_lq(self, lq: Float[Tensor, "b 3 h w"]) -> Conditions:
        """Return the conditions of both branches, computed once per image."""
        return Conditions(lq, self.srdm.encode_lq(lq), self.segdm.read_lq(lq))

    def predict_step_at(
        self,
        conditions: Conditions,
        guidance: float = 1.0,
        exchange: bool = True,
        given: Int[Tensor, "b gh gw"] | None = None,
    ) -> Callable[[Tensor, Tensor, int], Prediction]:
        """Return the call (z_t, S_t, t) to both networks' predictions.

        Args:
            conditions: From `read_lq`.
            guidance: Semantic guidance scale: 0 restores without the mask, 1 as trained, more
                exaggerates what the mask changes.
            exchange: Whether the mask sees the image (I_t).
            given: The classes that are held fixed, which are sure; 255 elsewhere.
        """

        @torch.no_grad()
        def predict(latents: Tensor, masks: Tensor, t: int) -> Prediction:
            now = as_timesteps(t, latents)
            lq_guidance = self.srdm.controller(conditions.lq_latents, now)
            aid = None
            if exchange:
                noisy = self.srdm.noisy_latents(latents, conditions.lq_latents, now)
                aid = self.bridge.aid(noisy, now)
            log_mask = self.segdm.predict(masks, t, conditions.prior.features, aid)
            if guidance == 0:
                output = self.srdm.denoise(latents, now, conditions.lq_latents, lq_guidance)
                return Prediction(output, log_mask)
            sure = self.segdm.sure(log_mask)
            if given is not None:
                sure = sure | (given != IGNORE_INDEX)
            seen = masks.masked_fill(~sure, IGNORE_INDEX)
            control = add_guidance(lq_guidance, self.bridge.control(seen, now))
            if guidance == 1:
                output = self.srdm.denoise(latents, now, conditions.lq_latents, control)
                return Prediction(output, log_mask)
            both = {width: torch.cat([control[width], lq_guidance[width]]) for width in control}
            state, lq_latents = (x.repeat(2, 1, 1, 1) for x in (latents, conditions.lq_latents))
            output = self.srdm.denoise(state, now.repeat(2), lq_latents, both)
            guided, alone = output.chunk(2)
            return Prediction(guide(guided, alone, guidance), log_mask)

        return predict

    def sample(
        self,
        conditions: Conditions,
        generators: list[torch.Generator],
        *,
        steps: int | None = None,
        mask: Int[Tensor, "b gh gw"] | None = None,
        guidance: float = 1.0,
        exchange: bool = True,
        start: Start = "noise",
    ) -> Iterator[JointStep]:
        """Yield every step of the joint reverse process.

        Args:
            conditions: From `read_lq`.
            generators: One CPU generator per image.
            steps: Sampling steps; the SRDM's own number if None.
            mask: Classes on the latent grid held fixed instead of SegDM's; 255 leaves a pixel free.
            guidance: Semantic guidance scale.
            exchange: Whether the mask sees the image.
            start: Start from pure noise or from the LQ latent at the first timestep.
        """
        scheduler = self.srdm.timed_scheduler(steps)
        first = int(scheduler.timesteps[0])
        latents = self.srdm.start_state(conditions.lq_latents, first, generators, start)
        masks = self.segdm.start_state(conditions.prior.features, generators)
        yield from joint_reverse(
            self.predict_step_at(conditions, guidance, exchange, mask),
            scheduler,
            self.segdm.abar,
            latents,
            masks,
            generators,
            given_mask=mask,
        )

    def decode(
        self, step: JointStep, conditions: Conditions
    ) -> tuple[Float[Tensor, "b 3 sh sw"], Int[Tensor, "b sh sw"], Bool[Tensor, "b sh sw"]]:
        """Return a step's prediction at HQ size: image in [0, 1], classes, where they are sure."""
        image = self.srdm.decode(step.predicted_latents, conditions.lq_latents, conditions.lq)
        return image, *self.segdm.decode(step.mask_log_probs)

    def restore_batch(self, batch: Batch, conditions: Conditions) -> tuple[Tensor, Tensor, Tensor]:
        """Return what a batch becomes, each of it seeded by its name; see `decode`."""
        *_, last = self.sample(conditions, self.evaluation_generators(batch))
        return self.decode(last, conditions)

    def restore(
        self,
        image: PIL.Image.Image | Float[Tensor, "3 h w"],
        *,
        steps: int | None = None,
        seed: int = 0,
        mask: Int[Tensor, "mh mw"] | None = None,
        guidance: float = 1.0,
        start: Start = "noise",
        trajectory: bool = False,
    ) -> Restoration:
        """Return the photograph at SCALE times its size, with its mask.

        See `segsr.tasks.restoration.restore`.
        """
        return restore(
            self,
            image,
            generator(seed),
            steps=steps,
            mask=mask,
            guidance=guidance,
            start=start,
            trajectory=trajectory,
        )

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder `folder`: all networks, the scheduler, the settings."""
        self.srdm.save_pretrained(folder)
        self.segdm.save_pretrained(folder)
        save_folder(folder, {"bridge": self.bridge}, {})

    @classmethod
    def from_pretrained(
        cls, model: str | Path = "compact", *, revision: str | None = None, **options: Any
    ) -> JointSegSR:
        """Return a trained JointSegSR in eval mode.

        Args:
            model: `compact` (ships with the package), a model folder, or a hub id.
            revision: Branch, tag or commit, for a hub id.
            **options: Arguments of `JointSegSR` other than the networks.

        Raises:
            SegSRError: If the model or a component of it cannot be had.
        """
        folder = find_folder(model, revision)
        bridge = load_component(folder, "bridge")
        assert isinstance(bridge, DualModalityBridge)
        joint = cls(SRDM.from_pretrained(folder), SegDM.from_pretrained(folder), bridge, **options)
        return joint.eval()

    def evaluate(self, batch: Batch) -> Predictions:
        """Restore the batch, measure it against bicubic and the prior, and picture it."""
        conditions = self.read_lq(batch["lq"])
        image, classes, sure = self.restore_batch(batch, conditions)
        if "hq" in batch:
            self.measure("restored", image, batch["hq"])
            self.measure("bicubic", enlarge(batch["lq"]), batch["hq"])
        if "mask" in batch:
            first = decode_mask(conditions.prior.logits, self.segdm.factor)
            self.measure("mask", classes, batch["mask"])
            self.measure("labelled", classes.masked_fill(~sure, IGNORE_INDEX), batch["mask"])
            self.measure("prior", first, batch["mask"])
        log_pictures(self, batch, image, classes)
        return Predictions(batch["name"], image, classes)

    def predict_step(self, batch: Batch, batch_index: int) -> Predictions:
        """Restore a batch of the prediction set."""
        image, classes, _ = self.restore_batch(batch, self.read_lq(batch["lq"]))
        return Predictions(batch["name"], image.cpu(), classes.cpu())
