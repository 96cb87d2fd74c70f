"""Mean IoU and pixel accuracy of masks, from one confusion matrix over the whole set.

The mean is taken over the classes that are PRESENT IN THE TRUTH of the set. A class without a
true pixel has no IoU of its own: counting it as 0 would punish, as 1 would reward, every method
for what a test set happens to lack (CamVid shows about ten of the 34 classes). Predicting an
absent class still costs: the true class of those pixels loses them.
"""

from __future__ import annotations

from jaxtyping import Float, Int
from torch import Tensor
from torchmetrics import MetricCollection
from torchmetrics.classification import MulticlassConfusionMatrix

from segsr.batch import IGNORE_INDEX
from segsr.classes import CLASSES
from segsr.errors import SegSRError


def segmentation_metrics(num_classes: int = len(CLASSES)) -> MetricCollection:
    """Return the collection `miou` and `pixel_accuracy`, both in [0, 1], over the whole set.

    `update(predicted, truth)` takes int64 masks (b, h, w). Pixels whose truth is `IGNORE_INDEX`
    do not count. Both share one confusion matrix.
    """
    return MetricCollection(
        {"miou": MeanIoU(num_classes), "pixel_accuracy": PixelAccuracy(num_classes)},
        compute_groups=[["miou", "pixel_accuracy"]],
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


def _farthest(values: Tensor) -> int:
    """Return the least of `values` if it is negative, else the greatest."""
    least, greatest = values.aminmax()
    return int(least if least < 0 else greatest)
