"""Mean IoU and pixel accuracy of masks, and how much of them is labelled at all, over a set.

Both of the first come from one confusion matrix; see `segsr.metrics.confusion`.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric, MetricCollection

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX
from segsr.classes import CLASSES
from segsr.metrics.confusion import check_classes, confusion, mean_iou, pixel_accuracy


def segmentation_metrics(num_classes: int = len(CLASSES)) -> MetricCollection:
    """Return the collection `miou` and `pixel_accuracy`, both in [0, 1], over the whole set.

    `update(predicted, truth)` takes int64 masks (b, h, w). Pixels whose truth is `IGNORE_INDEX`
    or `UNKNOWN_INDEX` do not count. Both share one confusion matrix.
    """
    return MetricCollection(
        {"miou": MeanIoU(num_classes), "pixel_accuracy": PixelAccuracy(num_classes)},
        compute_groups=[["miou", "pixel_accuracy"]],
    )


def labelling_metrics() -> MetricCollection:
    """Return the collection `share` and `accuracy` of the pixels that a mask labels, in [0, 1].

    `update(predicted, truth)` takes int64 masks (b, h, w); `IGNORE_INDEX` in the predicted ones is
    what they are unsure of. Both are over the whole set.
    """
    return MetricCollection(
        {"share": LabelledShare(), "accuracy": LabelledAccuracy()},
        compute_groups=[["share", "accuracy"]],
    )


def labelled_counts(
    predicted: Int[Tensor, "b h w"], truth: Int[Tensor, "b h w"]
) -> Int[Tensor, "4"]:
    """Return how many pixels there are, are labelled, have a truth too, and are right.

    Args:
        predicted: Classes, `IGNORE_INDEX` where unsure.
        truth: Classes, `IGNORE_INDEX` or `UNKNOWN_INDEX` where there is none.
    """
    labelled = predicted != IGNORE_INDEX
    judged = labelled & (truth != IGNORE_INDEX) & (truth != UNKNOWN_INDEX)
    right = judged & (predicted == truth)
    everything = torch.ones_like(labelled)
    return torch.stack([pixels.sum() for pixels in (everything, labelled, judged, right)])


def labelled_share(counts: Int[Tensor, "4"]) -> Float[Tensor, ""]:
    """Return the share of pixels that are labelled; nan if there are no pixels.

    Args:
        counts: See `labelled_counts`.
    """
    return counts[1] / counts[0]


def labelled_accuracy(counts: Int[Tensor, "4"]) -> Float[Tensor, ""]:
    """Return the share of right ones among the labelled pixels with a truth; nan if there are none.

    Args:
        counts: See `labelled_counts`.
    """
    return counts[3] / counts[2]


class _MaskConfusion(Metric):
    """The confusion matrix of masks, summed over the set."""

    higher_is_better = True
    full_state_update = False
    counts: Tensor

    def __init__(self, num_classes: int = len(CLASSES)) -> None:
        super().__init__()
        self.num_classes = num_classes
        empty = torch.zeros(num_classes + 1, num_classes + 1, dtype=torch.long)
        self.add_state("counts", empty, dist_reduce_fx="sum")

    def update(self, preds: Int[Tensor, "b h w"], target: Int[Tensor, "b h w"]) -> None:
        """Count the pixels of one batch of masks.

        Raises:
            SegSRError: If a mask holds a value that is no class, or a predicted one is open.
        """
        check_classes("A predicted mask", preds, self.num_classes)
        self.counts += confusion(preds, target, self.num_classes).sum(dim=0)


class MeanIoU(_MaskConfusion):
    """Mean IoU over the classes present in the truth of the set."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the mean IoU of all masks seen since the last reset."""
        return mean_iou(self.counts)


class PixelAccuracy(_MaskConfusion):
    """Share of labelled pixels that got their true class."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the pixel accuracy of all masks seen since the last reset."""
        return pixel_accuracy(self.counts)


class _LabelledCounts(Metric):
    """`labelled_counts`, summed over the set."""

    higher_is_better = True
    counts: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.add_state("counts", torch.zeros(4, dtype=torch.long), dist_reduce_fx="sum")

    def update(self, preds: Int[Tensor, "b h w"], target: Int[Tensor, "b h w"]) -> None:
        """Count the pixels of one batch of masks."""
        self.counts += labelled_counts(preds, target)


class LabelledShare(_LabelledCounts):
    """Share of pixels that a mask labels; see `labelled_share`."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the share over all masks seen since the last reset."""
        return labelled_share(self.counts)


class LabelledAccuracy(_LabelledCounts):
    """Accuracy where a mask is labelled and the truth known; see `labelled_accuracy`."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the accuracy over all masks seen since the last reset."""
        return labelled_accuracy(self.counts)
