"""The compact autoencoder's stage: principal components first, gradient steps if asked for."""

from __future__ import annotations

from itertools import islice
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from segsr.batch import Batch
from segsr.checkpoints.folder import save_folder
from segsr.metrics.restoration import restoration_metrics
from segsr.nets.autoencoder import Autoencoder
from segsr.nets.patch_autoencoder import PatchAutoencoder
from segsr.tasks.pictures import log_pictures
from segsr.tasks.predictions import Predictions
from segsr.tasks.task import Task


class AutoencoderTask(Task):
    """Fits a `PatchAutoencoder` to HQ photographs.

    Before the first step the basis becomes the principal components of the patches of
    `basis_batches` training batches; the steps then minimise the squared error.

    Args:
        codec: The autoencoder.
        basis_batches: Training batches from which the basis is computed.
        **task: See `Task`.
    """

    def __init__(self, codec: PatchAutoencoder, *, basis_batches: int = 50, **task: Any) -> None:
        super().__init__(**task)
        self.autoencoder = Autoencoder(codec)
        self.basis_batches = basis_batches
        self.metrics["reconstructed"] = restoration_metrics()

    @property
    def codec(self) -> PatchAutoencoder:
        """The autoencoder as it was given."""
        codec: PatchAutoencoder = self.autoencoder.codec
        return codec

    def on_train_start(self) -> None:
        """Compute the basis, from rank zero's batches, unless a run is being resumed."""
        if self.global_step > 0:
            return
        data: Any = self.trainer.datamodule  # type: ignore[attr-defined]
        batches = islice(data.train_dataloader(), self.basis_batches)
        images = torch.cat([data.on_after_batch_transfer(batch, 0)["hq"] for batch in batches])
        images = self.trainer.strategy.broadcast(images)
        self.codec.fit(images.to(self.device) * 2 - 1)

    def training_step(self, batch: Batch, batch_index: int) -> Tensor:
        """Return the mean squared error of the reconstruction, in [0, 1] units."""
        images = batch["hq"]
        loss = F.mse_loss(self.autoencoder.decode(self.autoencoder.encode(images)), images)
        self.log_loss("reconstruction_loss", loss)
        return loss

    def save_pretrained(self, folder: str | Path) -> None:
        """Write the autoencoder into the model folder `folder`."""
        save_folder(folder, {"autoencoder": self.codec}, {})

    def evaluate(self, batch: Batch) -> Predictions:
        """Reconstruct the batch, measure and picture it."""
        images = self.autoencoder.decode(self.autoencoder.encode(batch["hq"])).clamp(0, 1)
        self.measure("reconstructed", images, batch["hq"])
        log_pictures(self, batch, images)
        return Predictions(batch["name"], images, None)
