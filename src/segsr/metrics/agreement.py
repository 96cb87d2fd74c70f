"""How two masks of each image agree, as metrics of a protocol.

Each image's measurement is its confusion matrix, so that the figures of a set (and their bootstrap
intervals) come from sums of matrices: accuracy counts pixels, mean IoU the classes of the set.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from jaxtyping import Int
from torch import Tensor

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.errors import SegSRError
from segsr.metrics.column import Column
from segsr.metrics.image_metric import Inputs
from segsr.metrics.segmentation import mean_iou, pixel_accuracy


class MaskAgreement:
    """A method's masks against true ones: pixel accuracy and mean IoU.

    Args:
        num_classes: Classes of both.
    """

    columns: tuple[Column, ...]
    inputs = ("mask", "label")

    def __init__(self, num_classes: int = len(CLASSES)) -> None:
        self.num_classes = num_classes
        self.columns = agreement_columns("mask_acc", "mask ACC", "mask_miou", "mask mIoU", "masks")

    def __call__(self, images: Inputs) -> dict[str, Tensor]:
        """Return `masks` (b, c + 1, c + 1): see `confusion`."""
        return {"masks": confusion(images["mask"], images["label"], self.num_classes)}


def confusion(
    masks: Int[Tensor, "b h w"], labels: Int[Tensor, "b h w"], num_classes: int
) -> Int[Tensor, "b k k"]:
    """Return each image's pixel counts, true class by row and found class by column.

    There is one class more than `num_classes`: the last column holds the pixels that a mask leaves
    open (`IGNORE_INDEX`) although they have a label, which makes them wrong; the last row is empty,
    since a pixel without a label does not count.

    Raises:
        SegSRError: If a mask or a label holds what is no class.
    """
    k = num_classes + 1
    counts = []
    for mask, label in zip(masks, labels, strict=True):
        known = label != IGNORE_INDEX
        true, found = label[known], mask[known]
        found = torch.where(found == IGNORE_INDEX, num_classes, found)
        for values, most in ((true, num_classes - 1), (found, num_classes)):
            if values.numel() and not 0 <= int(values.min()) <= int(values.max()) <= most:
                worst = int(values.min() if values.min() < 0 else values.max())
                raise SegSRError(
                    f"a mask holds the value {worst}, but classes are 0 to {num_classes - 1} (and "
                    f"{IGNORE_INDEX} for unknown): map its labels to segsr's classes first"
                )
        counts.append(torch.bincount(true * k + found, minlength=k * k).view(k, k))
    return torch.stack(counts)


def agreement_columns(
    accuracy: str, accuracy_label: str, miou: str, miou_label: str, field: str
) -> tuple[Column, ...]:
    """Return the columns of pixel accuracy and mean IoU that come of one confusion matrix."""
    return (
        Column(accuracy, accuracy_label, True, 4, field, accuracy_of_set),
        Column(miou, miou_label, True, 4, field, miou_of_set),
    )


def accuracy_of_set(matrices: npt.NDArray[np.float64]) -> float:
    """Return the pixel accuracy of n images' confusion matrices (n, k, k)."""
    return float(pixel_accuracy(_pooled(matrices)))


def miou_of_set(matrices: npt.NDArray[np.float64]) -> float:
    """Return the mean IoU of n images' confusion matrices (n, k, k)."""
    return float(mean_iou(_pooled(matrices)))


def _pooled(matrices: npt.NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(matrices.sum(axis=0).astype(np.int64))
