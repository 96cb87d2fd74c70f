"""SegDM, the segmentation branch, and how it learns."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX, Batch
from segsr.checkpoints.folder import find_folder
from segsr.diffusion import categorical
from segsr.metrics.segmentation import labelling_metrics, segmentation_metrics
from segsr.model.mask_branch import MaskBranch
from segsr.nets.resize_codec import encode_mask, to_canvas
from segsr.nets.seg_prior import Prior
from segsr.nets.time_aware_encoder import as_timesteps
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.task import Task, draw_keep, draw_timesteps


class NoisyMask(NamedTuple):
    """A training sample of the categorical side at its timestep.

    Attributes:
        features: F_lq.
        clean: S_0, with the prior's class where there is no label.
        known: Where there is one.
        unknown: Where the network must learn to be unsure.
        masks: S_t, pure noise there.
    """

    features: Tensor
    clean: Tensor
    known: Tensor
    unknown: Tensor
    masks: Tensor


class SegDM(Task):
    """Trains a mask branch as DDPS does, on a frozen prior (paper section 3.3).

    Args:
        branch: The mask branch; its prior is always frozen.
        kl_weight: Weight of the variational bound's term beside the cross-entropy on x0.
        first_prediction: Probability of "diffusion on the first prediction" (DDPS): noise is added
            to the network's own first guess instead of the true mask, so that it learns to repair
            what it will meet when sampling.
        unknown_weight: Weight of being unsure where nothing is known (`UNKNOWN_INDEX`).
        **task: See `Task`.
    """

    def __init__(
        self,
        branch: MaskBranch,
        *,
        kl_weight: float = 1.0,
        first_prediction: float = 0.0,
        unknown_weight: float = 0.5,
        **task: Any,
    ) -> None:
        super().__init__(**task)
        self.branch = branch
        branch.prior.requires_grad_(False)
        self.kl_weight = kl_weight
        self.first_prediction = first_prediction
        self.unknown_weight = unknown_weight
        self.metrics["mask"] = segmentation_metrics(branch.num_classes)
        self.metrics["labelled"] = labelling_metrics()

    def noise(
        self,
        prior: Prior,
        masks: Int[Tensor, "b h w"],
        t: Int[Tensor, " b"],
        generators: list[torch.Generator],
    ) -> NoisyMask:
        """Return F_lq, S_0, which of its pixels are known, and S_t of true `masks` at times `t`.

        Pixels without a label take the prior's class, so that S_t looks there as it will when
        sampling; they count in no loss. Unknown ones are noise at every t, since that is what
        sampling leaves of a mask that stays unsure.
        """
        branch = self.branch
        labels = encode_mask(masks, branch.factor)
        unknown = labels == UNKNOWN_INDEX
        known = (labels != IGNORE_INDEX) & ~unknown
        clean = torch.where(known, labels, prior.logits.argmax(1))
        kept = draw_keep(self.first_prediction, generators).to(clean.device).bool()
        start = clean
        if self.first_prediction:
            guess = self.first_guess(prior.features, generators)
            start = torch.where(kept.view(-1, 1, 1), clean, guess)
        states = categorical.q_sample(start, branch.abar[t], branch.num_classes, generators)
        noise = categorical.uniform_classes(states.shape, branch.num_classes, generators)
        states = torch.where(unknown, noise.to(states.device), states)
        return NoisyMask(prior.features, clean, known, unknown, states)

    @torch.no_grad()
    def first_guess(
        self, features: Float[Tensor, "b c h w"], generators: list[torch.Generator]
    ) -> Int[Tensor, "b h w"]:
        """Return the mask that the denoiser predicts from pure noise in one step."""
        shape = (len(features), *features.shape[-2:])
        drawn = categorical.uniform_classes(shape, self.branch.num_classes, generators)
        noise = drawn.to(features.device)
        t = as_timesteps(len(self.branch.abar) - 1, noise)
        guess: Tensor = self.branch.denoiser(noise, t, features).argmax(1)
        return guess

    def loss(
        self, logits: Float[Tensor, "b k h w"], sample: NoisyMask, t: Int[Tensor, " b"]
    ) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy on x0 and the bound's term, over the known pixels.

        Unknown pixels add how sure the prediction is there to the first. Both are means over all
        pixels of the batch, one without a label counting 0: the mean over devices is then the mean
        over the global batch.
        """
        logits, abar = logits.float(), self.branch.abar
        cross_entropy = F.cross_entropy(logits, sample.clean, reduction="none") * sample.known
        doubt = categorical.uniform_divergence(logits) * sample.unknown
        cross_entropy = cross_entropy + self.unknown_weight * doubt
        previous = torch.where(t > 0, abar[(t - 1).clamp(min=0)], torch.ones_like(abar[t]))
        divergence = categorical.step_divergence(
            logits, sample.clean, sample.masks, abar[t], previous
        )
        return cross_entropy.mean(), (divergence * sample.known).mean()

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return cross-entropy plus the weighted divergence of the denoiser's prediction."""
        branch, generators = self.branch, self.generators(batch)
        t = draw_timesteps(torch.ones(len(branch.abar)), generators).to(branch.abar.device)
        prior = branch.read(to_canvas(batch["lq"]))
        sample = self.noise(prior, batch["mask"], t, generators)
        logits = branch.denoiser(sample.masks, t, sample.features)
        cross_entropy, divergence = self.loss(logits, sample, t)
        self.log_loss("mask_cross_entropy", cross_entropy)
        self.log_loss("mask_divergence", divergence, shown=False)
        return cross_entropy + self.kl_weight * divergence

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the branch into the model folder `folder`."""
        self.branch.save_pretrained(folder)

    @classmethod
    def from_pretrained(cls, model: str | Path, **options: Any) -> SegDM:
        """Return the SegDM of a model folder; `options` are the constructor's.

        Raises:
            SegSRError: If the model or a component of it cannot be had.
        """
        return cls(MaskBranch.from_pretrained(find_folder(model)), **options)

    def evaluate(self, batch: Batch) -> Predictions:
        """Sample the mask from seeded noise, measure and picture it."""
        features = self.branch.read(to_canvas(batch["lq"])).features
        *_, last = self.branch.sample(features, self.evaluation_noise(batch))
        classes, sure = self.branch.decode(last)
        self.measure("mask", classes, batch["mask"])
        self.measure("labelled", classes.masked_fill(~sure, IGNORE_INDEX), batch["mask"])
        log_pictures(self, batch, mask=classes)
        return Predictions(batch["name"], None, classes)
