"""SegDM, the segmentation branch: categorical diffusion of the mask under the prior's feature."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX, Batch
from segsr.checkpoints.folder import load_component, load_settings, save_folder
from segsr.diffusion import categorical
from segsr.diffusion.joint_sampler import mask_step
from segsr.diffusion.schedules import mask_abar, trailing_timesteps
from segsr.metrics.segmentation import labelling_metrics, segmentation_metrics
from segsr.nets.resize_codec import decode_mask, encode_mask, upsample_lq
from segsr.nets.seg_denoiser import SegDenoiser
from segsr.nets.seg_prior import STRIDE, Prior, SegPrior
from segsr.nets.time_aware_encoder import Guidance, as_timesteps
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.task import Task, draw_keep, draw_timesteps

MaskSchedule = Literal["linear", "cosine"]


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
    """Estimates the mask of an LQ photograph by discrete diffusion (paper section 3.3, DDPS).

    Args:
        prior: SegFormer, fine-tuned on LQ images; frozen here.
        denoiser: The seg denoiser.
        factor: Pixels per cell of the latent grid on which the mask is diffused.
        mask_schedule: How the kept share of classes falls on the shared clock: `linear` (DDPS) or
            `cosine` (multinomial diffusion).
        kl_weight: Weight of the variational bound's term beside the cross-entropy on x0.
        first_prediction: Probability of "diffusion on the first prediction" (DDPS): noise is added
            to the network's own first guess instead of the true mask, so that it learns to repair
            what it will meet when sampling.
        unknown_weight: Weight of being unsure where nothing is known (`UNKNOWN_INDEX`).
        confidence: A pixel whose likeliest class is less likely than this is unsure: it is 255 in
            the mask that is returned, and the Seg Controller does not see it.
        steps: Sampling steps where a call names none.
        **task: See `Task`.
    """

    abar: Tensor

    def __init__(
        self,
        prior: SegPrior,
        denoiser: SegDenoiser,
        *,
        factor: int = 8,
        mask_schedule: MaskSchedule = "linear",
        kl_weight: float = 1.0,
        first_prediction: float = 0.0,
        unknown_weight: float = 0.5,
        confidence: float | int = 0.0,
        steps: int = 4,
        **task: Any,
    ) -> None:
        super().__init__(**task)
        self.prior = prior.requires_grad_(False)
        self.denoiser = denoiser
        self.factor = factor
        self.kl_weight = kl_weight
        self.first_prediction = first_prediction
        self.unknown_weight = unknown_weight
        self.confidence = confidence
        self.steps = steps
        self.mask_schedule = mask_schedule
        self.register_buffer("abar", mask_abar(mask_schedule).float(), persistent=False)
        self.metrics["mask"] = segmentation_metrics(self.num_classes)
        self.metrics["labelled"] = labelling_metrics()

    @property
    def num_classes(self) -> int:
        """Classes K of the mask."""
        return int(self.denoiser.config.num_classes)

    def read_lq(self, lq: Float[Tensor, "b 3 h w"]) -> Prior:
        """Return F_lq and the first mask's logits, both on the latent grid."""
        with torch.no_grad():
            features, logits = self.prior(upsample_lq(lq))
            size = [side * STRIDE // self.factor for side in features.shape[-2:]]
            if list(features.shape[-2:]) != size:
                features, logits = (
                    F.interpolate(x, size, mode="bilinear") for x in (features, logits)
                )
        return Prior(features, logits)

    def noise(
        self, batch: Batch, t: Int[Tensor, " b"], generators: list[torch.Generator]
    ) -> NoisyMask:
        """Return F_lq, S_0, which of its pixels are known, and S_t of `batch` at timesteps `t`.

        Pixels without a label take the prior's class, so that S_t looks there as it will when
        sampling; they count in no loss. Unknown ones are noise at every t, since that is what
        sampling leaves of a mask that stays unsure.
        """
        prior = self.read_lq(batch["lq"])
        labels = encode_mask(batch["mask"], self.factor)
        unknown = labels == UNKNOWN_INDEX
        known = (labels != IGNORE_INDEX) & ~unknown
        clean = torch.where(known, labels, prior.logits.argmax(1))
        kept = draw_keep(self.first_prediction, generators).to(clean.device).bool()
        start = clean
        if self.first_prediction:
            guess = self.first_guess(prior.features, generators)
            start = torch.where(kept.view(-1, 1, 1), clean, guess)
        masks = categorical.q_sample(start, self.abar[t], self.num_classes, generators)
        noise = categorical.uniform_classes(masks.shape, self.num_classes, generators)
        masks = torch.where(unknown, noise.to(masks.device), masks)
        return NoisyMask(prior.features, clean, known, unknown, masks)

    @torch.no_grad()
    def first_guess(
        self, features: Float[Tensor, "b c h w"], generators: list[torch.Generator]
    ) -> Int[Tensor, "b h w"]:
        """Return the mask that the denoiser predicts from pure noise in one step."""
        noise = self.start_state(features, generators)
        t = as_timesteps(len(self.abar) - 1, noise)
        guess: Tensor = self.denoiser(noise, t, features).argmax(1)
        return guess

    def loss(
        self, logits: Float[Tensor, "b k h w"], sample: NoisyMask, t: Int[Tensor, " b"]
    ) -> tuple[Tensor, Tensor]:
        """Return the cross-entropy on x0 and the bound's term, over the known pixels.

        Unknown pixels add how sure the prediction is there to the first. Both are means over all
        pixels of the batch, one without a label counting 0: the mean over devices is then the mean
        over the global batch.
        """
        logits = logits.float()
        cross_entropy = F.cross_entropy(logits, sample.clean, reduction="none") * sample.known
        doubt = categorical.uniform_divergence(logits) * sample.unknown
        cross_entropy = cross_entropy + self.unknown_weight * doubt
        previous = torch.where(
            t > 0, self.abar[(t - 1).clamp(min=0)], torch.ones_like(self.abar[t])
        )
        divergence = categorical.step_divergence(
            logits, sample.clean, sample.masks, self.abar[t], previous
        )
        return cross_entropy.mean(), (divergence * sample.known).mean()

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return cross-entropy plus the weighted divergence of the denoiser's prediction."""
        generators = self.generators(batch)
        t = draw_timesteps(torch.ones(len(self.abar)), generators).to(self.abar.device)
        sample = self.noise(batch, t, generators)
        cross_entropy, divergence = self.loss(
            self.denoiser(sample.masks, t, sample.features), sample, t
        )
        self.log_loss("mask_cross_entropy", cross_entropy)
        self.log_loss("mask_divergence", divergence, shown=False)
        return cross_entropy + self.kl_weight * divergence

    def start_state(
        self, features: Float[Tensor, "b c h w"], generators: list[torch.Generator]
    ) -> Int[Tensor, "b h w"]:
        """Return uniformly random classes on the grid of `features`."""
        shape = (features.shape[0], *features.shape[-2:])
        return categorical.uniform_classes(shape, self.num_classes, generators).to(features.device)

    def sample(
        self,
        lq: Float[Tensor, "b 3 h w"],
        generators: list[torch.Generator],
        *,
        steps: int | None = None,
    ) -> Iterator[tuple[Int[Tensor, "b sh sw"], Bool[Tensor, "b sh sw"]]]:
        """Yield what is predicted at every step of the reverse process; see `decode`."""
        features = self.read_lq(lq).features
        masks = self.start_state(features, generators)
        times = trailing_timesteps(steps or self.steps, len(self.abar))
        for t, t_next in zip(times, [*times[1:], None], strict=True):
            with torch.no_grad():
                log_x0 = self.predict(masks, t, features)
            yield self.decode(log_x0)
            if t_next is not None:
                masks = mask_step(self.abar, log_x0, masks, t, t_next, generators)

    def predict(
        self, masks: Int[Tensor, "b h w"], t: int, features: Tensor, aid: Guidance | None = None
    ) -> Float[Tensor, "b k h w"]:
        """Return the log probabilities of the clean mask at one time for all samples."""
        logits: Tensor = self.denoiser(masks, as_timesteps(t, masks), features, aid)
        return logits.float().log_softmax(1)

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
    def from_pretrained(cls, model: str | Path, **options: Any) -> SegDM:
        """Return the SegDM of a model folder; see `JointSegSR.from_pretrained`.

        Raises:
            SegSRError: If the model or a component of it cannot be had.
        """
        return cls(
            load_component(model, "prior"),
            load_component(model, "seg_denoiser"),
            **{**load_settings(model).get("segdm", {}), **options},
        )

    def evaluate(self, batch: Batch) -> Predictions:
        """Sample the mask from seeded noise, measure and picture it."""
        *_, (classes, sure) = self.sample(batch["lq"], self.evaluation_generators(batch))
        self.measure("mask", classes, batch["mask"])
        self.measure("labelled", classes.masked_fill(~sure, IGNORE_INDEX), batch["mask"])
        log_pictures(self, batch, mask=classes)
        return Predictions(batch["name"], None, classes)
