"""What `segsr predict` leaves behind: a photograph and a mask per sample."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lightning import LightningModule, Trainer
from lightning.pytorch.callbacks import BasePredictionWriter

from segsr.files.mask import write_mask
from segsr.files.photo import write_photo
from segsr.tasks.predictions import Predictions


class WritePredictions(BasePredictionWriter):
    """Writes `<stem>.png` and `<stem>_mask.png` of every sample into `folder`, batch by batch."""

    def __init__(self, folder: str | Path) -> None:
        super().__init__(write_interval="batch")
        self.folder = Path(folder)

    def write_on_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        prediction: Any,
        batch_indices: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int,
    ) -> None:
        """Write one batch's predictions."""
        assert isinstance(prediction, Predictions)
        write(self.folder, prediction)


def write(folder: Path, found: Predictions) -> None:
    """Write a batch's masks and images into `folder`, the image of a photograph last."""
    for i, name in enumerate(found.names):
        stem = Path(name).stem
        if found.masks is not None:
            write_mask(folder / f"{stem}_mask.png", found.masks[i])
        if found.images is not None:
            write_photo(folder / f"{stem}.png", found.images[i])
