"""JointSegSR: both tasks and the bridge between their branches, and how the bridge learns."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import PIL.Image
import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, Batch
from segsr.checkpoints.card import Statement, measured, model_card
from segsr.checkpoints.hub import Pushed, push
from segsr.diffusion.gaussian import draw_normal, predict_x0
from segsr.inference.pipeline import SegSRPipeline
from segsr.inference.restoration import Restoration
from segsr.metrics.restoration import restoration_metrics
from segsr.metrics.segmentation import labelling_metrics, segmentation_metrics
from segsr.model.conditions import Conditions
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions
from segsr.nets.bridge import DualModalityBridge
from segsr.nets.resize_codec import decode_mask, pillow_bicubic, to_canvas
from segsr.nets.seg_prior import Prior
from segsr.nets.time_aware_encoder import add_guidance, keep_guidance
from segsr.seeding import generator
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.segdm import SegDM
from segsr.tasks.srdm import SRDM, NoisyImage
from segsr.tasks.task import Task, draw_keep
from segsr.training.picture_loss import PictureLoss


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
                "mask": segmentation_metrics(segdm.branch.num_classes),
                "labelled": labelling_metrics(),
                "prior": segmentation_metrics(segdm.branch.num_classes),
            }
        )

    @property
    def model(self) -> JointModel:
        """The model that is trained, for use without Lightning."""
        return JointModel(self.srdm.branch, self.segdm.branch, self.bridge)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the image's and the mask's loss at one time, each branch seeing the other."""
        generators, branch = self.generators(batch), self.srdm.branch
        t = self.srdm.draw_timesteps(generators)
        conditions = self.model.read(to_canvas(batch["lq"]))
        image = self.srdm.noise(conditions.lq_latents, batch["hq"], t, generators)
        if self.picture_loss is not None:  # a few-step model is trained on what it will meet
            noise = draw_normal(image.latents, generators)
            image = image._replace(latents=self.srdm.roll_out(image.lq_latents, noise, t.cpu()))
        prior = Prior(conditions.features, conditions.prior_logits)
        mask = self.segdm.noise(prior, batch["mask"], t, generators)
        keep_control, keep_aid = (draw_keep(self.drop, generators).to(t.device) for _ in range(2))
        noisy = draw_keep(self.clean_mask, generators).to(t.device).bool().view(-1, 1, 1)
        seen = torch.where(noisy, mask.masks, mask.clean).masked_fill(mask.unknown, IGNORE_INDEX)
        control = keep_guidance(self.bridge.control(seen, t), keep_control)
        latents = branch.noisy_latents(image.latents, image.lq_latents, t)
        aid = keep_guidance(self.bridge.aid(latents, t), keep_aid)
        guidance = add_guidance(branch.controller(image.lq_latents, t), control)
        output = branch.denoise(image.latents, t, image.lq_latents, guidance)
        logits = self.segdm.branch.denoiser(mask.masks, t, mask.features, aid)
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
        branch = self.srdm.branch
        kind, abar = branch.scheduler.config.prediction_type, branch.abar[t]
        clean = predict_x0(kind, output, image.latents, abar.view(-1, 1, 1, 1))
        terms = self.picture_loss(
            branch.picture(clean, image.lq_latents),
            hq,
            self.global_step,
            generator(self.seed, "window", self.global_step),
        )
        for name, term in terms.items():
            self.log_loss(name, term, shown=False)
        return torch.stack(list(terms.values())).sum()

    def restore(
        self,
        image: PIL.Image.Image | Float[Tensor, "3 h w"],
        *,
        seed: int = 0,
        mask: Int[Tensor, "mh mw"] | None = None,
        trajectory: bool = False,
        **options: Any,
    ) -> Restoration:
        """Return the photograph at SCALE times its size, with its mask.

        Args:
            image: See `SegSRPipeline`, which this calls.
            seed: See there.
            mask: See there.
            trajectory: See there.
            **options: See there, and `SamplingOptions`.
        """
        pipeline = SegSRPipeline(self.model)
        pipeline.set_progress_bar_config(disable=True)
        found: Restoration = pipeline(image, seed=seed, mask=mask, trajectory=trajectory, **options)
        return found

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the model folder `folder`: all networks, the scheduler, the settings."""
        self.model.save_pretrained(folder)

    def push_to_hub(
        self,
        name: str,
        statement: Statement,
        *,
        results: Sequence[Path] = (),
        revision: str | None = None,
        private: bool = False,
    ) -> Pushed:
        """Put the model on a hub, with a card, and return where it is.

        Args:
            name: `owner/name`.
            statement: Licence, data and limits, for the card.
            results: Folders of `segsr test`, `evaluate` or `benchmark`, for the card.
            revision: The branch to write to; the main branch if None.
            private: Whether a repository that is made is private.

        Raises:
            SegSRError: If the hub refuses or cannot be reached, or a result has no table.
        """
        with TemporaryDirectory() as folder:
            self.save_pretrained(folder)
            card = model_card(Path(folder), name, statement, measured(results))
            return push(Path(folder), name, card, revision=revision, private=private)

    @classmethod
    def from_pretrained(
        cls,
        model: str | Path = "compact",
        *,
        revision: str | None = None,
        sha256: str | None = None,
        **options: Any,
    ) -> JointSegSR:
        """Return a trained JointSegSR in eval mode.

        Args:
            model: `compact` (ships with the package), a model folder, or a hub id.
            revision: Branch, tag or commit, for a hub id.
            sha256: The model's digest, for a hub id.
            **options: Arguments of `JointSegSR` other than its parts.

        Raises:
            SegSRError: If the model or a component of it cannot be had, or it is another one.
        """
        joint = JointModel.from_pretrained(model, revision=revision, sha256=sha256)
        return cls(SRDM(joint.image), SegDM(joint.mask), joint.bridge, **options).eval()

    def evaluate(self, batch: Batch) -> Predictions:
        """Restore the batch, measure it against bicubic and the prior, and picture it."""
        conditions, image, classes, sure = self._restore_batch(batch)
        if "hq" in batch:
            self.measure("restored", image, batch["hq"])
            self.measure("bicubic", pillow_bicubic(batch["lq"]), batch["hq"])
        if "mask" in batch:
            first = decode_mask(conditions.prior_logits, self.segdm.branch.factor)
            self.measure("mask", classes, batch["mask"])
            self.measure("labelled", classes.masked_fill(~sure, IGNORE_INDEX), batch["mask"])
            self.measure("prior", first, batch["mask"])
        log_pictures(self, batch, image, classes)
        return Predictions(batch["name"], image, classes)

    def predict_step(self, batch: Batch, batch_index: int) -> Predictions:
        """Restore a batch of the prediction set."""
        _, image, classes, _ = self._restore_batch(batch)
        return Predictions(batch["name"], image.cpu(), classes.cpu())

    def _restore_batch(self, batch: Batch) -> tuple[Conditions, Tensor, Tensor, Tensor]:
        """What a batch becomes, each of it seeded by its name; see `JointModel.decode`."""
        model, options = self.model, SamplingOptions()
        conditions = model.read(to_canvas(batch["lq"]))
        *_, last = model.sample(conditions, self.evaluation_noise(batch), options)
        return conditions, *model.decode(last, conditions, options)
