"""OneStep: a joint model distilled to one call of its image denoiser."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, Batch
from segsr.diffusion import gaussian
from segsr.diffusion.distillation import FIRST, LAST, score_distillation
from segsr.diffusion.noise import Noise
from segsr.diffusion.state import State
from segsr.metrics.restoration import restoration_metrics
from segsr.model.conditions import Conditions
from segsr.model.joint import JointModel
from segsr.model.options import SamplingOptions, Start
from segsr.nets.resize_codec import pillow_bicubic, to_canvas
from segsr.nets.time_aware_encoder import as_timesteps
from segsr.seeding import generator
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.task import Task, draw_keep, draw_timesteps
from segsr.training.lora import add_lora, copy_sharing, merged
from segsr.training.picture_loss import PictureLoss


class Result(NamedTuple):
    """What the student makes of a batch.

    Attributes:
        clean: Clean states.
        lq_latents: The latents that they belong to, of the student's own encoder.
        masks: What the Seg Controller saw; 255 where nothing.
    """

    clean: Float[Tensor, "b c gh gw"]
    lq_latents: Float[Tensor, "b c gh gw"]
    masks: Int[Tensor, "b gh gw"]


class OneStep(Task):
    """Distils a joint model: SegDM's mask first, then one call of the image denoiser.

    The student starts as the teacher. It is trained on its decoded pictures and, with `distil`, on
    variational score distillation (OSEDiff), for which a third denoiser learns what the student's
    results are distributed like. That one learns within the same backward pass, as a discriminator
    does (`PictureLoss`): it sees the results detached, and the student's term sees it frozen. So
    one optimizer trains all, on the same results, one step apart at most.

    Args:
        teacher: The model to distil; its mask branch stays as it is.
        picture_loss: What the decoded pictures are trained on.
        start: What the student starts from; see `SamplingOptions`.
        mask_first: Steps of SegDM before the image's, 1 to 3 as a rule.
        lora_rank: Rank of adapters beside the denoiser's, the image controller's and the VAE
            encoder's weights, all merged when the model is written; None trains the weights of
            denoiser and controller themselves. The Seg Controller is trained whole.
        distil: Weight of the score distillation; 0 leaves it out, and with it the teacher.
        teacher_guidance: Semantic guidance scale of the teacher's predictions.
        drop: Probability with which the mask is left out, which makes semantic guidance possible.
        **task: See `Task`.
    """

    def __init__(
        self,
        teacher: JointModel,
        picture_loss: PictureLoss,
        *,
        start: Start = "lq",
        mask_first: int = 1,
        lora_rank: int | None = None,
        distil: float | int = 1.0,
        teacher_guidance: float | int = 1.0,
        drop: float = 0.1,
        **task: Any,
    ) -> None:
        super().__init__(**task)
        self.picture_loss = picture_loss
        self.distil = distil
        self.teacher_guidance = teacher_guidance
        self.drop = drop
        teacher.requires_grad_(False)
        image, mask = teacher.image, teacher.mask
        weights = [] if lora_rank is None else list(image.parameters())
        shared = (mask, image.scheduler, *weights)
        self.student = copy_sharing(teacher, *shared) if distil else teacher
        self.student.mask_first = mask_first
        _start_anew(self.student, start)
        _train(self.student, lora_rank)
        if distil:
            self.teacher = teacher
            rest = (teacher.bridge, image.autoencoder, image.controller)
            self.fake = copy_sharing(teacher, *shared, *rest)
            _train_weights(self.fake.image.denoiser, lora_rank)
        self.metrics.update({"restored": restoration_metrics(), "bicubic": restoration_metrics()})

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the loss of the student's pictures, and what teaches it and its critics."""
        generators, canvas = self.generators(batch), to_canvas(batch["lq"])
        conditions = (self.teacher if self.distil else self.student).read(canvas)
        keys = [(self.seed, self.global_step, "start", name) for name in batch["name"]]
        kept = draw_keep(self.drop, generators).to(canvas.device).bool()
        result = self.restore(conditions, Noise(keys), kept)
        terms = self.picture_loss(
            self.student.image.picture(result.clean, result.lq_latents),
            batch["hq"],
            self.global_step,
            generator(self.seed, "window", self.global_step),
        )
        if self.distil:
            terms |= self.score_terms(result, conditions.lq_latents, generators)
        for name, term in terms.items():
            self.log_loss(name, term)
        return torch.stack(list(terms.values())).sum()

    def restore(
        self, conditions: Conditions, noise: Noise, kept: Bool[Tensor, " b"] | None = None
    ) -> Result:
        """Return the student's result, with its gradient.

        Args:
            conditions: Of LQ images; their latents are encoded anew, by the student.
            noise: Of every image, by position.
            kept: Whether the mask is shown; else it is for all.
        """
        student = self.student
        lq_latents = student.image.autoencoder.encode(conditions.canvas)
        last = len(student.image.abar) - 1
        state = student.image.start_state(lq_latents, last, noise, SamplingOptions())
        states = State(state.detach(), student.mask.start_state(conditions.features, noise))
        predict = partial(student.predict, options=SamplingOptions())
        estimate = student.estimate(conditions, states, noise, predict)
        masks = estimate.argmax(1).masked_fill(~student.mask.sure(estimate), IGNORE_INDEX)
        if kept is not None:
            masks = masks.masked_fill(~kept.view(-1, 1, 1), IGNORE_INDEX)
        t = as_timesteps(last, state)
        return Result(self._clean(student, state, t, lq_latents, masks), lq_latents, masks)

    def score_terms(
        self,
        result: Result,
        lq_latents: Float[Tensor, "b c gh gw"],
        generators: list[torch.Generator],
    ) -> dict[str, Tensor]:
        """Return the student's term of score distillation, and the one that its critic learns from.

        Args:
            result: The student's.
            lq_latents: The teacher's.
            generators: One per image.
        """
        teacher, abar = self.teacher.image, self.teacher.image.abar
        x0 = self.student.image.from_state(result.clean, result.lq_latents)
        x0 = teacher.to_state(x0, lq_latents)
        weights = torch.zeros(len(abar)).index_fill(0, torch.arange(FIRST, LAST + 1), 1.0)
        t = draw_timesteps(weights, generators).to(x0.device)
        noised = gaussian.q_sample(x0, gaussian.draw_normal(x0, generators), _at(abar, t))
        with torch.no_grad():
            seen = noised, t, lq_latents, result.masks
            real = self._clean(self.teacher, *seen, guidance=self.teacher_guidance)
            fake = self._clean(self.fake, *seen)
        distilled = self.distil * score_distillation(x0, real, fake)
        return {
            "distillation": distilled,
            "fake": self._fake_loss(x0.detach(), lq_latents, result.masks, generators),
        }

    def _fake_loss(
        self, x0: Tensor, lq_latents: Tensor, masks: Tensor, generators: list[torch.Generator]
    ) -> Tensor:
        """The error of the network that learns the student's results, at random times."""
        branch = self.fake.image
        t = draw_timesteps(torch.ones(len(branch.abar)), generators).to(x0.device)
        noise, abar = gaussian.draw_normal(x0, generators), _at(branch.abar, t)
        noised, kind = gaussian.q_sample(x0, noise, abar), branch.scheduler.config.prediction_type
        output = self.fake.denoise(noised, t, lq_latents, masks)
        return F.mse_loss(output.float(), gaussian.target(kind, x0, noise, abar))

    @staticmethod
    def _clean(
        model: JointModel,
        state: Tensor,
        t: Tensor,
        lq_latents: Tensor,
        masks: Tensor,
        guidance: float | int = 1,
    ) -> Tensor:
        """The clean states that a model predicts."""
        kind = model.image.scheduler.config.prediction_type
        output = model.denoise(state, t, lq_latents, masks, guidance)
        return gaussian.predict_x0(kind, output.float(), state, _at(model.image.abar, t))

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the student as a model folder, its adapters merged into the weights."""
        image, networks = self.student.image, {}
        for name in ("autoencoder", "controller", "denoiser"):
            networks[name] = getattr(image, name)
            setattr(image, name, merged(networks[name]))
        try:
            self.student.save_pretrained(folder)
        finally:
            for name, network in networks.items():
                setattr(image, name, network)

    def evaluate(self, batch: Batch) -> Predictions:
        """Restore the batch, measure it against bicubic, and picture it."""
        predictions = self.predict_step(batch, 0)
        assert predictions.images is not None
        if "hq" in batch:
            self.measure("restored", predictions.images, batch["hq"])
            self.measure("bicubic", pillow_bicubic(batch["lq"]), batch["hq"])
        log_pictures(self, batch, predictions.images, predictions.masks)
        return predictions

    def predict_step(self, batch: Batch, batch_index: int) -> Predictions:
        """Restore a batch of the prediction set."""
        options = SamplingOptions()
        conditions = self.student.read(to_canvas(batch["lq"]))
        noise = self.evaluation_noise(batch)
        *_, last = self.student.sample(conditions, noise, options)
        image, classes, _ = self.student.decode(last, conditions, options)
        return Predictions(batch["name"], image, classes)


def _start_anew(student: JointModel, start: Start) -> None:
    """Set a model to one step from the last time on, and to no more."""
    image = student.image
    image.scheduler = type(image.scheduler).from_config(
        image.scheduler.config, timestep_spacing="trailing"
    )
    image.start, image.steps, image.most_steps = start, 1, 1


def _train(student: JointModel, lora_rank: int | None) -> None:
    """Let the image branch and the Seg Controller be trained, by adapters or as they are."""
    image = student.image
    _train_weights(image.denoiser, lora_rank)
    _train_weights(image.controller, lora_rank)
    if lora_rank is None:
        image.autoencoder.train_refinement()
    else:
        add_lora(image.autoencoder.codec, lora_rank, within=("encoder.", "quant_conv"))
    student.bridge.seg_controller.requires_grad_(True)
    student.bridge.class_embedding.requires_grad_(True)


def _train_weights(network: torch.nn.Module, lora_rank: int | None) -> None:
    if lora_rank is None:
        network.requires_grad_(True)
    else:
        add_lora(network, lora_rank)


def _at(abar: Tensor, t: Tensor) -> Tensor:
    return abar[t].view(-1, 1, 1, 1)
