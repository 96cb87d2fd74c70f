"""The prior's own stage: SegFormer learns masks from LQ photographs, or from clean ones."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from torch import Tensor
from torch.nn import functional as F

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX, Batch
from segsr.checkpoints.folder import save_folder
from segsr.diffusion.categorical import uniform_divergence
from segsr.metrics.segmentation import segmentation_metrics
from segsr.nets.resize_codec import decode_mask, to_canvas
from segsr.nets.seg_prior import STRIDE, SegPrior
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.task import Task


class SegPriorTask(Task):
    """Fine-tunes the prior on LQ images (paper section 3.3).

    Args:
        prior: The network; all of it is trained.
        clean: Train on the HQ photographs instead, which makes a labeler of it.
        unknown_weight: Weight of being unsure where nothing is known (`UNKNOWN_INDEX`).
        **task: See `Task`.
    """

    def __init__(
        self, prior: SegPrior, *, clean: bool = False, unknown_weight: float = 0.5, **task: Any
    ) -> None:
        super().__init__(**task)
        self.prior = prior
        self.clean = clean
        self.unknown_weight = unknown_weight
        self.metrics["mask"] = segmentation_metrics(prior.config.num_classes)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the cross-entropy at HQ size, a pixel without a label counting 0."""
        logits = self.prior(self._images(batch)).logits
        logits = F.interpolate(logits.float(), scale_factor=STRIDE, mode="bilinear")
        unknown = batch["mask"] == UNKNOWN_INDEX
        labels = batch["mask"].masked_fill(unknown, IGNORE_INDEX)
        losses = F.cross_entropy(logits, labels, ignore_index=IGNORE_INDEX, reduction="none").mean()
        doubt = (uniform_divergence(logits) * unknown).mean()
        self.log_loss("mask_cross_entropy", losses)
        self.log_loss("unknown", doubt, shown=False)
        return losses + self.unknown_weight * doubt

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the prior into the model folder `folder`."""
        save_folder(folder, {"prior": self.prior}, {})

    def evaluate(self, batch: Batch) -> Predictions:
        """Predict the batch's masks, measure and picture them."""
        mask = decode_mask(self.prior(self._images(batch)).logits, STRIDE)
        self.measure("mask", mask, batch["mask"])
        log_pictures(self, batch, mask=mask)
        return Predictions(batch["name"], None, mask)

    def _images(self, batch: Batch) -> Tensor:
        return batch["hq"] if self.clean else to_canvas(batch["lq"])
