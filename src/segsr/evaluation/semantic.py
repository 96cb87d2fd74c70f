"""ACC, the paper's semantic metric: does a labeler see in the restoration what is in the HQ?"""

from __future__ import annotations

import torch
from torch import Tensor

from segsr.errors import SegSRError
from segsr.labeling.base import Labeler, label
from segsr.metrics.agreement import agreement_columns
from segsr.metrics.confusion import confusion
from segsr.metrics.image_metric import Inputs


class SemanticAgreement:
    """A labeler's masks of the restored images against its masks of the HQ images.

    "The accuracy of semantic segmentation predictions by X-Decoder on the restoration results,
    using the predictions on HQ images as the ground truth mask" (paper section 4.3). Both are
    pseudo-labels of one labeler: figures compare only under the same one.

    Args:
        labeler: The judge.
        threshold: See `segsr.labeling.base.label`.
        device: Where it runs.

    Raises:
        SegSRError: If the labeler is none.
    """

    inputs = ("restored", "hq")
    columns = agreement_columns("acc", "ACC", "miou", "mIoU", "labels")

    def __init__(
        self, labeler: Labeler, *, threshold: float = 0.0, device: str | torch.device = "cpu"
    ) -> None:
        if not isinstance(labeler, Labeler):
            raise SegSRError(f"ACC needs a labeler, got {type(labeler).__name__}: labeler=compact")
        self.labeler = labeler.to(device)
        self.threshold = threshold

    def __call__(self, images: Inputs) -> dict[str, Tensor]:
        """Return `labels` (b, k, k): see `segsr.metrics.confusion`."""
        found, true = (
            label(self.labeler, images[role], threshold=self.threshold).masks
            for role in self.inputs
        )
        return {"labels": confusion(found, true, len(self.labeler.classes))}
