"""How two masks of each image agree, as metrics of a protocol.

Each image's measurement is its confusion matrix, so that the figures of a set (and their bootstrap
intervals) come from sums of matrices: accuracy counts pixels, mean IoU the classes of the set.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor

from segsr.classes import CLASSES
from segsr.metrics.column import Column
from segsr.metrics.confusion import confusion, mean_iou, pixel_accuracy
from segsr.metrics.image_metric import Inputs


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
        """Return `masks` (b, c + 1, c + 1): see `segsr.metrics.confusion`."""
        return {"masks": confusion(images["mask"], images["label"], self.num_classes)}


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
