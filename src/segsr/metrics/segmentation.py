"""Mean IoU and pixel accuracy of masks, and how much of them is labelled at all.

Both of the first come from one confusion matrix over the whole set.

The mean is taken over the classes that are PRESENT IN THE TRUTH of the set. A class without a
true pixel has no IoU of its own: counting it as 0 would punish, as 1 would reward, every method
for what a test set happens to lack (CamVid shows about ten of the 34 classes). Predicting an
absent class still costs: the true class of those pixels loses them.
"""

from __future__ import annotations

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import Metric, MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from segsr.batch import IGNORE_INDEX, UNKNOWN_INDEX
from segsr.classes import CLASSES
from segsr.errors import SegSRError


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


def iou_per_class(confusion: Int[Tensor, "c c"]) -> Float[Tensor, " c"]:
    """Return each class's intersection over union, nan where the truth has no such pixel.

    Args:
        confusion: Pixel counts, true class by row and predicted class by column.
    """
    counts = confusion.float()
    present = counts.sum(dim=1) > 0
    intersection = counts.diagonal()
    union = counts.sum(dim=1) + counts.sum(dim=0) - intersection
    return (intersection / union).where(present, counts.new_tensor(float("nan")))


def mean_iou(confusion: Int[Tensor, "c c"]) -> Float[Tensor, ""]:
    """Return the mean IoU over the classes present in the truth; nan if there is none.

    Args:
        confusion: Pixel counts, true class by row and predicted class by column.
    """
    return iou_per_class(confusion).nanmean()


def pixel_accuracy(confusion: Int[Tensor, "c c"]) -> Float[Tensor, ""]:
    """Return the share of labelled pixels that got their true class; nan if there is none.

    Args:
        confusion: Pixel counts, true class by row and predicted class by column.
    """
    return confusion.diagonal().sum() / confusion.sum()


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


class _MaskConfusion(MulticlassConfusionMatrix):
    """The confusion matrix of masks, accumulated over the set."""

    higher_is_better = True

    def __init__(self, num_classes: int = len(CLASSES)) -> None:
        super().__init__(num_classes, ignore_index=IGNORE_INDEX, validate_args=False)

    def update(self, preds: Int[Tensor, "b h w"], target: Int[Tensor, "b h w"]) -> None:
        """Count the pixels of one batch of masks.

        Raises:
            SegSRError: If a mask holds a value that is no class; unchecked, torchmetrics would
                count it as another class.
        """
        target = target.masked_fill(target == UNKNOWN_INDEX, IGNORE_INDEX)
        self._check("A predicted mask", preds)
        self._check("A true mask", target[target != IGNORE_INDEX])
        super().update(preds, target)

    def _check(self, what: str, values: Tensor) -> None:
        if values.numel() and not 0 <= (worst := _farthest(values)) < self.num_classes:
            raise SegSRError(
                f"{what} holds the value {worst}, but classes are 0 to {self.num_classes - 1} "
                f"(and {IGNORE_INDEX} for unknown in the truth): map the labels first."
            )


class MeanIoU(_MaskConfusion):
    """Mean IoU over the classes present in the truth of the set; see `mean_iou`."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the mean IoU of all masks seen since the last reset."""
        return mean_iou(self.confmat)


class PixelAccuracy(_MaskConfusion):
    """Share of labelled pixels that got their true class; see `pixel_accuracy`."""

    def compute(self) -> Float[Tensor, ""]:
        """Return the pixel accuracy of all masks seen since the last reset."""
        return pixel_accuracy(self.confmat)


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


def _farthest(values: Tensor) -> int:
    """Return the least of `values` if it is negative, else the greatest."""
    least, greatest = values.aminmax()
    return int(least if least < 0 else greatest)
