"""Panels that let one see what a validation batch became."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from lightning.pytorch.loggers import TensorBoardLogger
from torch import Tensor

from segsr.batch import Batch
from segsr.nets.resize_codec import to_canvas
from segsr.palette import colourise

if TYPE_CHECKING:
    from segsr.tasks.task import Task


def panel(images: list[Tensor]) -> Tensor:
    """Return images (3, H, W) of one height side by side, as one image in [0, 1]."""
    return torch.cat([image.float().cpu().clamp(0, 1) for image in images], 2)


def colours(mask: Tensor) -> Tensor:
    """Return the palette's picture (3, H, W), in [0, 1], of a class map (H, W)."""
    return torch.from_numpy(colourise(mask.cpu().numpy())).permute(2, 0, 1) / 255


def log_pictures(
    task: Task, batch: Batch, image: Tensor | None = None, mask: Tensor | None = None
) -> None:
    """Log LQ, restored, HQ, mask and true mask of every sample, as far as they exist.

    One picture per sample under the sample's name; nothing without a TensorBoard logger.
    """
    for logger in task.loggers:
        if not isinstance(logger, TensorBoardLogger):
            continue
        for i, name in enumerate(batch["name"]):
            row = [to_canvas(batch["lq"][i : i + 1])[0]]
            row += [] if image is None else [image[i]]
            row += [batch["hq"][i]] if "hq" in batch else []
            row += [] if mask is None else [colours(mask[i])]
            row += [colours(batch["mask"][i])] if "mask" in batch else []
            logger.experiment.add_image(f"val/{name}", panel(row), task.global_step)
