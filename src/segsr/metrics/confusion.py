"""Confusion matrices of masks, and the figures that come of one.

A matrix of `k` classes is (k + 1, k + 1): pixel counts, true class by row and found class by
column. The last column holds the pixels that a mask leaves open (`IGNORE_INDEX`) although they have
a label, which makes them wrong; the last row is empty, since a pixel without a label does not
count.

The mean IoU is taken over the classes that are PRESENT IN THE TRUTH of the set. A class without a
true pixel has no IoU of its own: counting it as 0 would punish, as 1 would reward, every method
for what a test set happens to lack (CamVid shows about ten of the 34 classes). Predicting an
absent class still costs: the true class of those pixels loses them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX
from segsr.errors import SegSRError


def confusion(
    masks: Int[Tensor, "b h w"], labels: Int[Tensor, "b h w"], num_classes: int
) -> Int[Tensor, "b k k"]:
    """Return each image's confusion matrix, k = `num_classes` + 1.

    Args:
        masks: Found classes, `IGNORE_INDEX` where a mask leaves open what is there.
        labels: True classes, `IGNORE_INDEX` or `UNKNOWN_INDEX` where there is no label.
        num_classes: Classes of both.

    Raises:
        SegSRError: If a mask or a label holds what is no class.
    """
    known = (labels != IGNORE_INDEX) & (labels != UNKNOWN_INDEX)
    found, true = masks[known], labels[known]
    check_classes("A true mask", true, num_classes)
    check_classes("A predicted mask", found[found != IGNORE_INDEX], num_classes)
    found = found.masked_fill(found == IGNORE_INDEX, num_classes)
    count, k = len(masks), num_classes + 1
    images = torch.arange(count, device=masks.device)[:, None, None].expand_as(known)[known]
    cells = (images * k + true) * k + found
    return torch.bincount(cells, minlength=count * k * k).view(count, k, k)


def check_classes(what: str, values: Tensor, num_classes: int) -> None:
    """Refuse values that are no class.

    Args:
        what: Whose values they are, the first words of the sentence.
        values: Integers of any shape.
        num_classes: Classes that there are.

    Raises:
        SegSRError: If a value is not in 0 to `num_classes` - 1.
    """
    if not values.numel():
        return
    least, greatest = (int(value) for value in values.aminmax())
    worst = least if least < 0 else greatest
    if not 0 <= worst < num_classes:
        raise SegSRError(
            f"{what} holds the value {worst}, but classes are 0 to {num_classes - 1} (and "
            f"{IGNORE_INDEX} for unknown): map its labels to segsr's classes first"
        )


def iou_per_class(confusion: Int[Tensor, "k k"]) -> Float[Tensor, " k"]:
    """Return each class's intersection over union, nan where the truth has no such pixel.

    Args:
        confusion: Pixel counts, true class by row and found class by column.
    """
    counts = confusion.float()
    present = counts.sum(dim=1) > 0
    intersection = counts.diagonal()
    union = counts.sum(dim=1) + counts.sum(dim=0) - intersection
    return (intersection / union).where(present, counts.new_tensor(float("nan")))


def mean_iou(confusion: Int[Tensor, "k k"]) -> Float[Tensor, ""]:
    """Return the mean IoU over the classes present in the truth; nan if there is none.

    Args:
        confusion: Pixel counts, true class by row and found class by column.
    """
    return iou_per_class(confusion).nanmean()


def pixel_accuracy(confusion: Int[Tensor, "k k"]) -> Float[Tensor, ""]:
    """Return the share of labelled pixels that got their true class; nan if there is none.

    Args:
        confusion: Pixel counts, true class by row and found class by column.
    """
    return confusion.diagonal().sum() / confusion.sum()
